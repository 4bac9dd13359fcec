# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The time of the next attempt: jitter and exponential backoff.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import random


def jittered(seconds: float, share: float) -> float:
    """`seconds`, plus or minus up to `share` of it, so that many hosts do not send requests at the same time."""
    return seconds * random.uniform(1 - share, 1 + share)


class Backoff:
    """Pauses after failed attempts: they double from `first` up to `cap` seconds, with a jitter of half."""

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
