# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`make test`: the stages one after another, the quick ones first, all of them whatever fails, and one summary."""

from __future__ import annotations

import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import NamedTuple

REPORTS = Path("build/reports")
STAGES = {
    "unit": ["unit"],
    "lint": ["lint"],
    "contract": ["contract"],
    "integration": ["integration"],
    "e2e": ["e2e", "M=story"],
}


class Counts(NamedTuple):
    """Of tests, or of the runs of a test where a layer runs with two ansible-cores."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: object) -> Counts:
        if not isinstance(other, Counts):
            return NotImplemented
        return Counts(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


class Result(NamedTuple):
    """Of one stage."""

    name: str
    status: int
    seconds: float
    counts: Counts


def counts_of(stage: str) -> Counts:
    """Add up the JUnit reports pytest left for a stage; lint leaves none."""
    total = Counts()
    for report in sorted(REPORTS.glob(f"{stage}.*.xml")):
        for suite in ET.parse(report).getroot().iter("testsuite"):
            failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            skipped = int(suite.get("skipped", 0))
            total += Counts(int(suite.get("tests", 0)) - failed - skipped, failed, skipped)
    return total


def run(stage: str) -> Result:
    """Run the stage's own handle, its output shown as it comes."""
    print(f"\n== {stage}: make {' '.join(STAGES[stage])}", flush=True)
    started = time.monotonic()
    status = subprocess.run(["make", "--no-print-directory", *STAGES[stage]], check=False).returncode
    return Result(stage, status, time.monotonic() - started, counts_of(stage))


def main() -> int:
    """Run all stages and print the summary; the last line is the count of all tests."""
    for report in REPORTS.glob("*.xml"):
        report.unlink()
    results = [run(stage) for stage in STAGES]
    total = sum((result.counts for result in results), Counts())
    failed = [result.name for result in results if result.status]

    print("\n== summary")
    for result in results:
        counts = "" if result.name == "lint" else f"   {result.counts}"
        print(f"{result.name:12} {'failed' if result.status else 'ok':7} {result.seconds:5.0f} s{counts}")
    if not Path(".venv-newest").exists():
        print("SKIPPED: everything with the newest ansible-core, for want of Python 3.12 or newer")
    verdict = f"failed: {', '.join(failed)}" if failed else "everything passed"
    print(f"{sum(result.seconds for result in results):.0f} s in all, {verdict}")
    print(f"total: {total}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
