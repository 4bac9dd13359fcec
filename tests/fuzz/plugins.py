# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plugins from end to end: an etcd full of odd values, and Ansible's own programs and loaders in this process.

The inventory is read and printed by the program `ansible-inventory`. The lookups get odd terms and options, too.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml
from ansible.cli.inventory import InventoryCLI
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar

from tests.fuzz.door import Door
from tests.fuzz.nodes import LAYOUTS, WORDS, assert_plain, codec, text, value
from tests.support.fake_etcd import FakeEtcd
from tests.support.inventory import write_config

MANY = 20  # keys of one answer at most: what many keys do is for the doors of nodes

PREFIX = "/infrastructure/"  # of nodes
KEYS = ("/app/1", "/app/2", "/app/", "/infrastructure/web/good/ip")

# Arguments of `ansible-inventory`, and what reads its output
FORMS: tuple[tuple[tuple[str, ...], Callable[[str], Any]], ...] = (
    (("--list",), json.loads),
    (("--list", "--export"), json.loads),
    (("--list", "--yaml"), yaml.safe_load),
    (("--list", "--toml"), tomllib.loads),
    (("--graph", "--vars"), str),
)

# Options of the lookups, with values that are right
OPTIONS: dict[str, dict[str, tuple[Any, ...]]] = {
    "etcd": {
        "prefix": (True,),
        "decode": ("json", "yaml", "text"),
        "return": ("item", "value", "dict", "kv"),
        "on_error": ("strict", "warn", "ignore"),
        "default": ("x",),
        "revision": (0, 2),
        "timeout": ("1s", 1),
    },
    "nodes": {
        "role": ("web", ["web", "db"]),
        "service": ("web",),
        "health": ("passing",),
        "tag": ("a",),
        "serving": (True,),
        "allow_empty": (True,),
        "layout": ("{role}/{name}", "{dc}/{role}/{name}"),
        "allowed_networks": (["10.0.0.0/8"],),
        "prefix": ("/infrastructure",),
    },
    "etcd_version": {},
    "fingerprints": {},
}

# What operators make of the words of nodes
CONSTRUCTED: tuple[dict[str, Any], ...] = (
    {},
    {"keyed_groups": [{"key": "rollcall_meta", "prefix": "m"}, {"key": "rollcall_meta.v", "separator": ""}]},
    {"keyed_groups": [{"key": "rollcall_tags", "parent_group": "{{ rollcall_meta.agent | default('p') }}"}]},
    {"compose": {"x": "rollcall_meta.web", "y": "rollcall_meta.values() | list", "z": "rollcall_services.web.port"}},
    {"groups": {"odd": "rollcall_meta.v == 1", "never": "rollcall_meta.meta.meta"}},
    {"hostnames": ["address"]},
)


@contextlib.contextmanager
def inventory() -> Iterator[Callable[[random.Random], None]]:
    """The inventory of a good node beside odd ones, in every form in which `ansible-inventory` prints it.

    Nothing but a mistake of operators, who write some of the trees, may stop it.
    """
    with FakeEtcd() as server, tempfile.TemporaryDirectory() as directory:

        def attack(rng: random.Random) -> None:
            layout = rng.choice(list(LAYOUTS))
            make, good = LAYOUTS[layout]
            for key in server.tree(PREFIX):
                server.delete(key)
            for key, content in [*make(rng)[:MANY], *described(rng, layout), *good.items()]:
                server.put(PREFIX + key.encode("utf-8", "replace").decode(), printable_bytes(content))
            constructed = rng.choice(CONSTRUCTED)
            source = write_config(Path(directory), endpoints=[server.endpoint], layout=layout, **constructed)
            arguments, read = rng.choice(FORMS)
            status, printed, said = program(Path(directory), "ansible-inventory", "-i", str(source), *arguments)
            assert "Traceback" not in said, said
            assert "this is a bug" not in said, said
            if status and layout in ("consul", "script") and "No inventory from" in said:
                return
            assert status == 0, said
            assert "10.0.0.1" in json.dumps(read(printed), default=str), printed

        yield attack


def described(rng: random.Random, layout: str) -> list[tuple[str, str]]:
    """Keys of a node that is right but for what it may choose freely."""
    meta = {rng.choice(("v", "agent", "web", "meta", *WORDS)): value(rng) for _field in range(4)}
    tags = rng.sample(("a", "_meta", "all", "hosts", "blue"), 2)
    if layout == "json":
        return [("odd", json.dumps({"ip": "10.0.0.3", "role": "_meta", "groups": tags, **meta}))]
    if layout in ("consul", "script"):
        return []
    document = {"services": {"web": {"port": 80, "meta": meta}}, "tags": tags, "meta": meta}
    place = "web/odd" if layout == "{role}/{name}" else "eu/web/odd"
    return [(f"{place}/ip", "10.0.0.3"), (f"{place}/node", json.dumps(document))]


def printable_bytes(word: str) -> str:
    """The text with bytes that are no UTF-8 in the place of halves of characters."""
    return word.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")


def program(directory: Path, *arguments: str) -> tuple[int, str, str]:
    """Run `ansible-inventory` in a fork of this process. Returns its exit status, output and messages.

    Ansible keeps its command line, and which warnings it has shown, for the life of a process.
    """
    out, err = directory / "out", directory / "err"
    child = os.fork()
    if not child:
        for path, descriptor in ((out, 1), (err, 2)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), descriptor)
        try:
            InventoryCLI.cli_executor(list(arguments))
        except SystemExit as exc:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(int(exc.code or 0))
        finally:
            os._exit(99)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status, out.read_text(errors="surrogateescape"), err.read_text(errors="surrogateescape")


def term(rng: random.Random) -> Any:
    """Something that an expression may give for a term or an option."""
    return rng.choice((*WORDS, *KEYS, value(rng), None, 5, ["/app/1", ["/app/2"]], (), {}))


@contextlib.contextmanager
def lookups() -> Iterator[Callable[[random.Random], None]]:
    """The lookups, of keys with odd values, with odd terms and options: data, or one error of Ansible's kind."""
    with FakeEtcd() as server:
        encode, decode = codec("cache_persistence")
        templar = Templar(DataLoader())

        def attack(rng: random.Random) -> None:
            if rng.random() < 0.05:  # the etcd in this process keeps every value that a key has had
                server.put(rng.choice(KEYS[:3]), text(rng))
            name = rng.choice(list(OPTIONS))
            plugin = lookup_loader.get(f"rollcall.discovery.{name}", loader=DataLoader(), templar=templar)
            options = {
                option: rng.choice((*good, term(rng))) for option, good in OPTIONS[name].items() if rng.random() < 0.4
            }
            terms = [rng.choice((*KEYS[:3], term(rng))) for _term in range(rng.randrange(4))]
            try:
                found = plugin.run(terms, variables={}, **{"endpoints": [server.endpoint], **options})
            except AnsibleError as exc:
                assert "this is a bug" not in str(exc), exc
                return
            assert isinstance(found, list)
            if "default" not in options:
                assert_plain(found, encode, decode)

        yield attack


DOORS = (Door("inventory", inventory, deadline=20.0), Door("lookups", lookups, deadline=5.0))
