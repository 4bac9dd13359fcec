# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The nodes, hosts and keys that are kept key by key are those that all keys make, whatever happens to them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.view import View, ViewBuilder, _plain
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.wire import Event, KeyValue
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.errors import InvalidLayout, InvalidNode
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.following import node_index
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.following.mirror import (
    Mirror,
    Selector,
    State,
)
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.following.node_index import HostIndex
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.layout import (
    DC_ROLE_NAME,
    ROLE_NAME,
    Identity,
    Layout,
)
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.model import Node
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.node_set import (
    Admission,
    Rejected,
    assemble,
    hosts,
)

PREFIX, KEPT = "/infrastructure/", "/rollcall/infrastructure/maintenance/"
START = 1_000_000  # the wall clock of the tests begins here

# Few names and values, so that nodes meet: one name under two roles, one address under two names, a machine with two
# registrations; and each way of being rejected, remarked on, or of no node.
DIRECTORIES = ["web/n1/", "web/n2/", "db/n1/", "web/bad name/", "eu/web/n1/", ""]
LEAVES = ["ip", "node", "health", "checks/http", "checks/", "stray", "ip/deep"]
VALUES = {
    "ip": ["10.0.0.1", "10.0.0.2", "127.0.0.1", "no address", "x" * 5000],
    "node": [
        "{",
        *map(
            json.dumps,
            [
                {"id": "m1", "services": {"http": {"port": 80}}},
                {"id": "m1", "tags": ["blue"]},
                {"id": "m2", "meta": {"rack": "two\nlines"}},
            ],
        ),
    ],
    "health": ["passing", "drain", "unwell"],
    "checks/http": [json.dumps({"status": "warning", "output": "a\nb", "service": "http"}), "no json"],
}
MAINTENANCE = [
    *map(json.dumps, [{"by": "me"}, *({"since": START, "until": START + seconds} for seconds in (10, 20))]),
    json.dumps({"since": START + 30, "until": START + 20}),
    "no json",
]
KEYS = [
    *(f"{PREFIX}{directory}{leaf}" for directory in DIRECTORIES for leaf in LEAVES),
    *(f"{KEPT}{who}" for who in ("web/n1", "db/n1", "web/n2", "odd")),
    "/app/setting",
]
LEASES = [0, 7, 8]


def values_of(key: str) -> list[str]:
    """What may be written to a key."""
    if key.startswith(KEPT):
        return MAINTENANCE
    return next((values for leaf, values in VALUES.items() if key.endswith(f"/{leaf}")), ["x"])


class Put(NamedTuple):
    key: str
    value: str
    lease: int


# Every example begins with a host of two roles, and another with the same address that is in maintenance for a while.
BEGINNING = [
    *(Put(f"{PREFIX}{who}/ip", "10.0.0.1", 7) for who in ("web/n1", "db/n1")),
    *(Put(f"{PREFIX}{who}/node", json.dumps({"id": "m1"}), 7) for who in ("web/n1", "db/n1")),
    Put(f"{PREFIX}web/n2/ip", "10.0.0.1", 8),
    Put(f"{KEPT}web/n2", MAINTENANCE[1], 0),
]


class Delete(NamedTuple):
    keys: list[str]


class EndLease(NamedTuple):
    lease: int


class Flood(NamedTuple):
    """A node writes more keys than it may have."""

    directory: str


class Wait(NamedTuple):
    seconds: int  # the wall clock may go back


class ReadAgain(NamedTuple):
    """The mirror takes what it reads for what it has."""


def puts(keys: list[str]) -> st.SearchStrategy[Put]:
    return st.sampled_from(keys).flatmap(
        lambda key: st.builds(Put, st.just(key), st.sampled_from(values_of(key)), st.sampled_from(LEASES))
    )


STEPS = st.one_of(
    puts([key for key in KEYS if key.endswith(("/ip", "/node"))]),
    puts([key for key in KEYS if key.startswith(KEPT)]),
    puts(KEYS),
    st.builds(Delete, st.lists(st.sampled_from(KEYS), min_size=1, max_size=4)),
    st.builds(EndLease, st.sampled_from(LEASES[1:])),
    st.builds(Flood, st.sampled_from(DIRECTORIES[:3])),
    st.builds(Wait, st.integers(-15, 15)),
    st.builds(ReadAgain),
)


class Registry:
    """A registry that things happen to: the mirror that follows it, and the builder that follows the mirror."""

    def __init__(self, layout: Layout, admission: Admission) -> None:
        self.layout, self.admission = layout, admission
        self.selectors = [Selector(PREFIX), Selector(KEPT), Selector("/app/")]
        self.now = float(START)
        self.mirror = Mirror(layout)
        self.mirror.replace(State(1, "c", {selector: {} for selector in self.selectors}))
        self.builder = ViewBuilder(layout, admission)

    def do(self, step: Any) -> None:
        state = self.mirror.state()
        held = {key: kv for keys in state.keys.values() for key, kv in keys.items()}
        if isinstance(step, Put):
            self.put(step.key, step.value, step.lease)
        elif isinstance(step, Delete):
            self.delete(key for key in step.keys if key in held)
        elif isinstance(step, EndLease):
            self.delete(key for key, kv in held.items() if kv.lease == step.lease)
        elif isinstance(step, Flood):
            for number in range(70):
                self.put(f"{PREFIX}{step.directory}odd{number}", "x", 7)
        elif isinstance(step, Wait):
            self.now += step.seconds
        else:
            copies = {
                selector: {key: KeyValue(*kv) for key, kv in keys.items()} for selector, keys in state.keys.items()
            }
            self.mirror.replace(state._replace(keys=copies, excess=frozenset()))

    def put(self, key: str, value: str, lease: int) -> None:
        revision = self.mirror.revision + 1
        self.apply(key, Event(False, KeyValue(key, value, revision, revision, 1, lease), None))

    def delete(self, keys: Iterable[str]) -> None:
        for key in list(keys):
            self.apply(key, Event(True, KeyValue(key, "", 0, self.mirror.revision + 1, 0, 0), None))

    def apply(self, key: str, event: Event) -> None:
        [selector] = [selector for selector in self.selectors if key.startswith(selector.key)]
        self.mirror.apply(selector, [event])

    def all_keys(self, state: State) -> tuple[list[Node], dict[str, KeyValue], int, list[Rejected], list[str]]:
        """What the readers of a whole registry make of it. Raises InvalidLayout."""
        tree, kept = (sorted(state.under(prefix)) for prefix in (PREFIX, KEPT))
        found = assemble(state.revision, tree, kept, self.layout, self.admission)
        plain, spoilt = [], []
        for node in found.nodes:
            try:
                plain.append(_plain(node))
            except InvalidNode as exc:
                spoilt.append(Rejected(repr(str(node.identity)), str(exc)))
        call = hosts(found._replace(nodes=plain, rejected=[*spoilt, *found.rejected]))
        taken = {node.identity for node in plain}
        kvs = {
            key: kv
            for keys in state.keys.values()
            for key, kv in keys.items()
            if not key.startswith(PREFIX) or self.layout.owner(key) in {None, *taken}
        }
        return call.nodes, kvs, len(taken), call.rejected, list(call.notes)


def content(view: View) -> Any:
    return view.nodes, view.keys.kvs, view.keys.names, view.members, view.rejected, view.notes


def built(builder: ViewBuilder, state: State) -> View | str:
    """The view, or the error that there is instead."""
    try:
        return builder.build(state)
    except InvalidLayout as exc:
        return str(exc)


@settings(max_examples=120, deadline=None)
@given(
    steps=st.lists(st.lists(STEPS, min_size=1, max_size=6), max_size=12),
    layout=st.sampled_from([ROLE_NAME, ROLE_NAME, ROLE_NAME, DC_ROLE_NAME]),
    unleased=st.booleans(),
)
def test_a_view_that_is_kept_key_by_key_is_the_view_of_all_keys(
    steps: list[list[Any]], layout: str, unleased: bool
) -> None:
    registry = Registry(Layout(layout=layout), Admission(unleased=unleased))
    for first in BEGINNING:
        registry.do(first)
    earlier: list[tuple[View, Any]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.time", lambda: registry.now)
        for batch in steps:
            for step in batch:
                registry.do(step)
            state = registry.mirror.state()
            view = built(registry.builder, state)
            fresh = built(ViewBuilder(registry.layout, registry.admission), state)
            if isinstance(view, str) or isinstance(fresh, str):
                assert view == fresh
                with pytest.raises(InvalidLayout):
                    registry.all_keys(state)
                continue
            assert content(view) == content(fresh)
            nodes, kvs, members, rejected, notes = registry.all_keys(state)
            assert (view.nodes, view.keys.kvs, view.members) == (nodes, kvs, members)
            assert (sorted(view.rejected), sorted(view.notes)) == (sorted(rejected), sorted(notes))
            earlier.append((view, content(view)))
        assert all(content(view) == was for view, was in earlier), "a later change has reached an earlier view"


def test_a_maintenance_ends_and_begins_again_by_the_clock_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry(Layout(), Admission())
    monkeypatch.setattr("time.time", lambda: registry.now)
    for first in BEGINNING:
        registry.do(first)
    seen = []
    for pause in (0, 15, -10):
        registry.now += pause
        view = registry.builder.build(registry.mirror.state())
        [node] = [node for node in view.nodes if node.name == "n2"]
        seen.append((node.maintenance is not None, view.next_end))
    assert seen == [(True, START + 10), (False, None), (True, START + 10)]


def test_only_what_has_changed_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry(Layout(), Admission())
    for first in BEGINNING:
        registry.do(first)
    before = registry.builder.build(registry.mirror.state())
    registry.do(Put(f"{PREFIX}web/n2/ip", "10.0.0.2", 8))
    read: list[Identity] = []
    original = node_index.judge
    monkeypatch.setattr(node_index, "judge", lambda who, *rest: read.append(who) or original(who, *rest))
    after = registry.builder.build(registry.mirror.state())
    assert read == [Identity("", "web", "n2")]
    assert after.nodes[0] is before.nodes[0] and after.nodes[1].address == "10.0.0.2"


def test_after_an_error_the_view_is_built_from_scratch(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry(Layout(), Admission())
    registry.builder.build(registry.mirror.state())
    for first in BEGINNING:
        registry.do(first)

    def fail(*_args: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr(HostIndex, "update", fail)
        registry.builder.build(registry.mirror.state())
    state = registry.mirror.state()
    assert content(registry.builder.build(state)) == content(ViewBuilder(Layout()).build(state))
