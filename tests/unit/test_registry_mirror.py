# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The mirror: what is followed, and when two states are the same."""

from __future__ import annotations

import random

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.wire import Event, KeyValue
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.bounds import MAX_KEYS
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.following.mirror import (
    Mirror,
    Pulse,
    Selector,
    State,
    distinct,
)
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.layout import Layout
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.validation import MAX_VALUE

WEB = Selector("/web/")


def kv(key, revision, value="x"):
    return KeyValue(key, value, revision, revision, 1, 0)


def put(key, revision):
    return Event(False, kv(key, revision), None)


def delete(key, revision):
    return Event(True, kv(key, revision, ""), None)


def mirror(*kvs, revision=10):
    made = Mirror(Layout())
    made.replace(State(revision, "c", {WEB: {one.key: one for one in kvs}}))
    return made


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ([Selector("/a/"), Selector("/a/b/")], [Selector("/a/")]),
        ([Selector("/a", False), Selector("/a/")], [Selector("/a", False), Selector("/a/")]),
        ([Selector("/a/b", False), Selector("/a/")], [Selector("/a/")]),
        ([Selector("/a/"), Selector("/a/")], [Selector("/a/")]),
        ([Selector("/a/"), Selector("/")], [Selector("/")]),
    ],
)
def test_what_another_selector_covers_is_not_followed_twice(given, left):
    assert distinct(given) == tuple(left)


def test_events_are_applied_in_their_order():
    made = mirror(kv("/web/1", 5))
    made.apply(WEB, [put("/web/2", 11), delete("/web/1", 12), put("/web/1", 13), delete("/web/2", 14)])
    state = made.state()
    assert (state.revision, list(state.keys[WEB])) == (14, ["/web/1"])
    assert made.pulse(WEB) == Pulse(1, 13)


def test_deleting_what_is_not_there_is_no_error():
    made = mirror()
    made.apply(WEB, [delete("/web/9", 11)])
    assert made.pulse(WEB) == Pulse(0, 0)


def test_a_copy_is_not_reached_by_later_changes():
    made = mirror(kv("/web/1", 5))
    state = made.state()
    made.apply(WEB, [delete("/web/1", 11)])
    assert list(state.keys[WEB]) == ["/web/1"]


def test_the_same_keys_of_another_cluster_are_not_the_same():
    made = mirror(kv("/web/1", 5))
    assert made.holds(State(99, "c", made.state().keys))
    assert not made.holds(State(99, "other", made.state().keys))


def test_states_of_one_history_with_the_same_pulse_are_the_same():
    rand = random.Random(4)
    made, seen = mirror(revision=0), {}
    for revision in range(1, 2000):
        key = f"/web/{rand.randrange(6)}"
        made.apply(WEB, [put(key, revision) if rand.random() < 0.5 else delete(key, revision)])
        keys = dict(made.state().keys[WEB])
        assert seen.setdefault(made.pulse(WEB), keys) == keys
    assert len(seen) > 500


NODES = Selector("/infrastructure/")
EVIL = "/infrastructure/web/evil/"


def empty_mirror():
    made = Mirror(Layout())
    made.replace(State(5, "c", {NODES: {}}))
    return made


def test_a_node_over_its_bounds_stays_as_it_was_until_everything_is_read_again():
    made = empty_mirror()
    assert made.apply(NODES, [put(f"{EVIL}odd{number}", 6 + number) for number in range(200)])
    assert len(made.state().under(EVIL)) == MAX_KEYS + 1
    assert made.state().excess == {EVIL}
    assert made.pulse(NODES) is None, "nobody can tell whether a change was missed"
    assert made.revision == 205
    assert not made.apply(NODES, [delete(f"{EVIL}odd0", 300)])
    assert made.apply(NODES, [put("/infrastructure/web/web1/ip", 301)])
    made.replace(State(302, "c", {NODES: {}}))
    assert made.pulse(NODES) == Pulse(0, 0)


def test_keys_that_come_and_go_are_counted_as_they_are():
    made = empty_mirror()
    for number in range(200):
        made.apply(NODES, [put(f"{EVIL}odd{number}", 6), delete(f"{EVIL}odd{number}", 7), delete(f"{EVIL}none", 8)])
    assert made.state().excess == frozenset()
    assert made.pulse(NODES) == Pulse(0, 0)


def test_a_large_value_of_a_node_is_cut_and_stays_too_large():
    made = empty_mirror()
    made.apply(NODES, [Event(False, kv(f"{EVIL}node", 6, "x" * 1_000_000), None)])
    [one] = made.state().under(EVIL)
    assert len(one.value) == MAX_VALUE + 1


def test_changes_are_the_keys_that_differ():
    made = mirror(kv("/web/1", 5), kv("/web/2", 5), kv("/web/3", 5))
    before = made.state()
    assert before.changes(State(0, "", {})) == before.keys[WEB]
    made.apply(
        WEB, [delete("/web/1", 11), put("/web/2", 12), put("/web/4", 13), put("/web/5", 14), delete("/web/5", 15)]
    )
    assert made.state().changes(before) == {"/web/1": None, "/web/2": kv("/web/2", 12), "/web/4": kv("/web/4", 13)}
    assert before.changes(before) == {}


def test_a_key_that_is_read_again_as_it_was_stays_the_same_object():
    made = mirror(kv("/web/1", 5), kv("/web/2", 5))
    before = made.state()
    made.replace(State(20, "c", {WEB: {one.key: one for one in (kv("/web/0", 11), kv("/web/1", 5), kv("/web/2", 12))}}))
    state = made.state()
    assert state.keys[WEB]["/web/1"] is before.keys[WEB]["/web/1"]
    assert state.changes(before) == {"/web/0": kv("/web/0", 11), "/web/2": kv("/web/2", 12)}
