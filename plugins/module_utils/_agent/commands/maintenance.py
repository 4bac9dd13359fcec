# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`rollcall maintenance`: take this node out of service, and put it back.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import argparse
import os
import time
import typing as t

from ..._etcd.client import Client
from ..._etcd.text import printable
from ..._registry import maintenance
from ..._registry.layout import Identity
from ..._registry.times import parse_duration, parse_moment
from ..registering import register_config
from . import access
from .terminal import maintenance as in_words
from .terminal import say, warn

_DESCRIPTION = (
    "A node in maintenance stays registered, but load balancers send it no new traffic. Maintenance survives a reboot. "
    "It ends by itself at the time that --for or --until gives."
)


EXAMPLES = (
    'rollcall maintenance on --reason "new kernel" --for 30m',
    "rollcall maintenance off",
    "rollcall maintenance on --node web/web1 --node web/web2 --until 06:30",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.description = f"{parser.description} {_DESCRIPTION}"
    parser.add_argument("state", choices=("on", "off"), help="begin or end the maintenance of the node")
    parser.add_argument(
        "--node",
        action="append",
        metavar="NAME",
        help="another node, as name or role/name; can be repeated (default: this host)",
    )
    parser.add_argument("--reason", metavar="TEXT", help="the reason (default: the present one)")
    parser.add_argument("--by", metavar="NAME", help="your name (default: the present one, otherwise your user)")
    end = parser.add_mutually_exclusive_group()
    end.add_argument("--for", dest="duration", metavar="TIME", help="duration from now, such as 30m, 2h or 1d")
    end.add_argument("--until", metavar="TIME", help="end, such as 06:30 or 2026-11-23T06:30; 'never' for no end")
    access.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Begin or end it; returns the exit status."""
    way = access.access(args)
    with way.client() as client:
        nodes = _nodes(args, client, way)
        if args.state == "on":
            results = maintenance.begin(client, way.layout, nodes, _desired(args))
        else:
            results = maintenance.end(client, way.layout, nodes)
    for result in results:
        if result.after is None:
            said = "back in service" if result.changed else "not in maintenance"
        else:
            said = f"in maintenance: {in_words(result.after)}" + ("" if result.changed else ", as before")
            if not result.registered:
                warn(
                    f"{result.who} is not registered. It will be in maintenance when it registers; check the path if "
                    "this is unexpected",
                    "RC-E-UNKNOWN-NODE",
                )
        say(printable(f"{result.who} is {said}"))
    return 0


def _nodes(args: argparse.Namespace, client: Client, way: access.Access) -> t.Sequence[Identity]:
    if args.node:
        return maintenance.find(client, way.layout, args.node, must_exist=args.state == "on")
    file = access.REGISTER if args.config is None else args.config
    if not os.path.exists(file):
        raise access.NoAccess(f"This host is not registered: there is no {file}. Name a node with --node")
    return register_config.load(file).names()


def _desired(args: argparse.Namespace) -> maintenance.Desired:
    now = time.time()
    until: t.Optional[int] = None
    if args.duration:
        until = int(now) + parse_duration(args.duration)
    elif args.until:
        until = maintenance.NEVER if args.until == "never" else parse_moment(args.until, now)
    return maintenance.Desired(maintenance.author(), _decoded(args.by), _decoded(args.reason), until)


def _decoded(text: t.Optional[str]) -> t.Optional[str]:
    """An argument that is UTF-8, which the locale of a terminal or of cron may not know; otherwise as it was given."""
    try:
        return None if text is None else os.fsencode(text).decode("utf-8")
    except UnicodeDecodeError:
        return text
