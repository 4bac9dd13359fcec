# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking once whether something works: what every type of check has in common.

Internal to the collection: no promise is made to other users of this file.

A type is a module `probe_<type>` of this package, imported only where a check of it is configured:

    configure(section: Section, host: Host) -> Probe        raises ConfigError

A probe can be called in any thread, though never in two at once, with the seconds it may take. It never raises, and
keeps to its time as far as the operating system lets it. Probes of the same settings are equal.
"""

from __future__ import annotations

import re
import socket
import typing as t

from ..._etcd.settings import Settings
from ..._etcd.text import shown
from ..._registry.layout import Layout
from ..._registry.validation import Network
from ..config import Section

UNKNOWN = ""  # nothing was learned: the status stays


class Result(t.NamedTuple):
    """The result of a probe: one of the healths or UNKNOWN, and a line that says why."""

    status: str
    output: str


class Probe(t.Protocol):
    """A probe of one type, as `configure` makes it."""

    def __call__(self, timeout: float) -> Result:
        """Look once, within `timeout` seconds."""


class Host(t.NamedTuple):
    """This host and its way to the registry, for probes that read it. `name` is "" for the host's own name."""

    settings: Settings
    layout: Layout
    name: str
    roles: t.Tuple[str, ...]
    dc: str
    allowed: t.Tuple[Network, ...] = ()


def pattern(section: Section, key: str) -> t.Optional[t.Pattern[str]]:
    """A regular expression; None if the key is absent. Raises ConfigError."""
    text = searched(section, key)
    try:
        return re.compile(text) if text else None
    except (re.error, OverflowError, RecursionError) as exc:
        raise section.error(key, f"{shown(text)} is not a regular expression: {exc}") from exc


def searched(section: Section, key: str, limit: int = 0) -> str:
    """A text to look for, "" without the key. With a `limit` only so many characters are read. Raises ConfigError."""
    text = section.content(key)
    if limit and len(text) > limit:
        raise section.error(key, f"{len(text)} characters never come: only the first {limit} of an answer are read")
    return text


def reason(exc: Exception, timeout: float) -> str:
    """A failure in a few words."""
    if isinstance(exc, socket.timeout):
        return f"no answer within {timeout:g} s"
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror.lower()
    return str(exc) or type(exc).__name__
