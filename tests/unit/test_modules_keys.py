# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""etcd_kv and etcd_kv_info, run in this process against the fake etcd."""

from __future__ import annotations

import json

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils import _module
from tests.support.fake_etcd import Drop, FakeEtcd, Meanwhile, Refuse

CHANGE = "/v3/kv/txn"


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


def test_what_others_wrote_in_between_is_what_was_there(modules, fake_etcd):
    modules.etcd_lease(lease=7, ttl=60)
    fake_etcd.put("/a", "x")
    fake_etcd.inject(CHANGE, Meanwhile(lambda: fake_etcd.put("/a", "theirs", 7)))
    changed = modules.etcd_kv(key="/a", value="y", diff=True)
    assert (changed["old_value"], changed["value"], changed["lease"]) == ("theirs", "y", 0)
    assert changed["diff"][0]["before"] == {"value": "theirs", "lease": 7}
    fake_etcd.inject(CHANGE, Meanwhile(lambda: fake_etcd.delete("/a")))
    created = modules.etcd_kv(key="/a", value="z", diff=True)
    assert (created["old_value"], created["diff"][0]["before"]) == (None, "")
    assert created["mod_revision"] == fake_etcd.revision


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


@pytest.mark.parametrize("old", ['{"a": "\\ud800"}', "[" * 900 + "]" * 900, '{"a": NaN}', '{"a": 1e999}'])
def test_a_value_that_cannot_be_shown_as_data_is_shown_as_text(modules, fake_etcd, old):
    fake_etcd.put("/a", old)
    changed = modules.etcd_kv(key="/a", value={"a": 1}, diff=True)
    assert (changed["changed"], changed["old_value"], fake_etcd.tree()) == (True, old, {"/a": '{"a": 1}'})
    assert (changed["diff"][0]["before"]["value"], changed["diff"][0]["after"]["value"]) == (old, {"a": 1})


def test_half_of_a_surrogate_pair_does_not_fail_a_result():
    assert _module._utf8({"\ud800": ["\ud800 \udcff ü", 1]}) == {"\\ud800": ["\\ud800 \\udcff ü", 1]}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"key": "/a"}, "value"),
        ({"key": "/a", "value": None}, "value: expected a value for /a, since state is present"),
        ({"key": "", "value": "x"}, "key: expected a value"),
        ({"key": "", "state": "absent", "prefix": True}, "key: expected a value"),
        ({"key": "/a", "value": "x", "prefix": True}, "expected only with state=absent"),
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


def test_a_lease_that_is_not_there_is_an_error(modules, fake_etcd, warned):
    refused = modules.etcd_kv(key="/a", value="x", lease=4711)
    assert "lease not found" in refused["msg"]
    assert fake_etcd.endpoint in refused["msg"]
    modules.etcd_lease(lease=7, ttl=60)
    assert modules.etcd_kv(key="/a", value="x", lease=7, check=True)["changed"]
    assert not warned
    assert modules.etcd_kv(key="/a", value="x", lease=4711, check=True)["changed"]  # an earlier task may be to grant it
    assert "lease not found: 4711 (1267) has expired or never existed. The task will fail unless" in warned[0]
    assert fake_etcd.tree() == {}


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


def test_info_as_of_now_is_revision_zero_and_no_negative_one(modules, fake_etcd):
    modules.etcd_kv(key="/a", value="x")
    assert modules.etcd_kv_info(key="/a", revision=0)["revision"] == fake_etcd.revision
    for prefix in (False, True):
        assert "or a revision, got -5" in modules.etcd_kv_info(key="/a", revision=-5, prefix=prefix)["msg"]


def test_an_answer_that_never_came_is_told_as_such(modules, fake_etcd):
    fake_etcd.inject(CHANGE, Drop(executed=True))
    assert "may or may not have taken effect" in modules.etcd_kv(key="/a", value="x")["msg"]


def test_a_refusal_names_key_endpoint_and_reason(modules, fake_etcd):
    fake_etcd.inject(CHANGE, Refuse(7, "etcdserver: permission denied"))
    refused = modules.etcd_kv(key="/a", value="x")
    for part in ("Changing /a failed", fake_etcd.endpoint, "permission denied", "Grant a role of the user access"):
        assert part in refused["msg"]


def test_a_key_is_changed_only_at_the_revision_expected(modules, fake_etcd):
    created = modules.etcd_kv(key="/a", value="x", mod_revision=0)
    assert created["changed"]
    for check in (True, False):
        for options in ({"value": "y", "mod_revision": 0}, {"state": "absent", "mod_revision": 999}):
            stale = modules.etcd_kv(key="/a", check=check, **options)
            assert stale["failed"]
            assert f", got {created['mod_revision']}. Nothing was changed" in stale["msg"]
    assert fake_etcd.tree() == {"/a": "x"}
    assert not modules.etcd_kv(key="/a", value="x", mod_revision=0)["changed"]  # what is so already is no conflict
    changed = modules.etcd_kv(key="/a", value="y", mod_revision=created["mod_revision"])
    assert (changed["changed"], changed["mod_revision"]) == (True, fake_etcd.revision)
    gone = modules.etcd_kv(key="/a", state="absent", mod_revision=changed["mod_revision"])
    assert (gone["changed"], gone["deleted"], fake_etcd.tree()) == (True, ["/a"], {})
    absent = modules.etcd_kv(key="/a", value="z", mod_revision=changed["mod_revision"])
    assert "got a key that does not exist" in absent["msg"]
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


def test_a_lease_beside_a_deletion_is_an_error_instead_of_being_ignored(modules):
    assert "lease: expected only with state=present" in modules.etcd_kv(key="/a", state="absent", lease=5)["msg"]
    for action in ("get", "delete"):
        success = [{"action": action, "key": "/a", "value": "x"}]
        assert "expected neither value nor lease" in modules.etcd_txn(success=success)["msg"]
