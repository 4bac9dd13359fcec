# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The thread that keeps a lease alive: what it tells, and that nothing ends it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, cast

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.registering.lease import LeaseKeeper
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.client import Client
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import LeaseNotFound, Unreachable
from tests.support.waiting import wait_for


class Etcd:
    """Answers a keepalive as `answer` does."""

    def __init__(self, answer: Callable[[int], int]) -> None:
        self.lease_keepalive = answer
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Kept:
    """A keeper at work, with what it has called."""

    def __init__(self, answer: Callable[[int], int], ttl: int = 30) -> None:
        self.alive, self.told = 0, 0
        self.keeper = LeaseKeeper(0.05, self._alive, self._tell)
        self.etcd = Etcd(answer)
        self.keeper.configure(cast(Client, self.etcd), ttl)
        self.keeper.start()

    def _alive(self) -> None:
        self.alive += 1

    def _tell(self) -> None:
        self.told += 1


def test_a_lease_is_renewed_at_once_and_again_after_a_third_of_its_time() -> None:
    asked: list[float] = []

    def answer(_lease: int) -> int:
        asked.append(time.monotonic())
        return 1

    kept = Kept(answer)
    kept.keeper.keep(7, 1)
    wait_for(lambda: len(asked) >= 4, "four keepalives")
    pauses = [asked[number + 1] - asked[number] for number in range(3)]
    assert all(0.29 < pause < 0.6 for pause in pauses)
    assert kept.keeper.renewal.keepalives >= 3
    assert kept.told >= 3


def test_a_lease_that_was_granted_a_moment_ago_is_renewed_at_once_so_that_there_is_a_connection() -> None:
    asked: list[int] = []
    kept = Kept(lambda lease: asked.append(lease) or 30)  # type: ignore[func-returns-value]  # the value is its `or`
    kept.keeper.keep(7, 30, time.clock_gettime(time.CLOCK_BOOTTIME))
    assert kept.keeper.renewal.renewed == pytest.approx(time.time(), abs=5)
    wait_for(lambda: asked == [7], "the first keepalive", 1)


def test_signs_of_life_end_where_a_keepalive_hangs() -> None:
    hangs, over = threading.Event(), threading.Event()

    def answer(_lease: int) -> int:
        hangs.set()
        over.wait(10)
        return 30

    kept = Kept(answer)
    wait_for(lambda: kept.alive > 3, "signs of life")
    kept.keeper.keep(7, 30)
    assert hangs.wait(5)
    before = kept.alive
    time.sleep(0.3)  # six times the interval, in which nothing is to happen
    assert kept.alive == before
    over.set()
    wait_for(lambda: kept.alive > before, "another sign of life")


FAILURES = (
    Unreachable("away"),
    OSError(24, "Too many open files"),
    RuntimeError("can't start new thread"),
    KeyError("x"),
)


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
def test_no_failure_ends_the_renewal(failure: Exception) -> None:
    failures = [failure]

    def answer(_lease: int) -> int:
        if failures:
            raise failures[0]
        return 30

    kept = Kept(answer, ttl=2)
    kept.keeper.keep(7, 2)
    wait_for(lambda: kept.keeper.renewal.failure is not None, "the failure to be told")
    assert str(failure.args[-1]) in str(kept.keeper.renewal.failure)
    assert not kept.keeper.renewal.lost
    failures.clear()
    wait_for(lambda: kept.keeper.renewal.failure is None, "the next attempt to work")
    assert kept.keeper.renewal.failures >= 1


def test_a_lease_that_is_lost_is_told_and_not_asked_for_again() -> None:
    asked: list[int] = []

    def answer(lease: int) -> int:
        asked.append(lease)
        raise LeaseNotFound("gone")

    kept = Kept(answer)
    kept.keeper.keep(7, 30)
    wait_for(lambda: kept.keeper.renewal.lost, "the loss")
    before = kept.alive
    wait_for(lambda: kept.alive > before + 3, "some rounds")
    assert asked == [7]
    kept.keeper.release()
    assert not kept.keeper.renewal.lost


def test_an_answer_for_a_lease_that_was_released_meanwhile_is_dropped() -> None:
    begun, over = threading.Event(), threading.Event()

    def answer(_lease: int) -> int:
        begun.set()
        over.wait(10)
        raise LeaseNotFound("gone")

    kept = Kept(answer)
    kept.keeper.keep(7, 30)
    assert begun.wait(5)
    kept.keeper.keep(8, 30)
    kept.etcd.lease_keepalive = lambda _lease: 30
    over.set()
    before = kept.alive
    wait_for(lambda: kept.alive > before + 1, "another round")
    renewal: Any = kept.keeper.renewal
    assert (renewal.lease, renewal.lost) == (8, False)


def test_a_former_client_is_closed() -> None:
    kept = Kept(lambda _lease: 30)
    kept.keeper.configure(cast(Client, Etcd(lambda _lease: 30)), 30)
    wait_for(lambda: kept.etcd.closed, "the former client to be closed")
