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
status 78, for which the units do not restart the service: the same file would fail again. A wrong command line is 2,
an interrupt 130, and 141 says that nobody read the output.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import signal
import sys
import typing as t

from .._etcd.errors import RollcallError
from .config import ConfigError
from .lean import leave_out_openssl
from .version import version

COMMANDS = {
    "register": "answer the roll call: hold this host's registration and run its checks",
    "render": "keep files up to date with the registry, and reload what reads them",
    "status": "tell how this host's registration goes; the exit status is for monitoring",
    "nodes": "list the nodes that answer the roll call",
    "watch": "tell who joins, leaves, is lost or changes, as it happens",
    "maintenance": "take this node out of service, and put it back",
}


class _Parser(argparse.ArgumentParser):
    """Says where help is, and what may have been meant."""

    def error(self, message: str) -> t.NoReturn:
        import difflib  # only here

        asked = re.search(r"invalid choice: '(.*?)'", message)
        near = difflib.get_close_matches(asked.group(1), COMMANDS, 1) if asked else []
        meant = f" Did you mean '{near[0]}'?" if near else ""
        self.exit(2, f"{self.prog}: {message}.{meant} Try '{self.prog} --help'\n")


def main(argv: t.Sequence[str]) -> int:
    """Run the subcommand that `argv` names; returns the exit status: 2 for a wrong command line, as argparse has it."""
    asked = next((word for word in argv if not word.startswith("-")), "")
    parser = _Parser(prog="rollcall", description="Infrastructure discovery on etcd: this node's part.")
    parser.add_argument("--version", action="version", version=f"rollcall {version()}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=summary, description=f"rollcall {name}: {summary}.")
        if name == asked:
            module = importlib.import_module(f".commands.{name}", __package__)
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    args, unknown = parser.parse_known_args(argv)
    if unknown:
        subparsers.choices[asked].error(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        return int(args.run(args))
    except RollcallError as exc:
        sys.stderr.write(f"rollcall: {exc}\n")
        return os.EX_CONFIG if isinstance(exc, ConfigError) else 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for Python's own flush at the end
        return 128 + signal.SIGPIPE


if __name__ == "__main__":  # `python3 -m rollcall._agent.cli`: what the command `rollcall` runs
    leave_out_openssl()
    raise SystemExit(main(sys.argv[1:]))
