# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The configuration of `rollcall render`.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import dataclasses
import grp
import os
import pwd
import re
import socket
import typing as t

from ..._etcd.settings import Settings
from ..._registry.following.follower import Intervals
from ..._registry.following.mirror import Selector, distinct
from ..._registry.layout import Layout
from ..._registry.node_set import Admission
from ..._registry.validation import parse_networks, valid_name
from .. import config
from ..config import Section

# Where check_cmd says which file to look at; the latter are confd's ways to write it.
CANDIDATE = ("{src}", "{{.src}}", "{{ .src }}")
DIRECTORY = "{dir}"  # the directory with the candidates of all files of the set


_LARGEST_ID = 2**32 - 2  # of a user or group; the number after it stands for "leave it as it is"


@dataclasses.dataclass(frozen=True)
class Timing:
    """Seconds. The first change is applied at once, what follows when it was quiet for `quiet`, or after `max_wait`.

    What failed is tried again after `retry`, then twice that, up to `retry_max`, whether anything changes or not.
    """

    quiet: float = 0.3
    max_wait: float = 3.0
    retry: float = 30.0
    retry_max: float = 600.0


_T = t.TypeVar("_T", Timing, Intervals)


@dataclasses.dataclass(frozen=True)
class File:
    """One file to render, in confd's words. `uid`, `gid` and `mode` are None where the file keeps what it has.

    Commands are for /bin/sh, timeouts seconds; `keys` are full names, those below each belong to it, too. Files with
    the same `set` are one configuration.
    """

    src: str
    dest: str
    prefix: str = ""
    keys: t.Tuple[str, ...] = ()
    uid: t.Optional[int] = None
    gid: t.Optional[int] = None
    mode: t.Optional[int] = None
    check_cmd: str = ""
    reload_cmd: str = ""
    check_timeout: float = 30.0
    reload_timeout: float = 60.0
    set: str = ""


@dataclasses.dataclass(frozen=True)
class RenderConfig:
    """All of it. `consumer_ttl` is the time to live of the consumer key's lease in seconds."""

    settings: Settings
    layout: Layout
    admission: Admission
    name: str
    state_dir: str
    allow_empty: bool
    consumer_ttl: int
    files: t.Tuple[File, ...]
    timing: Timing
    intervals: Intervals

    @property
    def selectors(self) -> t.Tuple[Selector, ...]:
        """The followed keys: the registry, maintenance, and the keys of the templates."""
        keys = [key for file in self.files for key in file.keys]
        single = [Selector(key, prefix=False) for key in keys if not key.endswith("/")]
        below = [Selector(key.rstrip("/") + "/") for key in keys]
        return distinct([Selector(self.layout.prefix), Selector(self.layout.maintenance_prefix), *single, *below])


def load(path: str, state_dir: t.Optional[str] = None) -> RenderConfig:
    """Read and check the configuration file. `state_dir` replaces the one of the file. Raises ConfigError."""
    root = config.read(path)
    settings, layout = config.etcd_settings(root), config.registry_layout(root)
    name = root.text("name") or socket.gethostname()
    networks = root.some_texts("allowed_networks")
    configured = _absolute(root, "state_dir", "/var/lib/rollcall")
    loaded = RenderConfig(
        settings=settings,
        layout=layout,
        admission=Admission(
            config.checked(root, "allowed_networks", lambda: parse_networks(networks)),
            root.flag("allow_unleased", False),
        ),
        name=config.checked(root, "name", lambda: valid_name(name)),
        state_dir=configured if state_dir is None else os.path.abspath(state_dir),
        allow_empty=root.flag("allow_empty", False),
        consumer_ttl=root.whole("consumer_ttl", 30, 2, 3600),
        files=tuple(_file(section, layout) for section in root.sections_list("templates")),
        timing=_seconds(root.section("timing"), Timing()),
        intervals=_seconds(root.section("intervals"), Intervals()),
    )
    root.end()
    if not loaded.files:
        raise root.error("templates", "expected at least one template, got an empty list")
    dests = [os.path.realpath(file.dest) for file in loaded.files]
    sources = {os.path.realpath(file.src) for file in loaded.files}
    for dest in dests:
        if dests.count(dest) > 1:
            raise root.error("templates", f"{dest} is the dest of more than one")
        if dest in sources:
            raise root.error("templates", f"{dest} is both a template and a dest, which would replace the template")
    return loaded


def _file(section: Section, layout: Layout) -> File:
    prefix = section.text("prefix").rstrip("/")
    if prefix and not prefix.startswith("/"):
        raise section.error("prefix", f"{prefix!r} does not begin with a slash")
    check_cmd = section.text("check_cmd")
    if check_cmd and not any(word in check_cmd for word in (*CANDIDATE, DIRECTORY)):
        raise section.error("check_cmd", f"it has no {CANDIDATE[0]} in it, so it would look at the old file")
    file = File(
        src=_absolute(section, "src"),
        dest=_absolute(section, "dest"),
        prefix=prefix,
        keys=tuple(_key(section, prefix + key, layout) for key in section.texts("keys")),
        uid=_id(section, "owner", lambda name: pwd.getpwnam(name).pw_uid),
        gid=_id(section, "group", lambda name: grp.getgrnam(name).gr_gid),
        mode=_mode(section),
        check_cmd=check_cmd,
        reload_cmd=section.text("reload_cmd"),
        check_timeout=section.seconds("check_timeout", File.check_timeout, 0.1),
        reload_timeout=section.seconds("reload_timeout", File.reload_timeout, 0.1),
        set=_set(section),
    )
    section.end()
    return file


def _key(section: Section, key: str, layout: Layout) -> str:
    if not key.startswith("/"):
        raise section.error("keys", f"{key!r} does not begin with a slash")
    consumers = Selector(layout.consumer(""))
    for selector in (Selector(key, prefix=False), Selector(key.rstrip("/") + "/")):
        if selector.covers(consumers) or consumers.covers(selector):
            raise section.error("keys", f"{key!r} has {consumers.key} in it, which changes with every rendering")
    return key


def _absolute(section: Section, key: str, default: str = "") -> str:
    path = section.text(key, default) if default else section.required_text(key)
    if not os.path.isabs(path):
        raise section.error(key, f"{path!r} is not an absolute path")
    return os.path.normpath(path)


def _id(section: Section, key: str, find: t.Callable[[str], int]) -> t.Optional[int]:
    name = section.text(key)
    if not name:
        return None
    if re.fullmatch("[0-9]{1,10}", name):
        if int(name) > _LARGEST_ID:
            raise section.error(key, f"{name} is larger than any {key}'s number ({_LARGEST_ID})")
        return int(name)
    try:
        return find(name)
    except KeyError:
        raise section.error(key, f"there is no {key} {name!r} on this host") from None


def _set(section: Section) -> str:
    name = section.text("set")
    if name and not re.fullmatch("[A-Za-z0-9_.-]+", name):
        raise section.error("set", f"expected a name of letters, digits, dots, dashes and underscores, got {name!r}")
    return name


def _mode(section: Section) -> t.Optional[int]:
    text = section.text("mode")
    if not text:
        return None
    if not re.fullmatch("0[0-7]{3}", text):
        raise section.error("mode", f'{text!r} is no octal number such as "0644"')
    return int(text, 8)


def _seconds(section: Section, defaults: _T) -> _T:
    """`defaults`, a dataclass of seconds, with what the section says instead."""
    given = {
        field.name: section.seconds(field.name, getattr(defaults, field.name), 0.01)
        for field in dataclasses.fields(defaults)
    }
    section.end()
    return dataclasses.replace(defaults, **given)
