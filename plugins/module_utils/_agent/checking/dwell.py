# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How often the status of a check may change in etcd.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import typing as t


class Writes(t.NamedTuple):
    """The bound on the writes of checks: in a minute, at once, and the seconds that a status stands."""

    per_minute: float = 6.0
    burst: int = 3
    dwell: float = 5.0
    dwell_max: float = 300.0


class Dwell:
    """How long a status must stand before the next one is written: `least` seconds, and twice as long for each change
    that comes soon after the last one, up to `most`.

    Soon is within twelve times `least`, or within twice the dwell where that is more. After so long all is forgotten.
    """

    def __init__(self, least: float, most: float) -> None:
        self._least = least
        self._most = most
        self._seconds = least
        self._changed = float("-inf")

    @property
    def over(self) -> float:
        """When the next change may be written."""
        return self._changed + self._seconds

    @property
    def calm(self) -> float:
        """When the changes of before are forgotten."""
        return self._changed + max(12 * self._least, 2 * self._seconds)

    def change(self, now: float) -> None:
        """A change is written."""
        self._seconds = min(2 * self._seconds, self._most) if now < self.calm else self._least
        self._changed = now

    def flapping(self, now: float) -> bool:
        """Whether at least three changes came soon after one another."""
        return self._seconds > 2 * self._least and now < self.calm
