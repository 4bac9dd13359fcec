# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When to try again: jitter, and pauses that grow.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import random


def jittered(seconds: float, share: float) -> float:
    """`seconds`, give or take up to `share` of it: what many hosts do in step, they do to etcd all at once."""
    return seconds * random.uniform(1 - share, 1 + share)


class Backoff:
    """Pauses between attempts that fail: doubling from `first` up to `cap` seconds, each jittered by half."""

    def __init__(self, first: float, cap: float) -> None:
        self._first = first
        self._cap = cap
        self._failures = 0

    def reset(self) -> None:
        """An attempt succeeded."""
        self._failures = 0

    def next(self) -> float:
        """An attempt failed: seconds until the next one."""
        pause = min(self._cap, self._first * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return pause * random.uniform(0.5, 1)
