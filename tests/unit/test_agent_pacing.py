# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jitter, backoff, the token bucket."""

from __future__ import annotations

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.checking.dwell import Dwell
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.host.clock import boottime
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.registering.schedule import TokenBucket
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.following.timing import Backoff, jittered


def test_jitter_stays_within_its_share_and_spreads_over_it() -> None:
    values = [jittered(10, 0.1) for _ in range(500)]
    assert 9 <= min(values) < 9.2
    assert 10.8 < max(values) <= 11


def test_backoff_doubles_up_to_its_cap_and_begins_again() -> None:
    backoff = Backoff(1.0, 8.0)
    for full in (1, 2, 4, 8, 8, 8):
        assert full / 2 <= backoff.next() <= full
    backoff.reset()
    assert backoff.next() <= 1


def test_backoff_survives_a_year_without_etcd() -> None:
    backoff = Backoff(1.0, 8.0)
    assert max(backoff.next() for _ in range(5000)) <= 8


def test_a_bucket_gives_its_burst_then_its_rate() -> None:
    bucket = TokenBucket(per_minute=6, burst=3, now=0.0)
    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.ready(0.0) == 10
    assert not bucket.take(9.9)
    assert bucket.take(bucket.ready(9.9))
    taken = sum(bucket.take(float(second)) for second in range(11, 611))
    assert 59 <= taken <= 61, "ten minutes at six a minute"


def test_a_bucket_holds_no_more_than_its_burst() -> None:
    bucket = TokenBucket(per_minute=6, burst=3, now=0.0)
    assert bucket.ready(1e6) == 1e6
    assert [bucket.take(1e6) for _ in range(4)] == [True, True, True, False]


def test_the_clock_counts_from_boot() -> None:
    with open("/proc/uptime", encoding="ascii") as file:
        uptime = float(file.read().split()[0])
    assert abs(boottime() - uptime) < 5


def test_a_dwell_doubles_for_changes_that_come_soon_and_is_forgotten_in_calm() -> None:
    dwell = Dwell(5.0, 30.0)
    assert dwell.over < 0, "the first change may come at any time"
    held, now = [], 100.0
    for _number in range(5):
        dwell.change(now)
        held.append((dwell.over - now, dwell.flapping(now)))
        now = dwell.over
    assert held == [(5, False), (10, False), (20, True), (30, True), (30, True)]
    assert dwell.calm == now - 30 + 60, "twelve times the least dwell"
    assert not dwell.flapping(dwell.calm)
    now = dwell.calm
    dwell.change(now)
    assert (dwell.over - now, dwell.flapping(now)) == (5, False)


def test_without_a_dwell_nothing_flaps() -> None:
    dwell = Dwell(0.0, 300.0)
    for now in range(10):
        dwell.change(float(now))
        assert (dwell.over, dwell.flapping(float(now))) == (now, False)
