# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`python -m tests.fuzz`: every door, or the one named, with 10,000 answers each; a table.

`python -m tests.fuzz NAME ANSWERS SECONDS SEED` runs one door in this process and prints its result as JSON.
"""

from __future__ import annotations

import dataclasses
import json
import sys

from tests.fuzz.door import knock, knock_elsewhere
from tests.fuzz.doors import DOORS

ANSWERS = 10_000
SECONDS = 3600.0  # a bound on a door that hangs, not a goal


def main(arguments: list[str]) -> int:
    """Exit code 1 if a door does not hold."""
    if len(arguments) == 4:
        name, answers, seconds, seed = arguments
        print(json.dumps(dataclasses.asdict(knock(DOORS[name], int(answers), float(seconds), int(seed)))))
        return 0
    status = 0
    print(f"{'door':32}{'answers':>8}{'crashes':>9}{'late':>6}{'slowest':>10}{'memory':>10}")
    for door in [DOORS[name] for name in arguments] or DOORS.values():
        result = knock_elsewhere(door, ANSWERS, SECONDS, 1)
        print(
            f"{door.name:32}{result.answers:8}{result.crashes:9}{result.late:6}"
            f"{result.slowest:8.2f} s{result.memory:7.0f} MB",
            flush=True,
        )
        for fault in result.faults(door):
            status = 1
            print(f"  {fault}")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
