# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""etcd_lock, run in this process against the fake etcd, whose clock the tests advance."""

from __future__ import annotations

import pytest

from tests.support.fake_etcd import Meanwhile
from tests.support.modules import Modules

KEY = "/locks/deploy"


@pytest.fixture
def modules(fake_etcd, capsys):
    return Modules(capsys, endpoints=[fake_etcd.endpoint], key=KEY)


@pytest.fixture
def plain(fake_etcd, capsys):
    """The same without the lock's key."""
    return Modules(capsys, endpoints=[fake_etcd.endpoint])


def test_a_lock_is_taken_renewed_and_released(modules, fake_etcd):
    would = modules.etcd_lock(owner="me", ttl=60, check=True, diff=True)
    assert fake_etcd.tree() == {}
    taken = modules.etcd_lock(owner="me", ttl=60, diff=True)
    assert fake_etcd.tree() == {KEY: "me"}
    assert (taken["changed"], taken["holder"], taken["ttl"]) == (True, "me", 60)
    assert taken["fencing_revision"] == fake_etcd.revision
    assert would["diff"] == taken["diff"]
    assert (would["changed"], would["holder"], would["fencing_revision"]) == (True, "me", None)

    fake_etcd.clock.advance(50)
    assert 0 < modules.etcd_lock(owner="me", ttl=60, check=True)["ttl"] <= 10
    renewed = modules.etcd_lock(owner="me", ttl=60)
    assert not renewed["changed"]
    for field in ("fencing_revision", "lease", "ttl", "holder"):
        assert renewed[field] == taken[field], field
    fake_etcd.clock.advance(50)

    assert modules.etcd_lock(owner="me", state="absent", check=True)["changed"]
    assert fake_etcd.tree() == {KEY: "me"}
    freed = modules.etcd_lock(owner="me", state="absent")
    assert (freed["changed"], freed["holder"], freed["fencing_revision"], freed["ttl"]) == (True, None, None, 0)
    assert fake_etcd.tree() == {}
    assert not modules.etcd_lock(owner="me", state="absent")["changed"]


def test_the_lock_of_another_is_left_alone(modules, fake_etcd):
    mine = modules.etcd_lock(owner="me", ttl=60)
    for check in (True, False):
        refused = modules.etcd_lock(owner="you", ttl=60, check=check)
        assert (refused["failed"], refused["holder"]) == (True, "me")
        assert (
            f"Cannot acquire the lock {KEY}: it is held by me. It is released in 59 s unless the holder renews it"
            in refused["msg"]
        )
        left = modules.etcd_lock(owner="you", state="absent", check=check)
        assert (left["changed"], left["holder"]) == (False, "me")
    fake_etcd.clock.advance(61)
    yours = modules.etcd_lock(owner="you", ttl=60)
    assert yours["changed"]
    assert yours["fencing_revision"] > mine["fencing_revision"]
    assert "held by you" in modules.etcd_lock(owner="me", ttl=60)["msg"]


def test_more_seconds_are_another_lease_of_the_same_lock(modules, plain, fake_etcd):
    first = modules.etcd_lock(owner="me", ttl=60)
    would = modules.etcd_lock(owner="me", ttl=600, check=True, diff=True)
    longer = modules.etcd_lock(owner="me", ttl=600, diff=True)
    assert would["diff"] == longer["diff"]
    assert longer["diff"][0]["before"] == {"holder": "me", "granted_ttl": 60}
    assert longer["diff"][0]["after"] == {"holder": "me", "granted_ttl": 600}
    assert (longer["changed"], longer["ttl"]) == (True, 600)
    assert longer["lease"] != first["lease"]
    assert longer["fencing_revision"] == first["fencing_revision"]
    fake_etcd.clock.advance(61)
    assert fake_etcd.tree() == {KEY: "me"}
    assert plain.etcd_lease(lease=first["lease"], state="absent")["changed"] is False
    for check in (True, False):
        fewer = modules.etcd_lock(owner="me", ttl=60, check=check, diff=True)
        assert (fewer["changed"], fewer["diff"]) == (False, [])
    assert fewer["ttl"] == 600


def test_a_key_without_lease_is_a_lock_that_stays(modules, plain, fake_etcd):
    plain.etcd_kv(key=KEY, value="me")
    assert "It has no lease: delete the key" in modules.etcd_lock(owner="you", ttl=60)["msg"]
    assert modules.etcd_lock(owner="me", ttl=60)["changed"]
    fake_etcd.clock.advance(61)
    assert fake_etcd.tree() == {}


def test_who_loses_the_race_leaves_no_lease_behind(modules, fake_etcd):
    fake_etcd.inject("/v3/kv/txn", Meanwhile(lambda: fake_etcd.put(KEY, "you")))
    lost = modules.etcd_lock(owner="me", ttl=60)
    assert (lost["failed"], lost["holder"]) == (True, "you")
    assert (fake_etcd.tree(), fake_etcd.leases) == ({KEY: "you"}, [])
    fake_etcd.inject("/v3/kv/txn", Meanwhile(lambda: fake_etcd.delete(KEY)))
    assert "has just changed. Try again" in modules.etcd_lock(owner="you", ttl=60)["msg"]
    assert (fake_etcd.tree(), fake_etcd.leases) == ({}, [])


def test_releasing_late_takes_nobody_elses_lock(modules, fake_etcd):
    modules.etcd_lock(owner="me", ttl=60)
    fake_etcd.inject("/v3/kv/txn", Meanwhile(lambda: (fake_etcd.delete(KEY), fake_etcd.put(KEY, "you"))))
    assert modules.etcd_lock(owner="me", state="absent")["changed"]
    assert (fake_etcd.tree(), fake_etcd.leases) == ({KEY: "you"}, [])


def test_what_cannot_be_is_refused(modules, fake_etcd):
    for options in ({"owner": "me"}, {"owner": "me", "ttl": 0}, {"owner": "me", "ttl": 9_000_000_001}):
        assert "ttl" in modules.etcd_lock(**options)["msg"]
    for empty in ("key", "owner"):  # of two plays with an empty owner both would have the lock
        options = {"owner": "me", "ttl": 60, empty: ""}
        assert modules.etcd_lock(**options)["msg"] == f"{empty}: expected a value, got an empty string [RC-E-OPTION]"
    assert fake_etcd.tree() == {}
