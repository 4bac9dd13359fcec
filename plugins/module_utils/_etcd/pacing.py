# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting so that many do not act at the same moment.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import random
import typing as t

Random = t.Callable[[], float]  # a number from 0 to 1, as random.random gives


def spread(seconds: float, share: float = 0.2, rand: Random = random.random) -> float:
    """`seconds`, give or take `share` of it."""
    return seconds * (1 + share * (2 * rand() - 1))


class Backoff:
    """Pauses between attempts, in seconds: `first`, then twice as long each time, at most `cap`, each spread by 20 %."""

    def __init__(self, first: float, cap: float, rand: Random = random.random) -> None:
        self._first = first
        self._cap = cap
        self._rand = rand
        self._next = first

    def pause(self) -> float:
        """How long to wait before the next attempt."""
        pause, self._next = self._next, min(self._next * 2, self._cap)
        return spread(pause, rand=self._rand)

    def reset(self) -> None:
        """It worked: start with `first` again."""
        self._next = self._first
