# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`rollcall watch`: each node that joins, leaves, is lost or changes.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import argparse
import json
import select
import signal
import sys
import time
import typing as t

from ..._etcd.client import Client
from ..._etcd.errors import EtcdError
from ..._etcd.inbox import Inbox
from ..._etcd.text import printable
from ..._registry.following.changes import ChangeTracker, NodeChange
from ..._registry.following.follower import Follower
from ..._registry.following.mirror import Selector, read_state
from ..._registry.layout import Layout
from . import access, filters
from .change_text import change_text
from .terminal import coloured, moment, note, say, warn

_TICK = 1.0  # seconds between two looks at whether anybody still reads what we write


EXAMPLES = (
    "rollcall watch --role web",
    "rollcall watch --json | jq 'select(.event == \"lost\")'",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.description = f"{parser.description} It runs until it is interrupted, also while etcd is away."
    parser.add_argument("--json", action="store_true", help="print a JSON object on a line for each event")
    filters.add_arguments(parser)
    access.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print what happens until SIGINT or SIGTERM, or until nobody reads it; returns the exit status."""
    way = access.access(args)
    selectors = (Selector(way.layout.prefix), Selector(way.layout.maintenance_prefix))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)  # also out of a request that etcd keeps waiting
    try:
        with way.client() as client:
            tracker = ChangeTracker(
                read_state(client, selectors, way.layout), way.layout, filters.admission(args, way.admission)
            )
            count = len(filters.chosen(args, tracker.nodes))
            note(f"following {count} nodes under {way.layout.prefix} (etcd at {client.endpoint})")
            _follow(args, client, selectors, way.layout, tracker)
    except KeyboardInterrupt:
        pass
    return 0


def _follow(
    args: argparse.Namespace, client: Client, selectors: t.Sequence[Selector], layout: Layout, tracker: ChangeTracker
) -> None:
    """Print what happens until nobody reads it."""
    news: Inbox[None] = Inbox()
    follower = Follower(client.clone(), selectors, layout, lambda: news.put(None), warn=warn, inform=note)
    follower.start()
    failure, seen = "", 0
    while not _nobody_reads():
        list(news.take(_TICK))
        report = follower.report()
        failure = _tell_failure(failure, report.failure, report.endpoint)
        if report.serial == seen:
            continue
        try:
            changes = tracker.advance(follower.state(), client)
        except EtcdError as exc:
            failure = _tell_failure(failure, str(exc), "")
            continue  # the next round tells
        seen = report.serial
        for change in changes:
            if _unfiltered(args) or filters.chosen(args, filter(None, (change.before, change.after))):
                say(_line(change, args.json))


def _nobody_reads() -> bool:
    """Whether standard output is a pipe whose other end is closed."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(events & select.POLLERR for _descriptor, events in poll.poll(0))


def _unfiltered(args: argparse.Namespace) -> bool:
    """Whether the command line is about all nodes: then also about those of which nothing can be read."""
    return (
        not any((args.role, args.dc, args.service, args.health, args.tag, args.name))
        and args.maintenance is None
        and not args.serving
    )


def _tell_failure(before: str, now: str, endpoint: str) -> str:
    """Tell once when etcd is away, and when it is back."""
    if now and not before:
        warn(f"cut off from etcd, trying again: {now}", "RC-E-CUT-OFF")
    elif before and not now:
        note(f"following etcd at {endpoint} again")
    return now


def _line(change: NodeChange, as_json: bool) -> str:
    now = time.time()
    if as_json:
        return json.dumps({"at": round(now, 3), **change.document()}, sort_keys=True)
    said = printable(f"{change.who}  {change_text(change)}")
    return f"{moment(now)}  {coloured(change.kind.ljust(7))}  {said}"
