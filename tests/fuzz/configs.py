# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The configuration files of both daemons, as a hand, a template or a broken disk would spoil them.

Each is refused by one line that names the file, or it is one that the daemon can be made from.
"""

from __future__ import annotations

import contextlib
import copy
import json
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ansible_collections.rollcall.discovery.plugins.module_utils._agent import config
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.commands import access
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.registering.agent import Agent
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.registering.run_directory import RunDirectory
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering import render_config
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.renderer import Renderer
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import RollcallError
from tests.fuzz.door import Door

CONNECTION = {
    "endpoints": ["http://127.0.0.1:1", "http://[::1]:2"],
    "user": "web",
    "password": "s3cret",
    "timeout": 5,
    "validate_certs": True,
}
REGISTER: dict[str, Any] = {
    "etcd": CONNECTION,
    "name": "web1",
    "roles": ["web", "api"],
    "address": {"cidr": "10.0.0.0/8", "family": 4, "interval": 5},
    "allowed_networks": ["10.0.0.0/8", "fd00::/8"],
    "services": {"web": {"port": 80, "weight": 100, "weight_warning": 10, "tags": ["a"], "meta": {"a": [1, {"b": 2}]}}},
    "tags": ["edge"],
    "meta": {"rack": "a", "nested": {"x": [1, 2.5, None, True]}},
    "ttl": 30,
    "self_check": 60,
    "drain_time": 5,
    "id_from": "machine-id",
    "metrics_file": "/nowhere/rollcall.prom",
    "writes": {"per_minute": 6, "burst": 3, "dwell": 5, "dwell_max": 300},
    "checks": {
        "http": {"type": "http", "url": "http://127.0.0.1/", "matches": "a+", "status": [200], "service": "web"},
        "tcp": {"type": "tcp", "port": 1, "send": "a\0", "expect": "b"},
        "script": {"type": "script", "command": ["/bin/true", "x"], "interval": 10, "timeout": 3, "rise": 1, "fall": 1},
        "process": {"type": "process", "process": "sshd"},
        "systemd": {"type": "systemd", "unit": "ssh.service"},
        "ttl": {"type": "ttl", "file": "/nowhere/x", "ttl": 10},
        "alias": {"type": "alias", "role": "db", "node": "db1"},
    },
}
RENDER: dict[str, Any] = {
    "etcd": CONNECTION,
    "name": "lb1",
    "allow_empty": False,
    "consumer_ttl": 30,
    "timing": {"quiet": 0.1, "max_wait": 1, "retry": 1, "retry_max": 10},
    "intervals": {"heartbeat": 30, "resync": 300},
    "templates": [
        {
            "src": "/nowhere/a.j2",
            "dest": "/nowhere/a",
            "prefix": "/app",
            "keys": ["/a", "/b/"],
            "owner": "root",
            "group": "0",
            "mode": "0644",
            "check_cmd": "true {src}",
            "reload_cmd": "true",
            "check_timeout": 1,
            "reload_timeout": 2,
        }
    ],
}
TEXTS = (
    *("", " ", "a", "a/b", "/", "//", "/a/../b", "-1", "0", "²", "٣", "9" * 5000, "1" + "0" * 12, "4294967296"),
    *("\0", "/a\0b", "/a\nb", "\x1b[2J", "\u2028", "\ud800", "é" * 40, "x" * 70_000, "(" * 500, "a{1,99999999999}"),
    *("http://", "http://[", "http://a:99999999", "http://a:b@c", "unix:///x", "ftp://a", "http://\ud800", "1h", "inf"),
    *("nan", "1e999", "{{ 1 }}", "{src}", "%s", "0/0", "10.0.0.0/33", "::1", "::ffff:1.2.3.4", "10.0.0.5", "default"),
    *("__class__", "__ansible_unsafe", "passing", "machine-id", "cidr", "tcp", "alias", "{role}/{name}", "/dev/null"),
)
NUMBERS = (0, -1, 1, 2, 31, 65535, 65536, 2**31, 2**63, 2**70, -(2**70), 0.0, -0.0, 1e-320, 1e308, 0.5, 1e-9)
RAW = ("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "9" * 400, "9" * 10_000, "[" * 100_000, '{"a":' * 5000, "nul")
OTHERS = (None, True, False, [], {}, [[]], [None], [""], {"": ""}, {"type": "tcp"}, {"\n": 1}, [1, "a", {}], {"a": {}})


def spoilt(rng: random.Random, good: dict[str, Any]) -> bytes:
    """A good configuration with one to three things wrong, as bytes of a file."""
    made = copy.deepcopy(good)
    raw: dict[str, str] = {}
    for number in range(rng.randrange(1, 4)):
        holder, key = rng.choice(list(places(made)))
        kind = rng.randrange(8)
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, dict):
            holder[rng.choice(TEXTS)] = copy.deepcopy(holder[key])
        elif kind == 2:
            raw[f"raw {number}"] = rng.choice(RAW)
            holder[key] = f"raw {number}"
        elif kind == 3:
            holder[key] = copy.deepcopy(rng.choice(OTHERS))
        elif kind == 4:
            holder[key] = rng.choice(NUMBERS)
        else:
            holder[key] = rng.choice(TEXTS)
    text = json.dumps(made)
    for mark, value in raw.items():
        text = text.replace(f'"{mark}"', value)
    if rng.random() < 0.1:  # a key twice
        text = text.replace("{", '{"name": 1, "name": "x", ', 1)
    content = text.encode("utf-8", "surrogatepass")
    if rng.random() < 0.1:
        start, end = sorted((rng.randrange(len(content) + 1), rng.randrange(len(content) + 1)))
        content = rng.choice((content[:start], content[:start] + content[end:], content[:start] + b"\xff\x00\xfe"))
    return rng.choice(
        (content,) * 20 + (b"\xef\xbb\xbf" + content, content * 2, b"", b"\0" * 100, b'"a"', b"[]", b"null")
    )


def places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a tree, as what holds it and its key there."""
    if isinstance(tree, (dict, list)):
        keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
        for key in keys:
            yield tree, key
            yield from places(tree[key])
    elif tree is None:
        return


def attack_with(good: dict[str, Any], file: Path, start: Callable[[], object]) -> Callable[[random.Random], None]:
    """Write a spoilt configuration and start what it is for."""
    file.write_text(json.dumps(good))
    start()  # what is spoilt must be good before

    def attack(rng: random.Random) -> None:
        file.write_bytes(spoilt(rng, good))
        try:
            start()
        except config.ConfigError as exc:
            text = str(exc)
            assert str(file) in text, f"the file is not named: {text!r}"
            assert text.isprintable(), f"it is no line that can be printed: {text!r}"
            assert len(text) < 2000, f"{len(text)} characters: {text[:200]!r}"
            assert "s3cret" not in text, "the password is told"
        except RollcallError as exc:
            raise AssertionError(f"not an error of the configuration: {exc}") from exc

    return attack


@contextlib.contextmanager
def register() -> Iterator[Callable[[random.Random], None]]:
    """`rollcall register`: up to the point where it would begin to run."""
    with tempfile.TemporaryDirectory() as name:
        file, files = Path(name) / "config.json", RunDirectory(name)
        yield attack_with(REGISTER, file, lambda: Agent(str(file), files))


@contextlib.contextmanager
def render() -> Iterator[Callable[[random.Random], None]]:
    """`rollcall render`: up to the point where it would begin to run."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "config.json"
        good = {**RENDER, "state_dir": name}
        yield attack_with(good, file, lambda: Renderer(render_config.load(str(file)), name))


@contextlib.contextmanager
def operator() -> Iterator[Callable[[random.Random], None]]:
    """What `rollcall nodes` and others take from a host's configuration."""
    import argparse

    parser = argparse.ArgumentParser()
    access.add_arguments(parser)
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "register.json"

        def attack(rng: random.Random) -> None:
            file.write_bytes(spoilt(rng, REGISTER))
            try:
                access.access(parser.parse_args(["--config", str(file)]))
            except RollcallError as exc:
                assert str(exc).isprintable(), repr(str(exc))
                assert "s3cret" not in str(exc)

        yield attack


DOORS = (
    Door("config-register", register, deadline=2.0),
    Door("config-render", render, deadline=2.0),
    Door("config-operator", operator, deadline=2.0),
)
