# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""etcd_txn, run in this process against the fake etcd."""

from __future__ import annotations

import pytest


@pytest.fixture
def written(modules):
    """What etcd_kv tells of a key that was written twice."""
    modules.etcd_kv(key="/a", value="x")
    return modules.etcd_kv(key="/a", value={"n": [1]})


PUT = {"action": "put", "key": "/b", "value": "y"}


def test_both_branches_are_done_and_told(modules, fake_etcd, written):
    options = {
        "compare": [{"key": "/a", "value": {"n": [1]}}, {"key": "/b", "exists": False}],
        "success": [PUT, {"action": "delete", "key": "/a"}],
        "failure": [{"action": "get", "key": "/", "prefix": True}],
        "diff": True,
    }
    before = fake_etcd.tree()
    would = modules.etcd_txn(check=True, **options)
    assert fake_etcd.tree() == before
    does = modules.etcd_txn(**options)
    assert fake_etcd.tree() == {"/b": "y"}
    for field in ("changed", "succeeded", "responses", "diff"):
        assert would[field] == does[field], field
    assert (does["changed"], does["succeeded"], does["revision"]) == (True, True, fake_etcd.revision)
    assert [response["kvs"] for response in does["responses"]][0] == []
    assert does["responses"][1]["kvs"][0]["mod_revision"] == written["mod_revision"]
    assert [(entry["before"], entry["after"]) for entry in does["diff"]] == [
        ("", {"value": "y", "lease": 0}),
        ({"value": {"n": [1]}, "lease": 0}, ""),
    ]
    again = modules.etcd_txn(**options)
    assert (again["changed"], again["succeeded"], again["diff"]) == (False, False, [])
    assert [kv["value"] for kv in again["responses"][0]["kvs"]] == ["y"]


def test_deleting_what_is_not_there_is_no_change(modules):
    for check in (True, False):
        result = modules.etcd_txn(success=[{"action": "delete", "key": "/n/", "prefix": True}], check=check)
        assert (result["succeeded"], result["changed"]) == (True, False)


def test_every_field_can_be_compared_in_every_way(modules, written):
    for fields, holds in [
        ({"exists": True}, True),
        ({"exists": False}, False),
        ({"value": {"n": [1]}}, True),
        ({"value": "x", "is": "not_equal"}, True),
        ({"version": 2}, True),
        ({"version": 2, "is": "less"}, False),
        ({"create_revision": written["mod_revision"], "is": "less"}, True),
        ({"mod_revision": written["mod_revision"]}, True),
        ({"mod_revision": written["mod_revision"], "is": "greater"}, False),
        ({"lease": 0}, True),
    ]:
        for check in (True, False):
            assert modules.etcd_txn(compare=[{"key": "/a", **fields}], check=check)["succeeded"] is holds, fields


def test_a_key_gets_its_lease(modules, warned):
    modules.etcd_lease(lease=7, ttl=60)
    modules.etcd_txn(success=[{**PUT, "lease": 7}])
    assert modules.etcd_kv_info(key="/b")["kvs"][0]["lease"] == 7
    assert "lease not found" in modules.etcd_txn(success=[{**PUT, "lease": 8}])["msg"]
    modules.etcd_txn(success=[{**PUT, "lease": 7}], failure=[{**PUT, "lease": 8}], check=True)
    assert not warned  # what is not done need not be possible
    assert modules.etcd_txn(success=[{**PUT, "lease": 8}], check=True)["changed"]
    assert "lease not found: 8 (8) has expired or never existed. The task will fail unless" in warned[0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"compare": [{"key": "/a"}]}, "compare of /a: expected exactly one of exists, value"),
        ({"compare": [{"key": "/a", "version": 1, "lease": 0}]}, "got version, lease"),
        ({"success": [{"action": "put", "key": "/a"}]}, "put of /a: expected a value and no prefix, got no value"),
        ({"failure": [{**PUT, "prefix": True}]}, "put of /b: expected a value and no prefix, got prefix"),
        ({"success": [PUT, PUT]}, "duplicate key"),
        (
            {"failure": [PUT, {"action": "put", "key": "/c", "value": "z"}, PUT]},
            "duplicate key: expected at most one write of each key in a branch, got two of /b",
        ),
        (
            {"success": [PUT, {"action": "delete", "key": "/b"}]},
            "duplicate key: expected at most one write of each key in a branch, got two of /b",
        ),
        (
            {"failure": [{"action": "delete", "key": "/", "prefix": True}, PUT]},
            "duplicate key: expected at most one write of each key in a branch, got two of /b",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_in_check_mode_too(modules, fake_etcd, options, words):
    for check in (True, False):
        assert words in modules.etcd_txn(**options, check=check)["msg"]
    assert fake_etcd.tree() == {}


def test_a_key_may_be_written_once_in_each_branch(modules, fake_etcd):
    gone = {"action": "delete", "key": "/b", "prefix": False}
    for check in (True, False):
        assert modules.etcd_txn(success=[PUT, {**gone, "key": "/bb"}], failure=[PUT], check=check)["changed"]
    assert modules.etcd_txn(success=[gone, {**gone, "prefix": True}])["changed"]
    assert fake_etcd.tree() == {}
