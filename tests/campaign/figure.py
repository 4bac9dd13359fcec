# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a campaign found."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

REPORT = Path("build/campaign.json")


class Figure(NamedTuple):
    """One measurement. `goal` is the most that it may be; None where there is none."""

    name: str
    value: float
    unit: str
    goal: float | None = None

    @property
    def met(self) -> bool:
        """Whether the goal is met; true where there is none."""
        return self.goal is None or self.value <= self.goal

    def __str__(self) -> str:
        goal = "" if self.goal is None else f"<= {self.goal:g}: {'met' if self.met else 'MISSED'}"
        return f"{self.name:64}{self.value:10.2f} {self.unit:8}{goal}".rstrip()


def report(circumstances: dict[str, Any], figures: Sequence[Figure]) -> None:
    """Print a table and write build/campaign.json."""
    entries = [{**figure._asdict(), "value": round(figure.value, 3), "met": figure.met} for figure in figures]
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps({**circumstances, "figures": entries}, indent=2) + "\n")
    print()
    for figure in figures:
        print(figure)
