# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A door is a place where foreign data enters. This file knocks at one with malformed data and reports the outcome.

Each door runs in a process of its own, because its peak memory is one of the figures.
"""

from __future__ import annotations

import dataclasses
import json
import random
import resource
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

MEGABYTE = 1 << 20


@dataclasses.dataclass(frozen=True)
class Door:
    """`open` prepares the door (servers, files) and yields a function that knocks once.

    One knock sends one malformed answer, made with the given generator. It raises AssertionError or any exception if
    the door let the answer through as a crash; a clear error of the collection's own tree is the expected outcome and
    is caught by the knock itself.
    """

    name: str
    open: Callable[[], AbstractContextManager[Callable[[random.Random], None]]]
    deadline: float  # seconds one knock may take: the deadline of the request, plus a margin for a busy machine
    memory: int = 128  # megabytes of resident memory that the whole run may add


@dataclasses.dataclass(frozen=True)
class Result:
    """Outcome of one run. `first` is the traceback of the first crash, with the seed of the knock that caused it."""

    door: str
    answers: int
    crashes: int
    late: int
    slowest: float
    memory: float
    first: str

    def faults(self, door: Door) -> list[str]:
        """What is wrong, in words; empty if the door holds."""
        found = []
        if self.crashes:
            found.append(f"{self.crashes} of {self.answers} answers crashed {door.name}. The first:\n{self.first}")
        if self.late:
            found.append(f"{self.late} answers took longer than {door.deadline} s (slowest {self.slowest:.2f} s)")
        if self.memory > door.memory:
            found.append(f"{door.name} needed {self.memory:.0f} MB more than before, allowed are {door.memory}")
        return found


def knock(door: Door, answers: int, seconds: float, seed: int) -> Result:
    """Knock until `answers` were given or `seconds` are over, whichever comes first, in this process."""
    crashes, late, slowest, first, done = 0, 0, 0.0, "", 0
    with door.open() as attack:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        end = time.monotonic() + seconds
        while done < answers and time.monotonic() < end:
            number = seed * 1_000_003 + done
            started = time.monotonic()
            try:
                attack(random.Random(number))
            except Exception:
                crashes += 1
                first = first or f"seed {number}\n{traceback.format_exc()}"
            took = time.monotonic() - started
            slowest, late, done = max(slowest, took), late + (took > door.deadline), done + 1
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return Result(door.name, done, crashes, late, slowest, peak * 1024 / MEGABYTE, first)


def knock_elsewhere(door: Door, answers: int, seconds: float, seed: int) -> Result:
    """As `knock`, in a new process. Raises RuntimeError with its output if that process dies."""
    command = [sys.executable, "-m", "tests.fuzz", door.name, *map(str, (answers, seconds, seed))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with status {done.returncode}:\n{done.stdout}{done.stderr}")
    fields: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return Result(**fields)
