# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""etcd_kv, etcd_kv_info and etcd_lease, run in this process against the fake etcd."""

from __future__ import annotations

import json

import pytest

from tests.support.fake_etcd import Drop, FakeEtcd, Meanwhile, Refuse
from tests.support.modules import Modules

CHANGE = "/v3/kv/txn"


@pytest.fixture
def modules(fake_etcd, capsys):
    return Modules(capsys, endpoints=[fake_etcd.endpoint])


def test_a_key_is_written_once(modules, fake_etcd):
    first = modules.etcd_kv(key="/a", value="x", diff=True)
    assert fake_etcd.tree() == {"/a": "x"}
    assert first["changed"]
    assert (first["key"], first["value"], first["old_value"], first["lease"]) == ("/a", "x", None, 0)
    assert first["revision"] == first["mod_revision"] == fake_etcd.revision
    assert first["diff"] == [
        {"before_header": "/a", "after_header": "/a", "before": "", "after": {"value": "x", "lease": 0}}
    ]
    second = modules.etcd_kv(key="/a", value="x")
    assert not second["changed"]
    assert (second["old_value"], second["mod_revision"]) == ("x", first["mod_revision"])
    assert "diff" not in second
    assert fake_etcd.count(CHANGE) == 1


def test_a_change_tells_what_was_there(modules):
    modules.etcd_kv(key="/a", value="x")
    changed = modules.etcd_kv(key="/a", value="y", diff=True)
    assert (changed["changed"], changed["old_value"], changed["value"]) == (True, "x", "y")
    assert changed["diff"][0]["before"] == {"value": "x", "lease": 0}
    assert changed["diff"][0]["after"] == {"value": "y", "lease": 0}


def test_check_mode_writes_nothing_and_tells_the_same(modules, fake_etcd):
    for options in ({"value": "x"}, {"state": "absent"}, {"state": "absent", "prefix": True}):
        fake_etcd.received.clear()
        would = modules.etcd_kv(key="/a", check=True, diff=True, **options)
        assert not fake_etcd.count(CHANGE)
        does = modules.etcd_kv(key="/a", diff=True, **options)
        for field in ("changed", "value", "old_value", "lease", "deleted", "diff"):
            assert would[field] == does[field], field


@pytest.mark.parametrize("value", [{"b": [1, 2.5, None], "a": "ü"}, [1], 5, 2.5, True, False, {}])
def test_data_is_written_as_json_and_compared_as_data(modules, fake_etcd, value):
    assert modules.etcd_kv(key="/a", value=value)["changed"]
    assert json.loads(fake_etcd.tree()["/a"]) == value
    loose = json.dumps(value, indent=3)
    modules.etcd_kv(key="/a", value=loose)
    again = modules.etcd_kv(key="/a", value=value)
    assert (again["changed"], again["value"]) == (False, loose)


@pytest.mark.parametrize(("text", "value"), [("1", True), ("true", 1), ('"5"', 5), ("x", {"a": 1}), ("[" * 10000, [])])
def test_other_data_is_a_change(modules, text, value):
    modules.etcd_kv(key="/a", value=text)
    assert modules.etcd_kv(key="/a", value=value, diff=True)["changed"]


def test_text_is_compared_as_text(modules):
    modules.etcd_kv(key="/a", value='{"a": 1}')
    assert modules.etcd_kv(key="/a", value='{"a":1}')["changed"]


def test_the_empty_text_is_a_value(modules, fake_etcd):
    assert modules.etcd_kv(key="/a", value="")["changed"]
    assert not modules.etcd_kv(key="/a", value="")["changed"]
    assert modules.etcd_kv_info(key="/a")["kvs"][0]["value"] == ""


def test_bytes_that_are_no_text_are_shown_as_such(modules, fake_etcd):
    fake_etcd.put("/b", "\udcff\udc80 ü")
    assert modules.etcd_kv_info(key="/b")["kvs"][0]["value"] == "\\xff\\x80 ü"
    changed = modules.etcd_kv(key="/b", value="x", diff=True)
    assert (changed["old_value"], changed["diff"][0]["before"]["value"]) == ("\\xff\\x80 ü", "\\xff\\x80 ü")
    fake_etcd.put("/lock", "\udcff")
    held = modules.etcd_lock(key="/lock", owner="me", ttl=60)
    assert held["holder"] == "\\xff"
    assert "is held by \\xff" in held["msg"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"key": "/a"}, "value"),
        ({"key": "/a", "value": None}, "missing: value"),
        ({"key": "", "value": "x"}, "must not be empty"),
        ({"key": "", "state": "absent", "prefix": True}, "must not be empty"),
        ({"key": "/a", "value": "x", "prefix": True}, "state=absent only"),
        ({"key": "/a", "value": "x", "tll": 5}, "Unsupported parameters"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_sent(modules, fake_etcd, options, words):
    refused = modules.etcd_kv(**options)
    assert refused["failed"]
    assert words in refused["msg"]
    assert not fake_etcd.received


def test_deleting_a_key_tells_its_value_and_is_done_once(modules, fake_etcd):
    modules.etcd_kv(key="/a", value="x")
    gone = modules.etcd_kv(key="/a", state="absent", diff=True)
    assert (gone["changed"], gone["old_value"], gone["value"], gone["mod_revision"]) == (True, "x", None, None)
    assert (gone["deleted"], gone["revision"]) == (["/a"], fake_etcd.revision)
    assert gone["diff"][0]["after"] == ""
    assert not modules.etcd_kv(key="/a", state="absent")["changed"]
    assert fake_etcd.count(CHANGE) == 2


def test_deleting_a_prefix_takes_what_starts_with_it_and_no_more(modules, fake_etcd):
    for key in ("/app/a", "/app/b", "/apple"):
        modules.etcd_kv(key=key, value="x")
    gone = modules.etcd_kv(key="/app/", prefix=True, state="absent", diff=True)
    assert (gone["deleted"], gone["old_value"]) == (["/app/a", "/app/b"], None)
    assert [entry["before_header"] for entry in gone["diff"]] == ["/app/a", "/app/b"]
    assert list(fake_etcd.tree()) == ["/apple"]
    assert not modules.etcd_kv(key="/app/", prefix=True, state="absent")["changed"]


def test_a_key_stays_with_its_lease_until_told_otherwise(modules, fake_etcd):
    modules.etcd_lease(lease=7, ttl=60)
    assert modules.etcd_kv(key="/a", value="x", lease=7)["lease"] == 7
    assert not modules.etcd_kv(key="/a", value="x")["changed"]
    assert modules.etcd_kv(key="/a", value="y")["lease"] == 7
    freed = modules.etcd_kv(key="/a", value="y", lease=0, diff=True)
    assert (freed["changed"], freed["lease"]) == (True, 0)
    assert freed["diff"][0]["before"] == {"value": "y", "lease": 7}
    modules.etcd_lease(lease=7, state="absent")
    assert fake_etcd.tree() == {"/a": "y"}


def test_a_lease_that_is_not_there_is_an_error(modules, fake_etcd):
    refused = modules.etcd_kv(key="/a", value="x", lease=4711)
    assert "lease not found" in refused["msg"]
    assert fake_etcd.endpoint in refused["msg"]


def test_info_is_always_a_list_with_all_that_etcd_knows(modules):
    modules.etcd_lease(lease=7, ttl=60)
    modules.etcd_kv(key="/a/1", value="x")
    modules.etcd_kv(key="/a/2", value="y", lease=7)
    found = modules.etcd_kv_info(key="/a/", prefix=True)
    assert not found["changed"]
    assert [(kv["key"], kv["value"], kv["lease"], kv["version"]) for kv in found["kvs"]] == [
        ("/a/1", "x", 0, 1),
        ("/a/2", "y", 7, 1),
    ]
    assert found["count"] == 2
    assert found["kvs"][1]["create_revision"] == found["kvs"][1]["mod_revision"] == found["revision"]
    assert [kv["key"] for kv in modules.etcd_kv_info(key="/a/1")["kvs"]] == ["/a/1"]
    assert modules.etcd_kv_info(key="/none")["kvs"] == []
    assert [kv["value"] for kv in modules.etcd_kv_info(key="", prefix=True, keys_only=True)["kvs"]] == [None, None]


def test_an_empty_key_is_an_error_that_can_be_read(modules):
    assert "Reading the empty key failed" in modules.etcd_kv_info(key="")["msg"]
    assert "key is not provided" in modules.etcd_txn(compare=[{"key": "", "exists": True}])["msg"]


def test_info_as_of_a_revision(modules):
    then = modules.etcd_kv(key="/a", value="old")["revision"]
    modules.etcd_kv(key="/a", value="new")
    for prefix in (False, True):
        found = modules.etcd_kv_info(key="/a", revision=then, prefix=prefix)
        assert (found["kvs"][0]["value"], found["revision"]) == ("old", then)
    refused = modules.etcd_kv_info(key="/a", revision=1000)
    assert "Reading /a failed" in refused["msg"]
    assert "future revision" in refused["msg"]


def test_a_lease_of_ones_own_id_is_granted_once_and_renewed_after_that(modules, fake_etcd):
    would = modules.etcd_lease(lease=0x2A, ttl=60, check=True)
    assert (would["changed"], would["lease"], fake_etcd.leases) == (True, 42, [])
    first = modules.etcd_lease(lease=0x2A, ttl=60, diff=True)
    assert (first["changed"], first["lease"], first["hex"], first["ttl"], first["held"]) == (True, 42, "2a", 60, [])
    assert first["diff"][0]["before"] == ""
    modules.etcd_kv(key="/a", value="x", lease=42)
    fake_etcd.clock.advance(50)
    assert modules.etcd_lease(lease=42, ttl=60, check=True)["ttl"] <= 10
    second = modules.etcd_lease(lease=42, ttl=60)
    assert (second["changed"], second["ttl"], second["granted_ttl"], second["held"]) == (False, 60, 60, ["/a"])
    fake_etcd.clock.advance(50)
    assert fake_etcd.tree() == {"/a": "x"}


def test_without_an_id_every_run_grants_another(modules, fake_etcd):
    assert modules.etcd_lease(ttl=60, check=True)["lease"] is None
    ids = {modules.etcd_lease(ttl=60)["lease"] for _run in range(2)}
    assert ids == set(fake_etcd.leases)


def test_a_lease_without_a_keeper_ends_and_cannot_be_renewed(modules, fake_etcd):
    modules.etcd_lease(lease=7, ttl=60)
    modules.etcd_kv(key="/a", value="x", lease=7)
    assert not modules.etcd_lease(lease=7, state="renewed")["changed"]
    fake_etcd.clock.advance(61)
    assert fake_etcd.tree() == {}
    refused = modules.etcd_lease(lease=7, state="renewed")
    assert "Lease 7 (7) cannot be renewed: it has ended" in refused["msg"]


def test_revoking_a_lease_deletes_its_keys_and_is_done_once(modules, fake_etcd):
    modules.etcd_lease(lease=7, ttl=60)
    modules.etcd_kv(key="/a", value="x", lease=7)
    would = modules.etcd_lease(lease=7, state="absent", check=True)
    assert (would["changed"], would["held"], fake_etcd.leases) == (True, ["/a"], [7])
    gone = modules.etcd_lease(lease=7, state="absent", diff=True)
    assert (gone["changed"], gone["held"], gone["ttl"]) == (True, ["/a"], 0)
    assert gone["diff"][0]["before"]["held"] == ["/a"]
    assert fake_etcd.tree() == {}
    assert not modules.etcd_lease(lease=7, state="absent")["changed"]


def test_keys_that_are_there_are_attached_to_a_lease_once(modules, fake_etcd):
    for key in ("/a", "/b", "/c"):
        modules.etcd_kv(key=key, value=f"{{{{ {key} }}}}")
    modules.etcd_lease(lease=9, ttl=60, keys=["/c"])
    for options in ({"check": True}, {}):
        done = modules.etcd_lease(lease=7, ttl=60, keys=["/b", "/c"], diff=True, **options)
        assert (done["changed"], done["lease"], done["held"]) == (True, 7, ["/b", "/c"])
        assert done["diff"][0]["after"] == {"granted_ttl": 60, "held": ["/b", "/c"]}
    more = modules.etcd_lease(lease=7, ttl=60, keys=["/a"])
    assert (more["changed"], more["held"]) == (True, ["/a", "/b", "/c"])
    revision = fake_etcd.revision
    again = modules.etcd_lease(lease=7, ttl=60, keys=["/a", "/b"])
    assert (again["changed"], again["held"], fake_etcd.revision) == (False, ["/a", "/b", "/c"], revision)
    kvs = modules.etcd_kv_info(key="/", prefix=True)["kvs"]
    assert [(kv["value"], kv["lease"]) for kv in kvs] == [("{{ /a }}", 7), ("{{ /b }}", 7), ("{{ /c }}", 7)]


def test_a_key_that_cannot_be_attached_leaves_no_lease_behind(modules, fake_etcd):
    modules.etcd_kv(key="/a", value="x")
    refused = modules.etcd_lease(lease=7, ttl=60, keys=["/a", "/nope"])
    assert "/nope is not there, so no lease can hold it" in refused["msg"]
    assert fake_etcd.leases == []
    modules.etcd_lease(lease=7, ttl=60)
    fake_etcd.inject(CHANGE, Meanwhile(lambda: None))
    fake_etcd.inject(CHANGE, Meanwhile(lambda: fake_etcd.put("/a", "y")))
    assert "changed meanwhile: run the task again" in modules.etcd_lease(lease=7, ttl=60, keys=["/a"])["msg"]
    assert fake_etcd.tree() == {"/a": "y"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"lease": 7, "state": "absent", "keys": ["/a"]}, "state=present only"),
        ({}, "ttl"),
        ({"ttl": 0}, "ttl must be a positive number"),
        ({"lease": -1, "ttl": 60}, "lease must be a positive number"),
        ({"state": "absent"}, "lease"),
        ({"state": "renewed"}, "lease"),
    ],
)
def test_a_lease_that_makes_no_sense_is_refused(modules, fake_etcd, options, words):
    refused = modules.etcd_lease(**options)
    assert words in refused["msg"]
    assert not fake_etcd.received


def test_an_answer_that_never_came_is_told_as_such(modules, fake_etcd):
    fake_etcd.inject(CHANGE, Drop(executed=True))
    assert "may or may not have been done" in modules.etcd_kv(key="/a", value="x")["msg"]


def test_a_refusal_names_key_endpoint_and_reason(modules, fake_etcd):
    fake_etcd.inject(CHANGE, Refuse(7, "etcdserver: permission denied"))
    refused = modules.etcd_kv(key="/a", value="x")
    for part in ("Changing /a failed", fake_etcd.endpoint, "permission denied", "Check the roles of the user"):
        assert part in refused["msg"]


def test_a_password_given_with_the_user_is_hidden_too(modules):
    refused = modules.etcd_kv(key="/a", value="x", user="root:s3cretpass", endpoints=["http://bad url"])
    assert refused["failed"]
    assert "s3cretpass" not in json.dumps(refused)


def test_a_key_is_changed_only_at_the_revision_expected(modules, fake_etcd):
    created = modules.etcd_kv(key="/a", value="x", mod_revision=0)
    assert created["changed"]
    for check in (True, False):
        for options in ({"value": "y", "mod_revision": 0}, {"state": "absent", "mod_revision": 999}):
            stale = modules.etcd_kv(key="/a", check=check, **options)
            assert stale["failed"]
            assert (
                f"/a was last written at revision {created['mod_revision']}, and mod_revision expects" in stale["msg"]
            )
    assert fake_etcd.tree() == {"/a": "x"}
    assert not modules.etcd_kv(key="/a", value="x", mod_revision=0)["changed"]  # what is so already is no conflict
    changed = modules.etcd_kv(key="/a", value="y", mod_revision=created["mod_revision"])
    assert (changed["changed"], changed["mod_revision"]) == (True, fake_etcd.revision)
    gone = modules.etcd_kv(key="/a", state="absent", mod_revision=changed["mod_revision"])
    assert (gone["changed"], gone["deleted"], fake_etcd.tree()) == (True, ["/a"], {})
    absent = modules.etcd_kv(key="/a", value="z", mod_revision=changed["mod_revision"])
    assert "/a is not there, and mod_revision expects" in absent["msg"]
    assert "without mod_revision" in modules.etcd_kv(key="/a", state="absent", prefix=True, mod_revision=1)["msg"]


@pytest.mark.parametrize(
    "names",
    [("ca_cert", "client_cert", "client_key"), ("cacert", "cert", "key_file"), ("ca_path", "cert_cert", "cert_key")],
)
def test_options_have_the_names_that_users_of_other_modules_know(modules, authority, names):
    own, server = authority.client(), authority.server()
    files = dict(zip(names, map(str, (authority.ca_cert, *own)), strict=True))
    with FakeEtcd(cert=server.cert, key=server.key, client_ca=authority.ca_cert) as fake:
        host, port = fake.endpoint.removeprefix("https://").split(":")
        assert modules.etcd_kv(key="/a", value="x", endpoints=None, host=host, port=int(port), **files)["changed"]
        assert fake.tree() == {"/a": "x"}
