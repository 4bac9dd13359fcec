# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When to apply changes: the first at once, those that follow it together.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import typing as t


class Coalescer:
    """Times are seconds of any clock that does not jump. `due` is when to apply what has changed; None: nothing has.

    After a quiet time a change is due at once. Those that follow are due when it was quiet for `quiet` seconds, at the
    latest `max_wait` after the first of them.
    """

    def __init__(self, quiet: float, max_wait: float) -> None:
        self._quiet = quiet
        self._max_wait = max_wait
        self._busy_until = float("-inf")
        self._latest = 0.0
        self.due: t.Optional[float] = None

    def changed(self, now: float) -> None:
        """Something has changed."""
        if self.due is None:
            leads = now >= self._busy_until
            self._latest = now if leads else now + self._max_wait
        self._busy_until = now + self._quiet
        self.due = min(self._busy_until, self._latest)

    def applied(self, now: float) -> None:
        """All changes so far are applied."""
        self.due = None
        self._busy_until = now + self._quiet
