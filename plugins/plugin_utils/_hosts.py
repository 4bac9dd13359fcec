# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From nodes to hosts: the variables a node sets, and the groups it is in.

Internal to the collection: no promise is made to other users of this file.

Nodes describe themselves. What one says becomes a host name, a group name or `ansible_host` only where the registry
has checked it; everything else is a value within the closed list of variables, and never a template.
"""

from __future__ import annotations

import functools
import typing as t

from ansible.errors import AnsibleError
from ansible.inventory.data import InventoryData
from ansible.inventory.group import to_safe_group_name

from ansible_collections.rollcall.discovery.plugins.module_utils._registry.errors import EmptyRegistry, RegistryError
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.layout import Layout
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.model import Node
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.rollcall import Rejected, RollCall, merge
from ansible_collections.rollcall.discovery.plugins.plugin_utils._draft import Draft

# What a node merely says of itself; the other groups follow from its key and its state.
CLAIMS = ("service", "tag")


def variables(node: Node) -> dict[str, t.Any]:
    """The closed list of variables that a node sets."""
    return {"ansible_host": node.address, **{f"rollcall_{field}": value for field, value in node.public().items()}}


class Built(t.NamedTuple):
    """A draft, the nodes that are left out of it, and other things the operator should know of, in words."""

    draft: Draft
    rejected: list[Rejected]
    notes: list[str]


def build(found: RollCall, inventory: InventoryData, construct: t.Callable[[Draft], None]) -> Built:
    """Hosts and groups of all nodes that can be told apart; `construct` adds what the operator made of them.

    A host named as a group is left out. Raises AnsibleError where two roles or data centres make the same group.
    """
    nodes, duplicates = merge(found.nodes)
    rejected = [*found.rejected, *duplicates]
    while True:
        draft = Draft(inventory)
        draft.hosts = {node.name: variables(node) for node in nodes}
        draft.groups, notes = _groups(nodes)
        construct(draft)
        clashes = draft.clashes()
        if not clashes:
            return Built(draft, rejected, notes)
        rejected += [Rejected(repr(name), "a group has this name") for name in sorted(clashes)]
        nodes = [node for node in nodes if node.name not in clashes]


def guard(built: Built, layout: Layout, allow_empty: bool, min_hosts: int, strict_nodes: bool) -> None:
    """Raises EmptyRegistry or RegistryError where the inventory must not be used as it is."""
    hosts, rejected = len(built.draft.hosts), built.rejected
    if rejected and strict_nodes:
        raise RegistryError(f"{len(rejected)} nodes cannot be taken (strict_nodes), the first is {rejected[0]}")
    if not hosts and not allow_empty:
        found = f"all {len(rejected)} are left out, the first is {rejected[0]}" if rejected else "none is registered"
        raise EmptyRegistry(
            f"There is no node under {layout.prefix}: {found}. "
            "Check the prefix, or allow it to be empty (allow_empty: true)"
        )
    if hosts < min_hosts:
        raise RegistryError(
            f"There are {hosts} hosts under {layout.prefix}, fewer than min_hosts ({min_hosts}). See who is missing"
        )


def _groups(nodes: t.Sequence[Node]) -> tuple[dict[str, dict[str, None]], list[str]]:
    """The hosts of each group. Where several words make one group, a claim of few yields to a claim of many."""
    places: dict[tuple[str, str], dict[str, dict[str, None]]] = {}
    for node in nodes:
        for kind, word in _places(node):
            places.setdefault((_group(kind, word), kind), {}).setdefault(word, {})[node.name] = None
    groups = {}
    left_out = []
    for (group, kind), words in sorted(places.items()):
        first, *others = sorted(words, key=lambda word: (-len(words[word]), word))
        if others and kind not in CLAIMS:
            raise AnsibleError(
                f"The names {', '.join(map(repr, sorted(words)))} differ only in characters that the name of a group "
                f"cannot hold: all would be {group}. Register the nodes under names that differ in more than that"
            )
        left_out += [f"The {kind} {word!r} makes no group: {group} is the group of {first!r}" for word in others]
        groups[group] = words[first]
    return groups, left_out


def _places(node: Node) -> t.Iterator[tuple[str, str]]:
    """The groups of a node: of which kind, and by which word."""
    for role in node.roles:
        yield "role", role
    if node.dc:
        yield "dc", node.dc
    for service in node.services:
        yield "service", service.name
    for tag in node.document.tags:
        yield "tag", tag
    yield "health", node.health
    if node.maintenance is not None:
        yield "maintenance", ""


@functools.cache
def _group(kind: str, word: str) -> str:
    return str(to_safe_group_name(f"{kind}_{word}" if word else kind, force=True, silent=True))
