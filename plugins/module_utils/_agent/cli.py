# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command `rollcall` on a node.

Internal to the collection: no promise is made to other users of this file.

Every subcommand is a module of this package, of the same name, with two functions:

    add_arguments(parser: argparse.ArgumentParser) -> None
    run(args: argparse.Namespace) -> int        the exit status

Only the module of the subcommand that was asked for is imported: what runs for ever on every node stays small.
A RollcallError that `run` raises is shown as one line on standard error, with exit status 1; a ConfigError with
status 78, for which the units do not restart the service: the same file would fail again.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import typing as t

from .._etcd.errors import RollcallError
from .config import ConfigError
from .lean import leave_out_openssl
from .version import version

COMMANDS = {
    "register": "answer the roll call: hold this host's registration and run its checks",
    "render": "keep files up to date with the registry, and reload what reads them",
}


def main(argv: t.Sequence[str]) -> int:
    """Run the subcommand that `argv` names; returns the exit status: 2 for a wrong command line, as argparse has it."""
    asked = next((word for word in argv if not word.startswith("-")), "")
    parser = argparse.ArgumentParser(prog="rollcall", description="Infrastructure discovery on etcd: this node's part.")
    parser.add_argument("--version", action="version", version=f"rollcall {version()}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=summary, description=f"rollcall {name}: {summary}.")
        if name == asked:
            module = importlib.import_module(f".{name}", __package__)
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    args = parser.parse_args(argv)
    try:
        return int(args.run(args))
    except RollcallError as exc:
        sys.stderr.write(f"rollcall: {exc}\n")
        return os.EX_CONFIG if isinstance(exc, ConfigError) else 1


if __name__ == "__main__":  # `python3 -m rollcall._agent.cli`: what the command `rollcall` runs
    leave_out_openssl()
    raise SystemExit(main(sys.argv[1:]))
