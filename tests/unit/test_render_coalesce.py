# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When changes are applied: the first at once, those that follow together."""

from __future__ import annotations

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.coalesce import Coalescer


def applies(changes, work=0.0, quiet=0.3, max_wait=3.0):
    """The times at which something is applied, where every application takes `work` seconds."""
    coalescer, times, now, changes = Coalescer(quiet, max_wait), [], 0.0, sorted(changes)
    while changes or coalescer.due is not None:
        due = float("inf") if coalescer.due is None else coalescer.due
        if changes and changes[0] <= max(due, now):
            now = max(now, changes.pop(0))
            coalescer.changed(now)
        else:
            now = max(now, due)
            times.append(round(now, 3))
            now += work
            coalescer.applied(now)
    return times


def test_the_first_change_is_applied_at_once():
    assert applies([5.0]) == [5.0]


def test_what_follows_waits_for_quiet():
    assert applies([5.0, 5.1, 5.2]) == [5.0, 5.5]


def test_after_quiet_the_next_is_a_first_one_again():
    assert applies([5.0, 5.1, 6.0]) == [5.0, 5.4, 6.0]


def test_nothing_waits_longer_than_max_wait():
    assert applies([0.1 * n for n in range(51)]) == [0.0, 3.1, 5.3]


def test_fifty_flapping_changes_are_applied_a_few_times():
    assert len(applies([0.05 * n for n in range(50)])) == 2


@pytest.mark.parametrize("work", [0.1, 1.0, 5.0])
def test_slow_work_is_not_done_back_to_back(work):
    times = applies([0.05 * n for n in range(200)], work)
    assert all(later - earlier >= work + 0.3 for earlier, later in zip(times, times[1:], strict=False))
    assert times[-1] >= 0.05 * 199
