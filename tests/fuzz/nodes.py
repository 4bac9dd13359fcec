# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values of nodes: documents, addresses and checks as a hostile node would write them."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Callable, Iterator

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.wire import KeyValue
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.layout import Layout
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.rollcall import assemble
from tests.fuzz.door import Door

WORDS = ("", "web", "a/b", "\n", "{{ 1 }}", "\ud800", "__ansible_unsafe", "é" * 40, "x" * 5000)


def value(rng: random.Random, depth: int = 0) -> object:
    """A JSON value that is sometimes nearly right."""
    kind = rng.randrange(8 if depth < 20 else 5)
    if kind == 0:
        return rng.choice(WORDS)
    if kind == 1:
        return rng.choice((0, -1, 1, 65535, 2**63, 1e308, None, True))
    if kind in (2, 3, 4):
        return rng.choice(({}, [], "10.0.0.5", "passing", 80))
    if kind == 5:
        return [value(rng, depth + 1) for _ in range(rng.randrange(4))]
    fields = ("v", "id", "boot", "services", "tags", "meta", "agent", "port", "status", "output", *WORDS)
    return {rng.choice(fields): value(rng, depth + 1) for _ in range(rng.randrange(6))}


def text(rng: random.Random) -> str:
    """JSON, or JSON with a piece cut out, or no JSON at all."""
    whole = json.dumps(value(rng))
    start, end = sorted((rng.randrange(len(whole) + 1), rng.randrange(len(whole) + 1)))
    return rng.choice((whole, whole, whole[:start] + whole[end:], "[" * 100_000, "\0", ""))


@contextlib.contextmanager
def fields_layout() -> Iterator[Callable[[random.Random], None]]:
    """The default layout: a good node beside a bad one always comes through."""
    layout = Layout("/infrastructure/")
    good = KeyValue("/infrastructure/web/good/ip", "10.0.0.1", 1, 1, 1, 7)

    def attack(rng: random.Random) -> None:
        leaves = rng.sample(["ip", "node", "health", "checks/a", "checks/\x1b", rng.choice(WORDS)], rng.randrange(1, 6))
        bad = [KeyValue(f"/infrastructure/web/bad/{leaf}", text(rng), 2, 2, 1, 8) for leaf in leaves]
        found = assemble(5, [good, *bad], [], layout)
        assert "good" in [node.name for node in found.nodes]

    yield attack


DOORS = (Door("nodes-fields", fields_layout, deadline=1.0),)
