# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`rollcall nodes`: the registered nodes.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import argparse
import json
import typing as t

from ..._registry import node_set, roster
from ..._registry.errors import NODE_NOTE, REJECTED
from ..._registry.model import Node
from . import access, filters
from .terminal import maintenance, note, say, table, warn

_HEADER = ("NAME", "ROLE", "DC", "ADDRESS", "HEALTH", "SERVICES", "TAGS", "MAINTENANCE")


EXAMPLES = (
    "rollcall nodes --role web --serving",
    "rollcall nodes --endpoints https://10.0.0.11:2379 --ca-cert ca.crt --user inventory --json",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--all", action="store_true", help="also list the nodes of the roster that left or were lost")
    parser.add_argument("--json", action="store_true", help="print a JSON list with all fields of each node")
    filters.add_arguments(parser)
    access.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print the nodes; returns the exit status."""
    way = access.access(args)
    with way.client() as client:
        keys = node_set.fetch(client, way.layout, roster=args.all)
    admission = filters.admission(args, way.admission)
    call = node_set.hosts(node_set.assemble(keys.revision, keys.tree, keys.maintenance, way.layout, admission))
    absent = roster.absent(keys, way.layout, admission.networks)
    found = sorted([*call.nodes, *absent], key=lambda node: node.name)
    for text in call.notes:
        warn(text, NODE_NOTE)
    for rejected in call.rejected:
        warn(f"rejected: {rejected}", REJECTED)
    nodes = filters.chosen(args, found)
    if args.json:
        say(json.dumps([node.leased() for node in nodes], indent=2, sort_keys=True))
        return 0
    if nodes:
        say("\n".join(table(_HEADER, [_row(node) for node in nodes], colours=("HEALTH",))))
    elif found:
        note(f"no node of the {len(found)} under {way.layout.prefix} matches the filters")
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
