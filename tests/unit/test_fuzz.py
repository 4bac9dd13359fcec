# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every door holds for some seconds. `python -m tests.fuzz` and `make campaign` knock 10,000 times at each."""

from __future__ import annotations

import random

import pytest

from tests.fuzz.door import Door, knock_elsewhere
from tests.fuzz.doors import DOORS

SECONDS = 3.0


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
def test_door_survives_malformed_answers(door: Door) -> None:
    result = knock_elsewhere(door, 10_000, SECONDS, random.randrange(1_000_000))
    assert result.answers > 0
    assert not result.faults(door), "\n".join(result.faults(door))
