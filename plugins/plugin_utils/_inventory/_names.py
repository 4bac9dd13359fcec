# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the host of a node is called in the inventory.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import operator
import typing as t

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.text import shown
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.errors import InvalidNode
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.model import Node
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.node_set import Rejected
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.validation import RESERVED_NAMES, valid_name


def _address(node: Node) -> str:
    if node.address in RESERVED_NAMES:
        raise InvalidNode(f"the address {node.address} as a host name would mean the controller")
    return node.address


def _name_and_dc(node: Node) -> str:
    return valid_name(f"{node.name}.{node.dc}") if node.dc else ""


_SOURCES: dict[str, t.Callable[[Node], str]] = {
    "name": operator.attrgetter("name"),
    "address": _address,
    "name.dc": _name_and_dc,
}


class HostNames:
    """Names hosts: each by the first of `sources` that its node has."""

    def __init__(self, sources: t.Sequence[str] = ("name",)) -> None:
        self._sources = {source: _SOURCES[source] for source in sources}

    def __call__(self, node: Node) -> str:
        """Raises InvalidNode unless one of them gives a name that a host can have."""
        for read in self._sources.values():
            name = read(node)
            if name:
                return name
        raise InvalidNode(f"no source of hostnames gives a name ({', '.join(self._sources)})")

    def split(self, nodes: t.Iterable[Node]) -> tuple[list[Node], list[Rejected]]:
        """The nodes that have a name, and those without one."""
        named, nameless = [], []
        for node in nodes:
            try:
                self(node)
                named.append(node)
            except InvalidNode as exc:
                nameless.append(Rejected(shown(node.place), str(exc)))
        return named, nameless
