# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When to act: jitter, backoff, a token bucket, and how long a status must stand.

Internal to the collection: no promise is made to other users of this file.

Times are seconds of `boottime`. Nothing here sleeps or looks at a clock by itself.
"""

from __future__ import annotations

import random
import time
import typing as t

_RETRY_CAP = 15.0  # seconds between attempts while etcd is away, and never more than a third of the lease's time
_REFUSED_CAP = 60.0  # seconds between attempts while etcd refuses: a wrong password costs etcd 79 ms of CPU each time


def boottime() -> float:
    """Seconds since boot. It never jumps, and it goes on while the machine is suspended, as leases do."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


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


class Task:
    """When something of a lease is to be done: after a period where it worked, after a backoff where it did not.

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


class Writes(t.NamedTuple):
    """What checks may cost etcd: writes of this host in a minute and at once, and seconds that a status stands."""

    per_minute: float = 6.0
    burst: int = 3
    dwell: float = 5.0
    dwell_max: float = 300.0


class Dwell:
    """How long a status must stand before the next one is told: `least` seconds, and twice as long for each change that
    comes soon after the last one, up to `most`.

    Soon is within twelve times `least`, or within twice the dwell where that is more. After so long all is forgotten.
    """

    def __init__(self, least: float, most: float) -> None:
        self._least = least
        self._most = most
        self._seconds = least
        self._changed = float("-inf")

    @property
    def over(self) -> float:
        """When the next change may be told."""
        return self._changed + self._seconds

    @property
    def calm(self) -> float:
        """When the changes of before are forgotten."""
        return self._changed + max(12 * self._least, 2 * self._seconds)

    def change(self, now: float) -> None:
        """A change is told."""
        self._seconds = min(2 * self._seconds, self._most) if now < self.calm else self._least
        self._changed = now

    def flapping(self, now: float) -> bool:
        """Whether at least three changes came soon after one another."""
        return self._seconds > 2 * self._least and now < self.calm


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
