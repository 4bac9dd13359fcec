# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""etcd_lease, run in this process against the fake etcd, whose clock the tests advance."""

from __future__ import annotations

import pytest

from tests.support.fake_etcd import Drop, Meanwhile, Refuse

CHANGE = "/v3/kv/txn"


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
    assert "Cannot renew lease 7 (7): it has expired or was revoked" in refused["msg"]


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
        assert (done["diff"][0]["before"], done["diff"][0]["after"]) == ("", {"granted_ttl": 60, "held": ["/b", "/c"]})
    for options in ({"check": True}, {}):
        more = modules.etcd_lease(lease=7, ttl=600, keys=["/a"], diff=True, **options)
        assert (more["changed"], more["held"]) == (True, ["/a", "/b", "/c"])
        assert more["diff"][0]["before"] == {"granted_ttl": 60, "held": ["/b", "/c"]}
        assert more["diff"][0]["after"] == {"granted_ttl": 60, "held": ["/a", "/b", "/c"]}
    revision = fake_etcd.revision
    again = modules.etcd_lease(lease=7, ttl=60, keys=["/a", "/b"])
    assert (again["changed"], again["held"], fake_etcd.revision) == (False, ["/a", "/b", "/c"], revision)
    kvs = modules.etcd_kv_info(key="/", prefix=True)["kvs"]
    assert [(kv["value"], kv["lease"]) for kv in kvs] == [("{{ /a }}", 7), ("{{ /b }}", 7), ("{{ /c }}", 7)]


def test_a_key_that_cannot_be_attached_leaves_no_lease_behind(modules, fake_etcd, warned):
    modules.etcd_kv(key="/a", value="x")
    refused = modules.etcd_lease(lease=7, ttl=60, keys=["/a", "/nope"])
    assert "Cannot attach /nope to a lease: the key does not exist" in refused["msg"]
    would = modules.etcd_lease(lease=7, ttl=60, keys=["/a", "/nope"], check=True)  # an earlier task may be to write it
    assert "Cannot attach /nope to a lease: the key does not exist" in warned[0]
    assert (would["changed"], would["held"]) == (True, ["/a", "/nope"])
    assert fake_etcd.leases == []
    modules.etcd_lease(lease=7, ttl=60)
    fake_etcd.inject(CHANGE, Meanwhile(lambda: None))  # for the transaction that reads the keys
    fake_etcd.inject(CHANGE, Meanwhile(lambda: fake_etcd.put("/a", "y")))
    assert "has changed one of them in the meantime" in modules.etcd_lease(lease=7, ttl=60, keys=["/a"])["msg"]
    assert (fake_etcd.tree(), fake_etcd.leases) == ({"/a": "y"}, [7])  # it was there before


def test_a_lease_that_was_granted_for_keys_goes_where_it_does_not_get_them(modules, fake_etcd):
    fake_etcd.put("/a", "x")
    for fault in (Meanwhile(lambda: fake_etcd.put("/a", "y")), Refuse(7, "etcdserver: permission denied")):
        fake_etcd.inject(CHANGE, Meanwhile(lambda: None))
        fake_etcd.inject(CHANGE, fault)
        assert modules.etcd_lease(ttl=60, keys=["/a"])["failed"]
        assert (fake_etcd.tree(), fake_etcd.leases) == ({"/a": "y"}, [])
    fake_etcd.inject(CHANGE, Meanwhile(lambda: None))
    fake_etcd.inject(CHANGE, Drop(executed=True))
    assert "may or may not have taken effect" in modules.etcd_lease(lease=7, ttl=60, keys=["/a"])["msg"]
    assert (fake_etcd.tree(), fake_etcd.leases) == ({"/a": "y"}, [7])  # what it holds would go with it


def test_more_keys_than_etcd_changes_at_once_are_refused_before_anything_is_granted(modules, fake_etcd):
    keys = [f"/a/{number}" for number in range(129)]
    for key in keys:
        fake_etcd.put(key, "x")
    for check in (True, False):
        refused = modules.etcd_lease(ttl=60, keys=keys, check=check)
        assert "keys: expected at most 128" in refused["msg"]
    assert fake_etcd.leases == []
    assert len(modules.etcd_lease(ttl=60, keys=[*keys[:128], keys[0]])["held"]) == 128


def test_a_lease_that_ends_while_it_is_looked_at_is_no_failure(modules, fake_etcd):
    ends = Meanwhile(lambda: fake_etcd.revoke(7))
    modules.etcd_lease(lease=7, ttl=60)
    fake_etcd.inject("/v3/lease/revoke", ends)
    assert modules.etcd_lease(lease=7, state="absent")["changed"]
    modules.etcd_lease(lease=7, ttl=60)
    fake_etcd.inject("/v3/lease/keepalive", ends)
    granted = modules.etcd_lease(lease=7, ttl=60, diff=True)
    assert (granted["changed"], granted["ttl"], granted["diff"][0]["before"]) == (True, 60, "")
    fake_etcd.inject("/v3/lease/keepalive", ends)
    assert "it has expired or was revoked" in modules.etcd_lease(lease=7, state="renewed")["msg"]


def test_a_lease_in_its_last_second_is_still_there(modules, fake_etcd):
    modules.etcd_lease(lease=7, ttl=60)
    fake_etcd.clock.advance(59.3)
    assert not modules.etcd_lease(lease=7, ttl=60, check=True)["changed"]
    assert modules.etcd_lease(lease=7, ttl=60)["ttl"] == 60
    fake_etcd.clock.advance(59.3)
    assert modules.etcd_lease(lease=7, state="absent")["changed"]
    assert fake_etcd.leases == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"lease": 7, "state": "absent", "keys": ["/a"]}, "expected only with state=present"),
        ({}, "ttl"),
        ({"ttl": 0}, "ttl: expected a positive number"),
        ({"ttl": 9_000_000_001}, "ttl: expected at most 9000000000 seconds"),
        ({"lease": -1, "ttl": 60}, "lease: expected a positive number"),
        ({"state": "absent"}, "lease"),
        ({"state": "renewed"}, "lease"),
    ],
)
def test_a_lease_that_makes_no_sense_is_refused(modules, fake_etcd, options, words):
    refused = modules.etcd_lease(**options)
    assert words in refused["msg"]
    assert not fake_etcd.received
