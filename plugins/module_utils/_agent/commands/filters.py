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

_WORDS = (
    ("role", "only nodes that answer under this role"),
    ("dc", "only nodes in this data centre"),
    ("service", "only nodes with this service"),
    ("tag", "only nodes with this tag"),
    ("name", "only the node of this name"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command line may say of it."""
    group = parser.add_argument_group("filters", "All that are given must match; one given twice matches either value.")
    for name, words in _WORDS:
        group.add_argument(f"--{name}", action="append", metavar=name.upper(), help=words)
    group.add_argument(
        "--health",
        action="append",
        choices=HEALTHS,
        help="only nodes of this health; with --service that of the service counts",
    )
    which = group.add_mutually_exclusive_group()
    which.add_argument("--maintenance", dest="maintenance", action="store_true", help="only nodes in maintenance")
    which.add_argument("--no-maintenance", dest="maintenance", action="store_false", help="only nodes that are not")
    group.add_argument(
        "--serving",
        action="store_true",
        default=None,
        help="only nodes that can take traffic: passing or warning, neither draining nor in maintenance",
    )
    parser.add_argument(
        "--allow-unleased",
        action="store_true",
        help="take nodes that no lease holds, too, though nothing removes them when their host dies",
    )
    parser.set_defaults(maintenance=None)


def admission(args: argparse.Namespace, configured: Admission) -> Admission:
    """Which nodes are taken: as `configured`, or more where the command line says so."""
    return configured._replace(unleased=True) if args.allow_unleased else configured


def chosen(args: argparse.Namespace, nodes: t.Iterable[Node]) -> t.List[Node]:
    """The nodes that the command line is about."""
    words = {name: getattr(args, name) for name, _help in _WORDS}
    return select(nodes, health=args.health, maintenance=args.maintenance, serving=args.serving, **words)
