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
an interrupt 130. 74 says that the output could not be written, and 141 that nobody read it: neither is one that
monitoring knows.
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
from .._etcd.text import with_id
from .config import ConfigError
from .host import children, streams
from .host.memory import leave_out_openssl
from .host.shortage import is_shortage
from .version import stay_with_this_release, version

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
        self.exit(2, f"{self.prog}: {message}.{meant} Try '{self.prog} --help' [RC-E-USAGE]\n")


def main(argv: t.Sequence[str]) -> int:
    """Run the subcommand that `argv` names; returns the exit status: 2 for a wrong command line, as argparse has it."""
    streams.set_up()
    try:
        try:
            return _run(argv)
        finally:
            sys.stdout.flush()
    except RollcallError as exc:
        streams.complain(exc.message)
        config_wrong = isinstance(exc, ConfigError) and not is_shortage(exc)
        return os.EX_CONFIG if config_wrong else 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        streams.silence(sys.stdout)
        return 128 + signal.SIGPIPE
    except OSError as exc:
        streams.silence(sys.stdout)
        # What is read or written by name says so in its error.
        text = str(exc) if exc.filename else f"Cannot write the output: {exc.strerror or exc}"
        streams.complain(with_id(text, "RC-E-OUTPUT"))
        return os.EX_IOERR


def _run(argv: t.Sequence[str]) -> int:
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
    return int(args.run(args))


if __name__ == "__main__":  # `python3 -m rollcall._agent.cli`: what the command `rollcall` runs
    stay_with_this_release()
    leave_out_openssl()
    children.prepare()
    try:
        exit_status = main(sys.argv[1:])
    finally:
        children.end_all()
    raise SystemExit(exit_status)
