# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`rollcall register`: register this host under a lease.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import argparse

from ..host import log
from ..host.shortage import patiently
from ..registering.agent import Agent
from ..registering.register_config import load
from ..registering.run_directory import RunDirectory

EXAMPLES = (
    "rollcall register --check",
    "rollcall register --config ./register.json --run-dir ./run",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        default="/etc/rollcall/register.json",
        help="configuration file (default: %(default)s)",
    )
    parser.add_argument(
        "--run-dir",
        metavar="DIRECTORY",
        default="/run/rollcall",
        help="directory of the lock, the lease and status.json, which are lost at reboot (default: %(default)s)",
    )
    parser.add_argument("--check", action="store_true", help="only check the configuration, and exit")


def run(args: argparse.Namespace) -> int:
    """Register this host until SIGTERM or SIGINT; returns the exit status."""
    if args.check:
        load(args.config)
        return 0
    with log.in_background():
        files = patiently(lambda: RunDirectory(args.run_dir), "use the run directory")
        patiently(lambda: Agent(args.config, files), "start").run()
    return 0
