# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The nodes of the registry, and the hosts merged from them, updated key by key.

Internal to the collection: no promise is made to other users of this file.

Both classes give the same results as `assemble` and `hosts` (see node_set.py), by the same functions, but compute only
the nodes again that a change affects.
"""

from __future__ import annotations

import collections
import typing as t

from ..._etcd.text import shown
from ..._etcd.wire import KeyValue
from .. import maintenance
from ..errors import InvalidNode
from ..layout import Identity, Layout
from ..model import Node
from ..node_set import (
    Admission,
    Judgement,
    NodeKeys,
    Rejected,
    group,
    homeless_keys,
    in_order,
    judge,
    merge,
    refuse_other_layout,
    shared_notes,
)

_UNKNOWN = Judgement()

KeyChanges = t.Mapping[str, t.Optional[KeyValue]]  # None: the key is deleted
NodeChanges = t.Mapping[Identity, t.Tuple[Judgement, Judgement]]  # (before, after) of each changed node


class NodeIndex:
    """The judgement of each node. `refine` makes the final decision about a node: it returns the node, possibly
    changed, or raises InvalidNode to reject it."""

    def __init__(
        self, layout: Layout, admission: Admission, refine: t.Callable[[Node], Node] = lambda node: node
    ) -> None:
        self._layout = layout
        self._admission = admission
        self._refine = refine
        self._keys: t.Dict[str, t.Dict[str, KeyValue]] = {}  # of the directory of each node
        self._homeless: t.Set[str] = set()
        self._maintenance: t.Dict[str, KeyValue] = {}  # by the directory of the node
        self._ending: t.Dict[str, t.Tuple[t.Dict[str, t.Any], bool]] = {}  # maintenance with an end: is it over?
        self._fitting: t.Set[str] = set()  # the directories with a key that fits the layout
        self._known: t.Dict[Identity, Judgement] = {}
        self._remarks: t.Dict[Identity, Judgement] = {}  # the judgements with more than a node

    def update(self, changes: KeyChanges, now: float) -> NodeChanges:
        """Apply `changes`: judge the nodes that they affect, and those whose maintenance has ended by `now`."""
        touched: t.Dict[str, None] = {}
        for key, kv in changes.items():
            directory = self._file(key, kv)
            if directory:
                touched[directory] = None
        for directory, (fields, over) in self._ending.items():
            if maintenance.ended(fields, now) != over:
                touched[directory] = None
        found: t.Dict[Identity, t.Tuple[Judgement, Judgement]] = {}
        for directory in touched:
            who = t.cast(Identity, self._layout.owner(directory))
            before, after = self._known.get(who, _UNKNOWN), self._judge(who, directory, now)
            _keep(self._known, who, after, after != _UNKNOWN)
            _keep(self._remarks, who, after, bool(after.rejected or after.unfit or after.note))
            if before != after:
                found[who] = before, after
        return found

    def nodes(self) -> t.List[Node]:
        """The nodes that can be taken, in no order."""
        return [known.node for known in self._known.values() if known.node]

    def keys_of(self, who: Identity) -> t.Mapping[str, KeyValue]:
        """All keys in the directory of a node."""
        return self._keys.get(self._layout.directory(who), {})

    def remarks(self) -> t.Tuple[t.List[Rejected], t.List[str]]:
        """The `rejected` and `notes` of a NodeSet. Raises InvalidLayout if the keys fit another layout."""
        if not self._fitting:
            strays = [*self._homeless, *(key for keys in self._keys.values() for key in keys)]
            refuse_other_layout(sorted(strays), self._layout)
        remarks = [self._remarks[who] for who in sorted(self._remarks, key=in_order)]
        rejected = [
            *(one.rejected for one in remarks if one.rejected),
            *(one.unfit for one in remarks if one.unfit),
            *homeless_keys(sorted(self._homeless), self._layout),
        ]
        return rejected, [one.note for one in remarks if one.note]

    def next_end(self, now: float) -> t.Optional[float]:
        """The time at which the next maintenance ends; None if none of them has an end."""
        return maintenance.next_end((fields for fields, _over in self._ending.values()), now)

    def _file(self, key: str, kv: t.Optional[KeyValue]) -> str:
        """Store a key; returns the directory of the node that it belongs to, "" if it belongs to no node."""
        layout = self._layout
        if key.startswith(layout.prefix):
            directory = layout.bounded_directory(key)
            if directory:
                keys = self._keys.setdefault(directory, {})
                _keep(keys, key, kv)
                if not keys:
                    del self._keys[directory]
            elif kv is None:
                self._homeless.discard(key)
            else:
                self._homeless.add(key)
            return directory
        if key.startswith(layout.maintenance_prefix):
            who = layout.parse_state(key, layout.maintenance_prefix)
            if who is not None:
                directory = layout.directory(who)
                _keep(self._maintenance, directory, kv)
                return directory
        return ""

    def _judge(self, who: Identity, directory: str, now: float) -> Judgement:
        maintenance_key = self._maintenance.get(directory)
        fields = _fields(maintenance_key)
        _keep(self._ending, directory, (fields, maintenance.ended(fields, now)), "until" in fields)
        own = self._keys.get(directory, {})
        keys = group([own[key] for key in sorted(own)], self._layout)[0].get(who, NodeKeys())
        (self._fitting.add if keys.leaves else self._fitting.discard)(directory)
        found = judge(who, keys, maintenance_key, self._layout, self._admission, now)
        try:
            return found._replace(node=self._refine(found.node)) if found.node else found
        except InvalidNode as exc:
            return found._replace(node=None, rejected=Rejected(shown(str(who)), str(exc)))


class HostIndex:
    """One node for each host, as `hosts` merges them."""

    def __init__(self) -> None:
        self.hosts: t.Dict[str, Node] = {}  # by name
        self._nodes: t.Dict[str, t.Dict[Identity, Node]] = {}  # by name
        self._names: t.Dict[str, t.Set[str]] = collections.defaultdict(set)  # by address
        self._ambiguous: t.Dict[str, Rejected] = {}  # by name
        self._shared: t.Dict[str, t.List[str]] = {}  # notes by address

    def update(self, changes: NodeChanges) -> None:
        """Apply changes of nodes."""
        for who, (_before, after) in changes.items():
            _keep(self._nodes.setdefault(who.name, {}), who, after.node)
        addresses: t.Set[str] = set()
        for name in {who.name for who in changes}:
            addresses |= self._merge(name)
        for address in addresses:
            same = [self.hosts[name] for name in sorted(self._names[address])]
            _keep(self._shared, address, shared_notes(same) or None)
            if not same:
                del self._names[address]

    def nodes(self) -> t.List[Node]:
        """All hosts, sorted by name."""
        return [self.hosts[name] for name in sorted(self.hosts)]

    def remarks(self) -> t.Tuple[t.List[Rejected], t.List[str]]:
        """The names that are registered by several machines, and notes about addresses that hosts share."""
        rejected = [self._ambiguous[name] for name in sorted(self._ambiguous)]
        first = {address: min(self._names[address]) for address in self._shared}
        return rejected, [note for address in sorted(first, key=first.__getitem__) for note in self._shared[address]]

    def _merge(self, name: str) -> t.Set[str]:
        """Merge the host of a name again; returns its addresses before and after."""
        nodes = self._nodes[name]
        if not nodes:
            del self._nodes[name]
        merged, rejected = merge([nodes[who] for who in sorted(nodes, key=in_order)])
        before, after = self.hosts.get(name), merged[0] if merged else None
        _keep(self.hosts, name, after)
        _keep(self._ambiguous, name, rejected[0] if rejected else None)
        if before is not None:
            self._names[before.address].discard(name)
        if after is not None:
            self._names[after.address].add(name)
        return {host.address for host in (before, after) if host is not None}


_K = t.TypeVar("_K")
_V = t.TypeVar("_V")


def _keep(items: t.Dict[_K, _V], key: _K, value: t.Optional[_V], wanted: bool = True) -> None:
    """Store `value` in `items` if it is `wanted` and not None, otherwise remove the key."""
    if value is not None and wanted:
        items[key] = value
    else:
        items.pop(key, None)


def _fields(maintenance_key: t.Optional[KeyValue]) -> t.Dict[str, t.Any]:
    try:
        return maintenance.parse(maintenance_key.value) if maintenance_key is not None else {}
    except InvalidNode:
        return {}
