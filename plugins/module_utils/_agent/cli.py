# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command `rollcall` on a node.

Internal to the collection: no promise is made to other users of this file.

Every subcommand is a module of this package, of the same name, with two functions:

    add_arguments(parser: argparse.ArgumentParser) -> None
    run(args: argparse.Namespace) -> int        the exit status

Only the module of the given subcommand is imported, so that the daemons stay small.

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
from .host.shortage import is_shortage
from .host.without_openssl import leave_out_openssl
from .version import stay_with_this_release, version

COMMANDS = {
    "register": "register this host under a lease and run its checks",
    "render": "keep files up to date with the registry and reload their services",
    "status": "show the registration of this host; the exit status suits monitoring",
    "nodes": "list the registered nodes",
    "watch": "print each node that joins, leaves, is lost or changes",
    "maintenance": "take a node out of service or return it to service",
}


_EXAMPLES = "examples:\n"


class _HelpFormatter(argparse.HelpFormatter):
    """Keeps the lines of the examples as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith(_EXAMPLES):
            return text
        return super()._fill_text(text, width, indent)


class _Parser(argparse.ArgumentParser):
    """Names the nearest command in its errors, and the way to help."""

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
        # The error of a file that has a name contains the name.
        text = str(exc) if exc.filename else f"Cannot write the output: {exc.strerror or exc}"
        streams.complain(with_id(text, "RC-E-OUTPUT"))
        return os.EX_IOERR


def parsers(wanted: t.Container[str]) -> t.Tuple[argparse.ArgumentParser, t.Dict[str, argparse.ArgumentParser]]:
    """The parser of the command line, and that of each command by its name. Only `wanted` commands are imported."""
    parser = _Parser(prog="rollcall", description="Service discovery on etcd: the agent, the renderer and their tools.")
    parser.add_argument("--version", action="version", version=f"rollcall {version()}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    made: t.Dict[str, argparse.ArgumentParser] = {}
    for name, summary in COMMANDS.items():
        made[name] = commands.add_parser(
            name, help=summary, description=f"{summary.capitalize()}.", formatter_class=_HelpFormatter
        )
        if name in wanted:
            module = importlib.import_module(f".commands.{name}", __package__)
            module.add_arguments(made[name])
            made[name].epilog = _EXAMPLES + "\n".join(f"  {example}" for example in module.EXAMPLES)
            made[name].set_defaults(run=module.run)
    return parser, made


def _run(argv: t.Sequence[str]) -> int:
    command = next((word for word in argv if not word.startswith("-")), "")
    parser, commands = parsers({command})
    args, unknown = parser.parse_known_args(argv)
    if unknown:
        commands[command].error(f"unrecognized arguments: {' '.join(unknown)}")
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
