# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Time for leases: runs like the monotonic clock, and jumps when a test says so."""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """Seconds since the machine's start plus every `advance`. Several fakes may share one."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._listeners: list[Callable[[], None]] = []

    def __call__(self) -> float:
        """Seconds now."""
        return time.monotonic() + self._ahead

    def advance(self, seconds: float) -> None:
        """Jump; what is due by then has happened when this returns."""
        self._ahead += seconds
        for listener in self._listeners:
            listener()

    def on_advance(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each jump."""
        self._listeners.append(listener)
