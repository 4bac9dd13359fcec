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

import functools
import typing as t

from ansible.inventory.data import InventoryData
from ansible.inventory.host import Host
from ansible.utils.vars import combine_vars

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.text import shown
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._harmless import marker

NAMED = 5  # of many hosts, in a message

# The text of a node may leave no letter for a name, or make one under which `ansible-inventory --list` has variables.
NO_GROUPS = ("", "_meta")


class DraftHost:
    """A host of a draft, as Ansible's Constructable mixin wants to see it."""

    def __init__(self, variables: dict[str, t.Any]) -> None:
        self._variables = variables

    def get_vars(self) -> dict[str, t.Any]:
        return self._variables


class Draft:
    """Hosts with their variables, and groups; `inventory` has what earlier sources said and is only read.

    What an earlier source said of the variables `settled` stays. `parents` has the groups that a group is within,
    `claims` the groups whose whole name is a node's word, with the hosts of the nodes that said it.
    The methods carry the names, and keep the order of arguments, that Constructable uses on Ansible's InventoryData.
    They raise no errors, since a node's words reach them: impossible parts are omitted, and named in `notes`.
    """

    def __init__(self, inventory: InventoryData, settled: t.Collection[str] = ()) -> None:
        self._inventory = inventory
        self._settled = settled
        self._notes: dict[str, dict[str, None]] = {}
        self.hosts: dict[str, dict[str, t.Any]] = {}
        self.groups: dict[str, dict[str, None]] = {}  # the hosts of a group, in their order
        self.parents: dict[str, dict[str, None]] = {}
        self.group_variables: dict[str, dict[str, t.Any]] = {}
        self.claims: dict[str, dict[str, None]] = {}

    @property
    def notes(self) -> list[str]:
        """The warnings for the operator."""
        return [f"{what}: {some(about)}" for what, about in self._notes.items()]

    def note(self, what: str, about: str) -> None:
        """Something to know of a host or a group; what is the same of many becomes one note."""
        self._notes.setdefault(what, {})[about] = None

    def describe(self, host: str, variables: dict[str, t.Any]) -> None:
        """Add a host with what its node says of it."""
        self.hosts[host] = variables
        if host in self._inventory.hosts:
            self.hosts[host] = {}
            for name, value in variables.items():
                self.set_variable(host, name, value)

    def add_group(self, group: str) -> str:
        if group not in NO_GROUPS:
            self.groups.setdefault(group, {})
        return group

    def remove_group(self, group: str) -> None:
        """Forget a group and its places in others."""
        self.groups.pop(group, None)
        self.group_variables.pop(group, None)
        self.parents.pop(group, None)
        for parents in self.parents.values():
            parents.pop(group, None)
        for places in self._places.values():
            places.pop(group, None)

    def add_host(self, host: str, group: str | None = None) -> str:
        self.hosts.setdefault(host, {})
        if group is not None:
            self.add_child(group, host)
        return host

    def add_child(self, group: str, child: str) -> None:
        if group in NO_GROUPS:
            self.note(f"There can be no group of the name {shown(group)}, and so not for", shown(child))
        elif child in self.hosts:
            self.groups.setdefault(group, {})[child] = None
            self._places.setdefault(child, {})[group] = None
        elif child not in NO_GROUPS and group not in self.parents.get(child, ()):
            if child == "all" or child in self._around([group]):
                circle = f"{shown(child)} in {shown(group)}"
                self.note("Groups cannot contain each other in a circle, so this is omitted", circle)
            else:
                self.parents.setdefault(child, {})[group] = None

    def set_variable(self, host: str, name: str, value: t.Any) -> None:
        earlier = self._inventory.hosts.get(host)
        if name not in self._settled or earlier is None or name not in earlier.vars:
            self.hosts[host][str(name)] = value  # without the trust of the text that it was in
        elif isinstance(earlier.vars[name], str) and earlier.vars[name] != value:  # else it may be a secret of a vault
            self.note(
                f"The {name} of an earlier inventory source stays, and is not what etcd says. If it is right, put the "
                f"source of etcd first; if etcd is right, remove {name} there. That is so for",
                f"{host} ({shown(earlier.vars[name])}, not {shown(value)})",
            )

    def set_group_variable(self, group: str, name: str, value: t.Any) -> None:
        if self.add_group(group) in self.groups:
            self.group_variables.setdefault(group, {})[name] = value

    def get_host(self, host: str) -> DraftHost:
        """The host with the variables of earlier sources below its own, and those that Ansible gives to every host."""
        known, own = self._inventory.hosts.get(host), self.hosts[host]
        seen = combine_vars(known.get_vars(), own) if known else own
        return DraftHost({**seen, **_own_names(host), "group_names": self.group_names(host)})

    def group_names(self, host: str) -> list[str]:
        """The groups of a host, sorted, with all that these are within, also by what earlier sources said."""
        known = self._inventory.hosts.get(host)
        groups = [*self._places.get(host, ()), *(group.name for group in (known.get_groups() if known else ()))]
        return sorted(self._around(groups) - {"all"})

    @functools.cached_property
    def _places(self) -> dict[str, dict[str, None]]:
        """The groups of each host, which `add_child` keeps from the first question on."""
        places: dict[str, dict[str, None]] = {}
        for group, hosts in self.groups.items():
            for host in hosts:
                places.setdefault(host, {})[group] = None
        return places

    def _around(self, groups: t.Iterable[str]) -> set[str]:
        """The groups and all that they are within."""
        found: set[str] = set()
        left = list(groups)
        while left:
            group = left.pop()
            if group not in found:
                found.add(group)
                left.extend(self.parents.get(group, ()))
                if group in self._inventory.groups:
                    left.extend(parent.name for parent in self._inventory.groups[group].parent_groups)
        return found

    def clashes(self) -> set[str]:
        """Hosts named as a group: Ansible would give their variables and their places to the group."""
        return {name for name in self.hosts if name in self.groups or name in self._inventory.groups}

    def populate(self, inventory: InventoryData) -> None:
        """Copy everything into `inventory`, with harmless text marked if `ansible-inventory --list` prints it."""
        marked = marker()
        for group in self.groups:
            inventory.add_group(group)
        for child, parents in self.parents.items():
            for group in parents:
                inventory.add_child(group, child)
        for group, variables in self.group_variables.items():
            for name, value in marked(variables).items():
                inventory.set_variable(group, name, value)
        seen: set[str] = set()
        for host, variables in self.hosts.items():
            is_new = host not in inventory.hosts
            inventory.add_host(host)
            added = inventory.get_host(host)
            for name, value in marked(variables).items():
                # Not by inventory.set_variable, which copies each value to note its origin and takes a third more time.
                # The host's own looks at the name, and merges the value with one that is there already.
                if is_new and name in seen:
                    added.vars[name] = value
                else:
                    added.set_variable(name, value)
                    seen.add(name)
        for group, hosts in self.groups.items():
            for host in hosts:
                inventory.add_child(group, host)


@functools.lru_cache(maxsize=1)  # expressions are evaluated host by host
def _own_names(host: str) -> dict[str, t.Any]:
    """`inventory_hostname` and its short form."""
    return dict(Host(host, gen_uuid=False).get_magic_vars())


def some(words: t.Iterable[str]) -> str:
    """The first of the words, for a message, and how many more there are."""
    found = list(words)
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return ", ".join(found[:NAMED]) + more
