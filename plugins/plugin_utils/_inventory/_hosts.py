# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From nodes to hosts: what they are called, the variables a node sets, and the groups they are in.

Internal to the collection: no promise is made to other users of this file.

Nodes describe themselves. Their text becomes a host name, a group name or `ansible_host` only where the registry
has checked it; everything else is a value within the closed list of variables, and never a template.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible.inventory.data import InventoryData

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.text import shown
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.model import Node
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.node_set import (
    Rejected,
    later_address,
    merge,
    shared_addresses,
)
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.roster import LEFT, LOST
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory import _groups
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._clusters import Nodes
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._draft import Draft
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._filters import Filters
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._groups import GroupNames
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._names import HostNames


class Rules(t.NamedTuple):
    """The decisions of the operator: how hosts and groups are called, and which nodes become hosts."""

    names: HostNames = HostNames()
    filters: Filters = Filters()
    groups: GroupNames = GroupNames()
    lost: bool = False


DEFAULT_RULES = Rules()

ADDRESS = "ansible_host"


class Built(t.NamedTuple):
    """A draft, and what the operator must know of it.

    `alive` are its hosts but for lost ones, `left` those that are gone on purpose, `rejected` the nodes that cannot be
    in it, `filtered` the number of those that filters keep out, `notes` other things, in words.
    """

    draft: Draft
    alive: list[str]
    left: set[str]
    rejected: list[Rejected]
    filtered: int
    notes: list[str]


def variables(node: Node) -> dict[str, t.Any]:
    """The closed list of variables that a node sets; `ansible_host` where it has an address."""
    closed = {f"rollcall_{field}": value for field, value in node.public().items()}
    return {ADDRESS: node.address, **closed} if node.address else closed


def build(
    found: Nodes, inventory: InventoryData, construct: t.Callable[[Draft], None], rules: Rules = DEFAULT_RULES
) -> Built:
    """Hosts and groups of all nodes that can be distinguished; `construct` adds what the operator made of them.

    A host named as a group is rejected, and one with the address of another: a play on it would go to the other. Lost
    ones come last and into one group only, so neither `construct` nor a play on a role meets them. Raises AnsibleError
    where operators write two roles or data centres that make the same group.
    """
    named, nameless = rules.names.split(found.nodes)
    named, later, unsure = ([*named], [], []) if found.operated else _by_address(named, rules.names)
    nodes, duplicates = merge(named, rules.names)
    rejected = [*nameless, *later, *duplicates, *found.rejected]
    hosts = {rules.names(node): node for node in rules.filters.select(nodes)}
    filtered = len(nodes) - len(hosts)
    gone = _gone(found.absent, rules.names, set(map(rules.names, named)))
    left = {host for host, node in gone.items() if node.health == LEFT}
    lost, nowhere = _lost(gone, rules.filters) if rules.lost else ({}, [])
    taken = {node.address for node in nodes}
    replaced = [host for host, node in lost.items() if node.address in taken]
    lost = {host: node for host, node in lost.items() if host not in replaced}
    while True:
        draft = Draft(inventory, () if found.operated else (ADDRESS,))
        for host, node in hosts.items():
            draft.describe(host, variables(node))
        draft.groups, notes = _groups.make(hosts, rules.groups, found.operated)
        for reader, tree in found.trees:
            reader.write(draft, tree, rules.groups)
        construct(draft)
        if not found.operated:
            _note_addresses_of_others(draft, inventory, hosts)
        for host, node in lost.items():
            draft.describe(host, variables(node))
        for host in nowhere:
            draft.note("Lost nodes are omitted, since the roster has no address of theirs that may be used", host)
        for host in replaced:
            draft.note("Lost nodes are omitted, since another host has their address now", host)
        group = rules.groups.group(LOST)
        if lost and group:
            draft.groups[group] = dict.fromkeys(lost)
        _yield_to_older_hosts(draft, hosts)
        clashes = sorted(draft.clashes())
        if not clashes:
            return Built(draft, list(hosts), left, rejected, filtered, [*found.notes, *unsure, *notes, *draft.notes])
        rejected = [*(Rejected(repr(host), "a group has this name") for host in clashes), *rejected]
        hosts = {host: node for host, node in hosts.items() if host not in clashes}
        lost = {host: node for host, node in lost.items() if host not in clashes}


def _note_addresses_of_others(draft: Draft, inventory: InventoryData, hosts: t.Mapping[str, Node]) -> None:
    """Tell of hosts that have the address of a host of an earlier inventory source: a play on one goes to the other."""
    earlier: dict[str, str] = {}
    for name, host in inventory.hosts.items():
        address = host.vars.get(ADDRESS, name)
        if name not in hosts and isinstance(address, str):
            earlier.setdefault(address, name)
    for host, node in hosts.items() if earlier else ():
        if node.address in earlier:
            other = earlier[node.address]
            draft.note(
                "Hosts have the address of a host of an earlier inventory source, so a play on one goes to the other",
                f"{shown(host)} ({node.address}, {shown(other)})",
            )


def _yield_to_older_hosts(draft: Draft, hosts: t.Mapping[str, Node]) -> None:
    """Remove groups whose whole name nodes have chosen, if it is that of a host which is older than all of them."""
    for name in sorted(draft.clashes() & draft.claims.keys() & hosts.keys()):
        others = [hosts[host].created for host in draft.claims[name] if host != name]
        if not others or hosts[name].created < min(others):
            draft.remove_group(name)
            draft.note("keyed_groups makes no group with the name of an older host", shown(name))


def _by_address(nodes: list[Node], names: HostNames) -> tuple[list[Node], list[Rejected], list[str]]:
    """The nodes without those that have the address of an older one, and these. Of different clusters nobody can tell
    which is older, or whether it is one network: sentences about them."""
    later: dict[int, Rejected] = {}
    unsure: list[str] = []
    for first, other in shared_addresses(nodes, names):
        if first.cluster == other.cluster:
            later[id(other)] = Rejected(shown(other.place), later_address(other, first))
        else:
            unsure.append(f"{shown(other.place)} and {shown(first.place)} have one address, {other.address}")
    return [node for node in nodes if id(node) not in later], list(later.values()), unsure


def _gone(nodes: t.Iterable[Node], names: HostNames, answering: t.Collection[str]) -> dict[str, Node]:
    """The nodes that no longer answer under a host name. Of several entries of one name the newest counts."""
    named, _nameless = names.split(nodes)
    gone: dict[str, Node] = {}
    for node in sorted(named, key=lambda node: node.revision):
        host = names(node)
        if host not in answering:
            roles = dict.fromkeys((*node.roles, *(gone[host].roles if host in gone else ())))
            gone[host] = dataclasses.replace(node, roles=tuple(roles))
    return gone


def _lost(gone: t.Mapping[str, Node], filters: Filters) -> tuple[dict[str, Node], list[str]]:
    """Those of the nodes that did not leave on purpose and that are wanted, and of these those without an address.

    Ansible would connect to their names, which no rule for addresses has seen.
    """
    wanted = set(map(id, filters.select([node for node in gone.values() if node.health == LOST])))
    lost = {host: gone[host] for host in sorted(gone) if id(gone[host]) in wanted}
    return {host: node for host, node in lost.items() if node.address}, [
        host for host in lost if not lost[host].address
    ]
