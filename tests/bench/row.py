# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One figure of ours, beside that of a peer where there is one."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple


class Row(NamedTuple):
    """Less is better. `goal` is the most that the ratio to the peer may be, or where there is no peer, `ours` itself.

    `peer` is None where there is none (`peer_name` is "" then) or where it was not to be had (`peer_name` is its name).
    """

    name: str
    ours: float
    unit: str
    goal: float
    peer_name: str = ""
    peer: float | None = None

    @property
    def ratio(self) -> float | None:
        """Ours by the peer's."""
        return self.ours / self.peer if self.peer else None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where that cannot be told."""
        if self.peer_name:
            return None if self.ratio is None else self.ratio <= self.goal
        return self.ours <= self.goal

    @property
    def aim(self) -> str:
        """The goal in words."""
        return f"ratio <= {self.goal:g}" if self.peer_name else f"<= {self.goal:g} {self.unit}"

    def as_json(self) -> dict[str, Any]:
        """The entry of build/bench.json."""
        return {
            "name": self.name,
            "ours": round(self.ours, 3),
            "peer": None if self.peer is None else round(self.peer, 3),
            "peer_name": self.peer_name,
            "ratio": None if self.ratio is None else round(self.ratio, 3),
            "unit": self.unit,
            "goal": self.aim,
            "met": self.met,
        }


def alternate(ours: Callable[[], object], peer: Callable[[], object] | None, runs: int) -> tuple[float, float | None]:
    """The median wall time of each in seconds, None for a peer that was not to be had.

    They take turns, so that both meet the same noise of the machine.
    """
    taken = [(_seconds(ours), _seconds(peer) if peer else None) for _run in range(runs)]
    others = [seconds for _ours, seconds in taken if seconds is not None]
    return statistics.median(pair[0] for pair in taken), statistics.median(others) if others else None


def _seconds(action: Callable[[], object]) -> float:
    started = time.monotonic()
    action()
    return time.monotonic() - started
