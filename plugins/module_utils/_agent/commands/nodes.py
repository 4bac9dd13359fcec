# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`rollcall nodes`: who answers the roll call.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import argparse
import json
import typing as t

from ..._registry import node_set, roster
from ..._registry.model import Node
from . import access, filters
from .terminal import maintenance, note, say, table

_HEADER = ("NAME", "ROLE", "DC", "ADDRESS", "HEALTH", "SERVICES", "TAGS", "MAINTENANCE")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command line may say."""
    parser.add_argument("--all", action="store_true", help="also those that left or were lost, as the roster has them")
    parser.add_argument("--json", action="store_true", help="a JSON list, with all that is known of each node")
    filters.add_arguments(parser)
    access.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print the nodes; returns the exit status."""
    way = access.access(args)
    with way.client() as client:
        keys = node_set.fetch(client, way.layout, roster=args.all)
    admission = filters.admission(args, way.admission)
    call = node_set.hosts(node_set.assemble(keys.revision, keys.tree, keys.kept, way.layout, admission))
    absent = roster.absent(keys, way.layout, admission.networks)
    found = sorted([*call.nodes, *absent], key=lambda node: node.name)
    for words in (*call.notes, *(f"left out: {rejected}" for rejected in call.rejected)):
        note(words)
    nodes = filters.chosen(args, found)
    if args.json:
        say(json.dumps([node.leased() for node in nodes], indent=2, sort_keys=True))
        return 0
    if nodes:
        say("\n".join(table(_HEADER, [_row(node) for node in nodes], colours=("HEALTH",))))
    elif found:
        note(f"none of the {len(found)} nodes under {way.layout.prefix} is like that")
    else:
        note(f"no node is registered under {way.layout.prefix} (etcd at {client.endpoint}, revision {call.revision})")
    return 0


def _row(node: Node) -> t.List[str]:
    drained = maintenance(node.maintenance) if node.maintenance is not None else ""
    services = ", ".join(
        f"{service.name}:{service.port}" + (f" ({service.health})" if service.health != node.health else "")
        for service in node.services
    )
    tags = ", ".join(node.document.tags)
    return [node.name, ", ".join(node.roles), node.dc, node.address, node.health, services, tags, drained]
