# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""etcd_kv with many keys in one task, run in this process against the fake etcd."""

from __future__ import annotations

import json

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd import wire
from tests.support.fake_etcd import Drop, Meanwhile, Refuse
from tests.support.modules import Modules

TXN = "/v3/kv/txn"


def kvs(result):
    return {kv["key"]: (kv["changed"], kv["old_value"], kv["value"]) for kv in result["kvs"]}


def test_items_are_written_in_one_transaction_and_once(modules, fake_etcd):
    fake_etcd.put("/same", "s")
    fake_etcd.put("/other", "o")
    fake_etcd.put("/gone", "g")
    items = [
        {"key": "/same", "value": "s"},
        {"key": "/other", "value": {"b": 1, "a": [True]}},
        {"key": "/new", "value": ""},
        {"key": "/gone", "state": "absent"},
        {"key": "/never", "state": "absent"},
    ]
    before = fake_etcd.revision
    done = modules.etcd_kv(items=items, diff=True)
    assert kvs(done) == {
        "/same": (False, "s", "s"),
        "/other": (True, "o", '{"a": [true], "b": 1}'),
        "/new": (True, None, ""),
        "/gone": (True, "g", None),
        "/never": (False, None, None),
    }
    assert fake_etcd.tree("/") == {"/same": "s", "/other": '{"a": [true], "b": 1}', "/new": ""}
    assert (done["changed"], done["deleted"], done["revision"]) == (True, ["/gone"], before + 1)
    assert [kv["mod_revision"] for kv in done["kvs"]] == [before - 2, before + 1, before + 1, None, None]
    assert [part["after_header"] for part in done["diff"]] == ["/other", "/new", "/gone"]
    assert not {"key", "value", "old_value", "lease", "mod_revision"} & set(done)
    again = modules.etcd_kv(items=items)
    assert (again["changed"], again["deleted"], fake_etcd.revision) == (False, [], before + 1)


def test_check_mode_of_items_writes_nothing_and_says_the_same(modules, fake_etcd):
    fake_etcd.put("/b", "old")
    items = [{"key": "/a", "value": "x"}, {"key": "/b", "value": "y"}, {"key": "/c", "state": "absent"}]
    before = fake_etcd.revision
    would = modules.etcd_kv(items=items, check=True, diff=True)
    assert fake_etcd.revision == before
    does = modules.etcd_kv(items=items, diff=True)
    assert would["diff"] == does["diff"]
    assert kvs(would) == kvs(does)


def test_state_and_lease_of_the_task_hold_for_items_without_their_own(modules, fake_etcd):
    modules.etcd_lease(lease=7, ttl=60)
    modules.etcd_lease(lease=8, ttl=60)
    items = [
        {"key": "/a", "value": "x"},
        {"key": "/b", "value": "x", "lease": 8},
        {"key": "/c", "value": "x", "lease": 0},
    ]
    done = modules.etcd_kv(items=[*items, {"key": "/d", "state": "absent"}], lease=7)
    assert [kv["lease"] for kv in done["kvs"]] == [7, 8, 0, 0]
    gone = modules.etcd_kv(
        items=[{"key": "/a", "value": "x"}, {"key": "/c", "state": "present", "value": "y"}], state="absent"
    )
    assert (gone["deleted"], fake_etcd.tree("/")) == (["/a"], {"/b": "x", "/c": "y"})


def test_items_beyond_one_transaction_go_into_the_next(modules, fake_etcd):
    done = modules.etcd_kv(items=[{"key": f"/k/{number}", "value": "x"} for number in range(300)])
    assert len(fake_etcd.tree("/k/")) == 300
    assert len({kv["mod_revision"] for kv in done["kvs"]}) == 3
    large = modules.etcd_kv(items=[{"key": f"/l/{number}", "value": "x" * 700_000} for number in range(5)])
    revisions = [kv["mod_revision"] for kv in large["kvs"]]
    assert [revisions.count(revision) for revision in sorted(set(revisions))] == [2, 2, 1]


def test_an_item_changed_since_stops_all_of_them(modules, fake_etcd):
    fake_etcd.put("/a", "x")
    read = fake_etcd.revision
    items = [{"key": "/b", "value": "y"}, {"key": "/a", "value": "y", "mod_revision": read}]
    fake_etcd.put("/a", "theirs")
    for check in (True, False):
        stale = modules.etcd_kv(items=items, check=check)
        assert stale["failed"]
        assert f"mod_revision of /a: expected {read}, got {read + 1}. Nothing was" in stale["msg"]
    items[1]["mod_revision"] = read + 1
    fake_etcd.inject(TXN, Meanwhile(lambda: None))  # that of the reading
    fake_etcd.inject(TXN, Meanwhile(lambda: fake_etcd.delete("/a")))
    assert "got a key that does not exist" in modules.etcd_kv(items=items)["msg"]
    assert fake_etcd.tree("/") == {}
    created = modules.etcd_kv(items=[{"key": "/a", "value": "z", "mod_revision": 0}, items[0]])
    assert created["changed"]
    same = [{"key": "/a", "value": "z", "mod_revision": 1}, {"key": "/b", "value": "new"}]
    assert modules.etcd_kv(items=same)["changed"]  # what is so already is no conflict


def test_a_lease_that_has_ended_stops_all_items(modules, fake_etcd, warned):
    items = [{"key": "/a", "value": "x"}, {"key": "/b", "value": "x", "lease": 4711}]
    assert modules.etcd_kv(items=items, check=True)["changed"]
    assert "lease not found: 4711" in warned[0]
    assert "lease not found" in modules.etcd_kv(items=items)["msg"]
    assert fake_etcd.tree("/") == {}


def test_a_failure_of_a_later_transaction_says_how_many_keys_were_changed(modules, fake_etcd):
    items = [{"key": f"/k/{number:03}", "value": "x"} for number in range(130)]
    for _request in range(3):  # two that read, and the first that writes
        fake_etcd.inject(TXN, Meanwhile(lambda: None))
    fake_etcd.inject(TXN, Refuse(7, "etcdserver: permission denied"))
    refused = modules.etcd_kv(items=items)
    assert "Changing /k/128 and 1 more failed" in refused["msg"]
    assert "Earlier transactions have changed 128 of 130 keys" in refused["msg"]
    assert len(fake_etcd.tree("/k/")) == 128
    assert kvs(modules.etcd_kv(items=items))["/k/129"] == (True, None, "x")


def test_what_others_did_in_between_is_told_for_each_item(modules, fake_etcd):
    fake_etcd.put("/a", "x")
    fake_etcd.put("/b", "x")
    fake_etcd.inject(TXN, Meanwhile(lambda: None))
    fake_etcd.inject(TXN, Meanwhile(lambda: (fake_etcd.put("/a", "theirs"), fake_etcd.delete("/b"))))
    done = modules.etcd_kv(items=[{"key": "/a", "value": "y"}, {"key": "/b", "state": "absent"}], diff=True)
    assert kvs(done) == {"/a": (True, "theirs", "y"), "/b": (False, None, None)}
    assert (done["deleted"], [part["before"] for part in done["diff"]]) == ([], [{"value": "theirs", "lease": 0}])


def test_an_unknown_outcome_of_items_is_told_as_such(modules, fake_etcd):
    fake_etcd.inject(TXN, Meanwhile(lambda: None))
    fake_etcd.inject(TXN, Drop(executed=True))
    assert "may or may not have taken effect" in modules.etcd_kv(items=[{"key": k, "value": "x"} for k in "ab"])["msg"]


def test_no_items_are_no_change(modules, fake_etcd):
    done = modules.etcd_kv(items=[])
    assert (done["changed"], done["kvs"], done["deleted"], done["revision"]) == (False, [], [], 0)
    assert not fake_etcd.received


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "key, items: expected one of them, got neither"),
        ({"key": "/a", "value": "x", "items": [{"key": "/b", "value": "x"}]}, "got both"),
        ({"items": [{"key": "/a", "value": "x"}], "value": "y"}, "value: expected within items"),
        ({"items": [{"key": "/a"}], "state": "absent", "prefix": True}, "prefix: expected within items"),
        ({"items": [{"key": "/a", "value": "x"}], "mod_revision": 5}, "mod_revision: expected within items"),
        ({"items": [{"key": "/a", "value": "x"}, {"key": "", "value": "x"}]}, "items[1].key: expected a value"),
        ({"items": [{"value": "x"}]}, "missing required arguments: key"),
        ({"items": [{"key": "/a"}]}, "items[0].value: expected a value for /a"),
        ({"items": [{"key": "/a", "value": None}]}, "items[0].value: expected a value for /a"),
        ({"items": [{"key": "/a", "value": "x", "prefix": True}]}, "Unsupported parameters"),
        ({"items": [{"key": "/a", "state": "absent", "lease": 7}]}, "items[0].lease: expected only with state=present"),
        (
            {"items": [{"key": "/a", "value": "x"}, {"key": "/b", "value": "x"}, {"key": "/a", "state": "absent"}]},
            "items[2].key: expected each key once, got /a again",
        ),
    ],
)
def test_items_that_make_no_sense_are_refused_before_anything_is_sent(modules, fake_etcd, options, words):
    refused = modules.etcd_kv(**options)
    assert refused["failed"]
    assert words in refused["msg"]
    assert not fake_etcd.received


def test_an_item_that_holds_the_password_of_the_task_stops_all_before_anything_is_changed(fake_etcd, capsys):
    fake_etcd.put("/app/url", "http://web.example/")
    fake_etcd.require_auth(root="web")
    modules = Modules(capsys, endpoints=[fake_etcd.endpoint], user="root", password="web")
    before = fake_etcd.tree("/")
    for item in (
        {"key": "/app/url", "value": "x"},
        {"key": "/app/size", "value": ["web"]},
        {"key": "/web", "value": 8},
    ):
        for mode in ({}, {"check": True, "diff": True}):
            refused = modules.etcd_kv(items=[{"key": "/app/first", "value": "x"}, item], **mode)
            assert (
                "Cannot return kvs[1]: it contains the password or another secret option of this task" in refused["msg"]
            )
            assert "***" not in refused["msg"]
    assert fake_etcd.tree("/") == before


def test_text_that_ansible_reserves_stays_text_in_the_result_of_items(modules, fake_etcd):
    reserved = json.dumps({"__ansible_unsafe": "x"})
    fake_etcd.put("/a", reserved)
    done = modules.etcd_kv(items=[{"key": "/a", "value": "x"}, {"key": "/b", "value": reserved}], diff=True)
    assert kvs(done) == {"/a": (True, reserved, "x"), "/b": (True, None, reserved)}
    assert (done["diff"][0]["before"]["value"], done["diff"][1]["after"]["value"]) == (reserved, reserved)


def test_large_values_that_are_replaced_do_not_make_an_answer_too_large(modules, fake_etcd, monkeypatch):
    monkeypatch.setattr(wire, "MAX_PAGE", 1 << 16)
    for number in range(40):
        fake_etcd.put(f"/large/{number}", "x" * 4000)
    done = modules.etcd_kv(items=[{"key": f"/large/{number}", "value": "small"} for number in range(40)])
    assert {kv["old_value"] for kv in done["kvs"]} == {"x" * 4000}
    assert len({kv["mod_revision"] for kv in done["kvs"]}) == 5
