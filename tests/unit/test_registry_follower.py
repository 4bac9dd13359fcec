# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Following: never silently behind, whatever becomes of the watch."""

from __future__ import annotations

import time

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.host import log
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.client import Client
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import PERMISSION_DENIED
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.settings import Settings
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.following import follower as follow_module
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.following.follower import Follower, Intervals
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.following.mirror import Selector
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.layout import Layout
from tests.support.fake_etcd import Meanwhile, Refuse, Stall

# Nothing happens by time alone: each test shortens what it is about.
CALM = {"heartbeat": 60.0, "doubt": 0.1, "resync": 60.0, "retry": 0.02, "retry_max": 0.1}
LOG = {"warn": log.warning, "inform": log.info}


def wait(fact, within=5.0):
    deadline = time.monotonic() + within
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def follow(fake_etcd):
    followers = []

    def follow(timeout=2.0, selectors=("/web/", "/app/"), **intervals):
        client = Client(Settings.from_mapping({"endpoints": [fake_etcd.endpoint], "timeout": timeout}))
        chosen = [Selector(key) for key in selectors]
        follower = Follower(client, chosen, Layout(), lambda: None, Intervals(**{**CALM, **intervals}), **LOG)
        follower.start()
        followers.append(follower)
        return follower

    yield follow
    for follower in followers:
        follower.stop()


def tree(follower):
    return {key: kv.value for kvs in follower.state().keys.values() for key, kv in kvs.items()}


def steady(follower, fake, watches=2):
    """Wait until everything was read and the watches are open."""
    wait(lambda: follower.report().serial and fake.open_watches == watches and not follower.report().failure)


def test_reads_at_one_revision_and_follows_every_selector(fake_etcd, follow):
    fake_etcd.put("/web/1", "a")
    fake_etcd.put("/other", "x")
    follower = follow()
    steady(follower, fake_etcd)
    assert tree(follower) == {"/web/1": "a"}
    fake_etcd.put("/app/x", "1")
    fake_etcd.delete("/web/1")
    wait(lambda: tree(follower) == {"/app/x": "1"})
    assert follower.state().revision == fake_etcd.revision


def test_a_change_between_reading_and_watching_is_not_lost(fake_etcd, follow):
    fake_etcd.inject("/v3/watch", Meanwhile(lambda: fake_etcd.put("/web/1", "a")))
    follower = follow()
    wait(lambda: tree(follower) == {"/web/1": "a"})


def test_a_compaction_between_reading_and_watching(fake_etcd, follow):
    fake_etcd.put("/web/0", "gone")

    def compact():
        fake_etcd.delete("/web/0")
        fake_etcd.put("/web/1", "a")
        fake_etcd.put("/web/2", "b")
        fake_etcd.compact()

    fake_etcd.inject("/v3/watch", Meanwhile(compact))
    follower = follow()
    wait(lambda: tree(follower) == {"/web/1": "a", "/web/2": "b"})
    steady(follower, fake_etcd)


@pytest.mark.parametrize("how", ["cut_connections", "end_watches", "restart"])
def test_after_a_cut_everything_is_read_again(fake_etcd, follow, how):
    fake_etcd.put("/web/1", "a")
    follower = follow()
    steady(follower, fake_etcd)
    fake_etcd.inject("/v3/kv/range", Meanwhile(lambda: fake_etcd.delete("/web/1")))
    getattr(fake_etcd, how)()
    wait(lambda: tree(follower) == {})
    steady(follower, fake_etcd)
    fake_etcd.put("/web/2", "b")
    wait(lambda: tree(follower) == {"/web/2": "b"})


def test_while_etcd_is_away_the_state_stays_and_the_failure_is_told(fake_etcd, follow):
    fake_etcd.put("/web/1", "a")
    follower = follow()
    steady(follower, fake_etcd)
    fake_etcd.stop()
    wait(
        lambda: "connection refused" in follower.report().failure
    )  # not only cut: it may be read once more on its way out
    serial = follower.report().serial
    assert tree(follower) == {"/web/1": "a"}
    fake_etcd.start()
    wait(lambda: not follower.report().failure)
    assert follower.report().serial > serial


def test_a_refusal_is_no_empty_answer(fake_etcd, follow):
    fake_etcd.put("/web/1", "a")
    follower = follow()
    steady(follower, fake_etcd)
    fake_etcd.inject("/v3/kv/range", Refuse(PERMISSION_DENIED, "etcdserver: permission denied"), times=None)
    fake_etcd.end_watches()
    wait(lambda: "permission denied" in follower.report().failure)
    assert tree(follower) == {"/web/1": "a"}
    fake_etcd.heal()
    wait(lambda: not follower.report().failure)


def test_an_unanswered_heartbeat_drops_the_watch(fake_etcd, follow):
    follower = follow(timeout=0.2, heartbeat=0.1)
    steady(follower, fake_etcd)
    fake_etcd.inject("/v3/kv/range", Stall(), times=None)
    wait(lambda: "no answer" in follower.report().failure)
    wait(lambda: fake_etcd.open_watches == 0)
    fake_etcd.heal()
    steady(follower, fake_etcd)


def test_heartbeats_of_a_quiet_registry_change_nothing(fake_etcd, follow):
    fake_etcd.put("/web/1", "a")
    follower = follow(heartbeat=0.02)
    steady(follower, fake_etcd)
    serial, asked = follower.report().serial, fake_etcd.count("/v3/kv/range")
    fake_etcd.put("/other", "x")  # the revision goes on, the keys that are followed do not
    wait(lambda: fake_etcd.count("/v3/kv/range") > asked + 20)
    assert follower.report().serial == serial


def test_reading_again_is_no_change_of_revision_but_after_a_gap_it_is(fake_etcd, follow):
    fake_etcd.put("/web/1", "a")
    follower = follow(resync=0.1)
    steady(follower, fake_etcd)
    revision = follower.state().revision
    fake_etcd.put("/other", "x")
    serial = follower.report().serial
    wait(lambda: follower.report().serial > serial + 2)
    assert follower.state().revision == revision

    def known_after_a_cut():
        fake_etcd.end_watches(clean=False)  # again and again: between two readings there is no watch to end
        return follower.state().revision == fake_etcd.revision

    wait(known_after_a_cut)


def test_resync_on_demand(fake_etcd, follow):
    follower = follow()
    steady(follower, fake_etcd)
    serial = follower.report().serial
    follower.resync()
    wait(lambda: follower.report().serial > serial)


def test_what_nobody_foresaw_is_told_and_survived(fake_etcd, follow, monkeypatch):
    """Without this thread nothing would ever change again."""
    read, failures = follow_module.read_state, [KeyError("unforeseen"), MemoryError("unforeseen")]
    monkeypatch.setattr(
        follow_module, "read_state", lambda *args: (_ for _ in ()).throw(failures.pop()) if failures else read(*args)
    )
    follower = follow(retry=0.3)
    wait(lambda: "unforeseen" in follower.report().failure)
    wait(lambda: not follower.report().failure and follower.report().serial)
    assert not failures


def test_a_stream_that_a_proxy_cuts_is_told_once_and_counted(fake_etcd, follow, monkeypatch, capfd):
    monkeypatch.setattr(
        "ansible_collections.rollcall.discovery.plugins.module_utils._registry.following.follower._STABLE", 0.0
    )
    follower = follow()
    for cuts in range(1, 4):
        wait(
            lambda cuts=cuts: (
                (fake_etcd.open_watches == 2 and fake_etcd.cut_connections()) or follower.report().cuts >= cuts
            ),
            within=20.0,
        )
    steady(follower, fake_etcd)
    fake_etcd.put("/web/1", "a")
    wait(lambda: tree(follower) == {"/web/1": "a"})
    assert capfd.readouterr().err.count("watch_cuts") == 1
