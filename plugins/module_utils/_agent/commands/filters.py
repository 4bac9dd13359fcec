# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which nodes an operator's command is about: the same filters as everywhere else.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import argparse
import typing as t

from ..._registry.model import HEALTHS, Node
from ..._registry.node_set import Admission
from ..._registry.select import select

_TEXTS = (
    ("role", "only nodes with this role"),
    ("dc", "only nodes in this data centre"),
    ("service", "only nodes with this service"),
    ("tag", "only nodes with this tag"),
    ("name", "only the node with this name"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose nodes."""
    group = parser.add_argument_group("filters", "A node must match each filter. One given twice matches either value.")
    for name, words in _TEXTS:
        group.add_argument(f"--{name}", action="append", metavar=name.upper(), help=words)
    group.add_argument(
        "--health",
        action="append",
        choices=HEALTHS,
        help="only nodes with this health; with --service the health of that service",
    )
    which = group.add_mutually_exclusive_group()
    which.add_argument("--maintenance", dest="maintenance", action="store_true", help="only nodes in maintenance")
    which.add_argument("--no-maintenance", dest="maintenance", action="store_false", help="only nodes in service")
    group.add_argument(
        "--serving",
        action="store_true",
        default=None,
        help="only nodes that can take traffic: passing or warning, neither draining nor in maintenance",
    )
    parser.add_argument(
        "--allow-unleased",
        action="store_true",
        help="also take nodes without a lease, which etcd does not remove when their host dies",
    )
    parser.set_defaults(maintenance=None)


def admission(args: argparse.Namespace, configured: Admission) -> Admission:
    """Which nodes are taken: as `configured`, or more where the command line says so."""
    return configured._replace(unleased=True) if args.allow_unleased else configured


def chosen(args: argparse.Namespace, nodes: t.Iterable[Node]) -> t.List[Node]:
    """The nodes that the command line is about."""
    words = {name: getattr(args, name) for name, _help in _TEXTS}
    return select(nodes, health=args.health, maintenance=args.maintenance, serving=args.serving, **words)
