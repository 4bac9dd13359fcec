# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`python -m tests.campaign`: 10,000 malformed answers at every door, thousands of nodes, and minutes of random
faults; a table, and build/campaign.json.

Exit code 1 where a goal is missed. `--nodes 0`, `--faults 0` or `--fuzz 0` leaves a part out.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import sys
import time

from tests.campaign import crowd, faults
from tests.campaign.figure import Figure, report
from tests.fuzz.__main__ import main as fuzz
from tests.tools.etcd_binaries import provide


def main(arguments: list[str]) -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaign")
    parser.add_argument("--nodes", type=int, default=5000, help="simulated nodes (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=4, help="processes that simulate them (default: %(default)s)")
    parser.add_argument("--ttl", type=int, default=30, help="seconds of their leases (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=10, help="of the steady state (default: %(default)s)")
    parser.add_argument("--faults", type=float, default=10, help="minutes of random faults (default: %(default)s)")
    parser.add_argument("--agents", type=int, default=20, help="real agents that suffer them (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=random.randrange(10000), help="of the faults (default: random)")
    parser.add_argument("--series", default="3.5", help="of etcd (default: %(default)s)")
    parser.add_argument("--fuzz", type=int, default=1, help="0 leaves out the fuzz of doors (default: %(default)s)")
    options = parser.parse_args(arguments)
    held = fuzz([]) == 0 if options.fuzz else True
    programs = provide(options.series)
    parts = []
    if options.nodes:
        parts.append(crowd.run(programs, options.nodes, options.processes, options.ttl, options.minutes))
    if options.faults:
        parts.append(faults.run(programs, options.agents, options.faults * 60, options.seed))
    figures: list[Figure] = []
    for figure in itertools.chain(*parts):
        print(f"{time.strftime('%H:%M:%S')}  {figure}", flush=True)
        figures.append(figure)
    report({**vars(options), "cpus": os.cpu_count(), "load": os.getloadavg()[1]}, figures)
    return int(not (held and all(figure.met for figure in figures)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
