# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What templates are rendered from: the nodes that can be taken, and the keys.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._etcd.text import shown
from ..._etcd.wire import KeyValue
from ..._registry.following.mirror import State
from ..._registry.layout import Identity, Layout
from ..._registry.model import Node
from ..._registry.node_set import DEFAULT_ADMISSION, Admission, Rejected, assemble, hosts
from .keystore import is_plain, one_line


class View(t.NamedTuple):
    """As of `revision`: `nodes`, one for each host; `kvs`, every key but those of nodes that are left out; and these.

    `members` are the identities in the registry that can be taken: what the guard counts. `notes` are sentences about
    nodes that are taken all the same.
    """

    revision: int
    nodes: t.List[Node]
    kvs: t.List[KeyValue]
    members: t.FrozenSet[Identity]
    rejected: t.List[Rejected]
    notes: t.Sequence[str] = ()


def build(state: State, layout: Layout, admission: Admission = DEFAULT_ADMISSION) -> View:
    """Read the nodes out of `state`. Raises InvalidLayout where the keys are those of another layout.

    A node with one bad value is left out, and all its keys with it, so that it spoils no template for the others.
    """
    tree = state.under(layout.prefix)
    call = assemble(state.revision, tree, state.under(layout.maintenance_prefix), layout, admission)
    rejected: t.List[Rejected] = []
    plain: t.List[Node] = []
    for node in call.nodes:
        bad = _not_plain([node.document.meta, *(service.meta for service in node.services)])
        if bad:
            rejected.append(Rejected(shown(str(node.identity)), f"its meta has a control character: {shown(bad)}"))
        else:
            plain.append(_on_one_line(node))
    members = frozenset(node.identity for node in plain)
    found = hosts(call._replace(nodes=plain, rejected=[*rejected, *call.rejected]))
    kvs = [kv for kvs in state.keys.values() for kv in kvs.values() if _visible(kv.key, layout, members)]
    return View(state.revision, found.nodes, kvs, members, found.rejected, found.notes)


def _visible(key: str, layout: Layout, members: t.FrozenSet[Identity]) -> bool:
    """Whether `key` is outside of the registry, or not in the directory of a node, or the node can be taken."""
    if not key.startswith(layout.prefix):
        return True
    owner = layout.owner(key)
    return owner is None or owner in members


def _not_plain(value: t.Any) -> str:
    """The first text with a control character in what JSON may hold; "" where there is none."""
    if isinstance(value, str):
        return "" if is_plain(value) else value
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, list):
        return next(filter(None, map(_not_plain, value)), "")
    return ""


def _on_one_line(node: Node) -> Node:
    """The node with the free words of checks and operators on one line each."""
    maintenance = node.maintenance
    if maintenance is not None:
        maintenance = {one_line(key): _flat(value) for key, value in maintenance.items()}
    checks = tuple(dataclasses.replace(check, output=one_line(check.output)) for check in node.checks)
    return dataclasses.replace(node, checks=checks, maintenance=maintenance)


def _flat(value: t.Any) -> t.Any:
    return one_line(value) if isinstance(value, str) else value
