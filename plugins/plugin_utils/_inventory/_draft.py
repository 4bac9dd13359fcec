# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An inventory on paper.

Internal to the collection: no promise is made to other users of this file.

Ansible keeps the hosts that a plugin had added before it failed. So hosts, variables and groups, also those that
`compose`, `groups` and `keyed_groups` make, are put into a draft first, and only one that is whole is copied into the
inventory.
"""

from __future__ import annotations

import typing as t

from ansible.inventory.data import InventoryData
from ansible.utils.vars import combine_vars


class DraftHost:
    """A host of a draft, as Ansible's Constructable mixin wants to see it."""

    def __init__(self, variables: dict[str, t.Any]) -> None:
        self._variables = variables

    def get_vars(self) -> dict[str, t.Any]:
        return self._variables


class Draft:
    """Hosts with their variables, and groups; `inventory` has what earlier sources said and is only read.

    The methods carry the names, and keep the order of arguments, that Constructable uses on Ansible's InventoryData.
    """

    def __init__(self, inventory: InventoryData) -> None:
        self._inventory = inventory
        self.hosts: dict[str, dict[str, t.Any]] = {}
        self.groups: dict[str, dict[str, None]] = {}  # the hosts of a group, in their order
        self.subgroups: dict[str, dict[str, None]] = {}
        self.group_variables: dict[str, dict[str, t.Any]] = {}

    def add_group(self, group: str) -> str:
        self.groups.setdefault(group, {})
        return group

    def add_host(self, host: str, group: str | None = None) -> str:
        self.hosts.setdefault(host, {})
        if group is not None:
            self.add_child(group, host)
        return host

    def add_child(self, group: str, child: str) -> None:
        kind = self.groups if child in self.hosts else self.subgroups
        kind.setdefault(group, {})[child] = None

    def set_variable(self, host: str, name: str, value: t.Any) -> None:
        self.hosts[host][name] = value

    def set_group_variable(self, group: str, name: str, value: t.Any) -> None:
        self.group_variables.setdefault(self.add_group(group), {})[name] = value

    def get_host(self, host: str) -> DraftHost:
        """The host with the variables of earlier sources below its own."""
        known = self._inventory.hosts.get(host)
        return DraftHost(combine_vars(known.get_vars(), self.hosts[host]) if known else self.hosts[host])

    def clashes(self) -> set[str]:
        """Hosts named as a group: Ansible would give their variables and their places to the group."""
        return {name for name in self.hosts if name in self.groups or name in self._inventory.groups}

    def populate(self, inventory: InventoryData) -> None:
        """Copy everything into `inventory`. Groups come first: a circle of them is all that it can refuse."""
        for group in self.groups:
            inventory.add_group(group)
        for group, children in self.subgroups.items():
            for child in children:
                inventory.add_child(group, child)
        for group, variables in self.group_variables.items():
            for name, value in variables.items():
                inventory.set_variable(group, name, value)
        for host, variables in self.hosts.items():
            inventory.add_host(host)
            added = inventory.get_host(host)
            for name, value in variables.items():
                # not by inventory.set_variable, which copies each value to note its origin and takes a third more time
                added.set_variable(name, value)
        for group, hosts in self.groups.items():
            for host in hosts:
                inventory.add_child(group, host)
