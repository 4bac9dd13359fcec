# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`python -m tests.bench [NAME …]`: measure, print a table, write build/bench.json.

A bench is a module of this package with `rows() -> list[Row]`. Named ones run alone, and leave the rows of the others
in the file as they were.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

from tests.bench.row import Row

REPORT = Path("build/bench.json")
BENCHES = sorted({path.stem for path in Path(__file__).parent.glob("*.py")} - {"__init__", "__main__", "row"})


def main(chosen: list[str]) -> int:
    """Exit code 1 where a goal is missed, 2 where there is no such bench."""
    unknown = set(chosen) - set(BENCHES)
    if unknown:
        print(f"no bench {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}", file=sys.stderr)
        return 2
    rows: list[Row] = []
    for name in chosen or BENCHES:
        started = time.monotonic()
        print(f"== {name}", flush=True)
        rows += importlib.import_module(f"tests.bench.{name}").rows()
        print(f"   {time.monotonic() - started:.0f} s", flush=True)
    _write(rows, keep=bool(chosen))
    _print(rows)
    return int(any(row.met is False for row in rows))


def _write(rows: list[Row], keep: bool) -> None:
    measured = {row.name: row.as_json() for row in rows}
    former: list[dict[str, Any]] = json.loads(REPORT.read_text()) if keep and REPORT.exists() else []
    entries = [entry for entry in former if entry["name"] not in measured] + list(measured.values())
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(sorted(entries, key=lambda entry: entry["name"]), indent=2) + "\n")


def _print(rows: list[Row]) -> None:
    words = {True: "met", False: "MISSED", None: "not measured: no peer here"}
    print(f"\n{'':28}{'ours':>10}{'peer':>10}{'':5}{'ratio':>7}  goal")
    for row in rows:
        peer = "-" if row.peer is None else f"{row.peer:.2f}"
        ratio = "-" if row.ratio is None else f"{row.ratio:.2f}"
        beside = f", beside {row.peer_name}" if row.peer_name else ""
        print(f"{row.name:28}{row.ours:10.2f}{peer:>10} {row.unit:4}{ratio:>7}  {row.aim}: {words[row.met]}{beside}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
