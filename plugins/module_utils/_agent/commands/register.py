# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`rollcall register`: answer the roll call.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import argparse

from ..host import log
from ..host.shortage import patiently
from ..registering.agent import Agent
from ..registering.register_config import load
from ..registering.run_directory import RunDirectory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command line may say."""
    parser.add_argument("--config", default="/etc/rollcall/register.json", help="configuration (default: %(default)s)")
    parser.add_argument(
        "--run-dir", default="/run/rollcall", help="lease, lock and status.json, lost at reboot (default: %(default)s)"
    )
    parser.add_argument(
        "--check", action="store_true", help="only read the configuration and tell what is wrong with it"
    )


def run(args: argparse.Namespace) -> int:
    """Register this host until the process is told to stop; returns the exit status."""
    if args.check:
        load(args.config)
        return 0
    with log.in_background():
        files = patiently(lambda: RunDirectory(args.run_dir), "use the run directory")
        patiently(lambda: Agent(args.config, files), "start").run()
    return 0
