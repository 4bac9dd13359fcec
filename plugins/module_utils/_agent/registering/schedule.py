# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When the registrar does its work: backoff for each kind of failure, and a bound on its writes.

Internal to the collection: no promise is made to other users of this file.

Times are seconds of `boottime`. Nothing here sleeps or reads a clock.
"""

from __future__ import annotations

from ..._registry.following.timing import Backoff

_RETRY_CAP = 15.0  # seconds between attempts while etcd is away, and never more than a third of the lease's time
_REFUSED_CAP = 60.0  # seconds between attempts while etcd refuses: a wrong password costs etcd 79 ms of CPU each time


class Task:
    """When a task of a lease is due: after a period if it worked, after a backoff if it failed.

    `ttl` is the lease's time to live in seconds.
    """

    def __init__(self, ttl: int) -> None:
        self.due = 0.0
        self.failing = False
        self._lost = Backoff(0.5, min(_RETRY_CAP, ttl / 3))
        self._refused = Backoff(5.0, _REFUSED_CAP)

    def worked(self, due: float) -> None:
        """Do it again at `due`."""
        self.due, self.failing = due, False
        self._lost.reset()
        self._refused.reset()

    def failed(self, refused: bool, now: float) -> None:
        """Try again, later and later."""
        self.due, self.failing = now + (self._refused if refused else self._lost).next(), True


class TokenBucket:
    """Bounds how often something is done: `burst` times at once, and `per_minute` in the long run."""

    def __init__(self, per_minute: float, burst: int, now: float) -> None:
        self._interval = 60 / per_minute
        self._burst = burst
        self._tokens = float(burst)
        self._counted = now

    def take(self, now: float) -> bool:
        """Take a token if there is one."""
        self._fill(now)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def ready(self, now: float) -> float:
        """When there will be a token: `now` or later."""
        self._fill(now)
        return now + max(0.0, 1 - self._tokens) * self._interval

    def _fill(self, now: float) -> None:
        self._tokens = min(self._burst, self._tokens + (now - self._counted) / self._interval)
        self._counted = now
