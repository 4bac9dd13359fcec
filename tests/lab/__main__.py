# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab by hand: python3 -m tests.lab COMMAND, from the root of the checkout."""

from __future__ import annotations

import argparse
import json
import os
import sys
import typing as t

from .image import SUITES
from .lab import DEMO, Lab
from .system import LabError

HOST_COMMANDS = {
    "stop": "shut a host down in order",
    "kill": "pull a host's plug",
    "boot": "power a host on, and wait until it runs",
    "cut": "cut a host off from the network",
    "rejoin": "put a host back on the network",
}


def main(argv: t.Sequence[str] | None = None) -> int:
    """Run one command of the lab; return the program's exit status."""
    chosen = _parser().parse_args(argv)
    try:
        return _run(Lab(), chosen)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m tests.lab", description="Real systemd hosts on one machine.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    create = commands.add_parser("create", help="make hosts and boot them; those that run are left alone")
    create.add_argument("names", nargs="*", metavar="NAME", help=f"default: {' '.join(DEMO)}")
    create.add_argument("--suite", choices=SUITES, default="trixie", help="Debian release (default: %(default)s)")
    commands.add_parser("list", help="show the hosts")
    commands.add_parser("inventory", help="print an Ansible inventory of the hosts (JSON)")
    remote = commands.add_parser("exec", help="run a command on a host, or a shell without one")
    remote.add_argument("name", metavar="NAME")
    remote.add_argument("words", nargs=argparse.REMAINDER, metavar="-- CMD")
    for command, text in HOST_COMMANDS.items():
        commands.add_parser(command, help=text).add_argument("name", metavar="NAME")
    destroy = commands.add_parser("destroy", help="remove hosts; with the last one the network goes, too")
    destroy.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    return parser


def _run(lab: Lab, chosen: argparse.Namespace) -> int:
    if chosen.command == "create":
        lab.create(chosen.names or DEMO, chosen.suite)
    elif chosen.command == "list":
        _list(lab)
    elif chosen.command == "inventory":
        print(json.dumps(lab.inventory(), indent=2))
    elif chosen.command == "exec":
        words = chosen.words[1:] if chosen.words[:1] == ["--"] else chosen.words
        remote = words[0] if len(words) == 1 else words  # one word is a line for the host's shell, as with ssh
        command = lab.host(chosen.name).ssh(remote, *(["-t"] if sys.stdin.isatty() else []))
        os.execvp(command[0], command)
    elif chosen.command == "destroy":
        removed = lab.destroy(chosen.names or None)
        print(f"destroyed: {' '.join(removed)}" if removed else "nothing to destroy")
    else:
        getattr(lab.host(chosen.name), chosen.command)()
    return 0


def _list(lab: Lab) -> None:
    hosts = lab.hosts()
    if not hosts:
        print("no hosts; `python3 -m tests.lab create` makes the demo's six")
    for host in hosts:
        state = "cut off" if host.is_cut() else "running" if host.is_up() else "stopped"
        print(f"{host.name:12}  {host.address:13}  {host.suite:8}  {state}")


if __name__ == "__main__":
    sys.exit(main())
