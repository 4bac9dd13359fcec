# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The changes between two states of the registry: nodes that joined, left, were lost, or changed.

Internal to the collection: no promise is made to other users of this file.

It compares states, not events, so no change is missed or reported twice if etcd compacts, restarts or fails over.
"""

from __future__ import annotations

import typing as t

from ..._etcd.client import Client
from ..._etcd.errors import Compacted
from ..._etcd.wire import KeyValue
from ..errors import InvalidNode
from ..layout import Identity, Layout
from ..model import Node
from ..node_set import Admission, Rejected, assemble
from ..registration import LEFT
from ..strict_json import load
from .mirror import State

Json = t.Dict[str, t.Any]
Known = t.Union[None, Node, Rejected]

JOINED, GONE, LOST, CHANGED, INVALID = "joined", "left", "lost", "changed", "invalid"


class NodeChange(t.NamedTuple):
    """A change of one node. `kind` is one of the constants above. `before` and `after` are None if the node is not
    registered; `reason` says why it is rejected (INVALID)."""

    kind: str
    who: Identity
    before: t.Optional[Node]
    after: t.Optional[Node]
    reason: str = ""

    def changes(self) -> Json:
        """The public fields that differ: [value before, value after] of each."""
        if self.before is None or self.after is None:
            return {}
        before, after = ({**node.public(), "lease": f"{node.lease:x}"} for node in (self.before, self.after))
        return {name: [before[name], after[name]] for name in after if before[name] != after[name]}

    def document(self) -> Json:
        """The change as JSON data, for other programs."""
        node = self.after or self.before
        document: Json = {"event": self.kind, "name": self.who.name, "role": self.who.role, "dc": self.who.dc}
        document["node"] = node.public() if node else None
        if self.kind == CHANGED:
            document["changes"] = self.changes()
        if self.reason:
            document["reason"] = self.reason
        return document


class ChangeTracker:
    """Compares each state with the one before."""

    def __init__(self, state: State, layout: Layout, admission: Admission) -> None:
        self._layout = layout
        self._admission = admission
        self._state = state
        self._known = self._read(state, None)

    @property
    def nodes(self) -> t.List[Node]:
        """The nodes that are registered and accepted."""
        return [known for known in self._known.values() if isinstance(known, Node)]

    def advance(self, state: State, client: Client) -> t.List[NodeChange]:
        """The changes up to `state`. `client` is used to read from the roster whether a node has left or is lost.
        Raises EtcdError kinds; the next call then returns the changes."""
        touched = _touched(self._state, state, self._layout)
        found = self._read(state, touched)
        gone = [who for who in touched if who in self._known and who not in found]
        left = self._left(gone, state.revision, client)
        changes = []
        for who in sorted(touched):
            one = self._change(who, self._known.get(who), found.get(who), who in left)
            if one is not None:
                changes.append(one)
        self._state = state
        for who in touched:
            self._known.pop(who, None)
        self._known.update(found)
        return changes

    def _read(self, state: State, wanted: t.Optional[t.Set[Identity]]) -> t.Dict[Identity, t.Union[Node, Rejected]]:
        """The nodes `wanted` (None: all), accepted or rejected. Raises InvalidLayout if all keys fit another layout."""
        layout = self._layout
        tree, in_maintenance = state.under(layout.prefix), state.under(layout.maintenance_prefix)
        if wanted is not None:
            directories = tuple(map(layout.directory, wanted))
            tree = [kv for kv in tree if kv.key.startswith(directories)]
        found: t.Dict[Identity, t.Union[Node, Rejected]] = {}
        if wanted is not None and not any(layout.parse(kv.key) for kv in tree):
            return found
        call = assemble(state.revision, tree, in_maintenance, layout, self._admission)
        found.update((node.identity, node) for node in call.nodes)
        if call.rejected:
            places = (layout.parse(kv.key) for kv in tree)
            for who in {place[0] for place in places if place} - found.keys():
                found[who] = self._rejected(who, state.revision, tree, in_maintenance)
        return found

    def _rejected(
        self, who: Identity, revision: int, tree: t.Sequence[KeyValue], in_maintenance: t.Sequence[KeyValue]
    ) -> Rejected:
        """The reason why this node is rejected."""
        own = [kv for kv in tree if kv.key.startswith(self._layout.directory(who))]
        return assemble(revision, own, in_maintenance, self._layout, self._admission).rejected[0]

    def _left(self, gone: t.Sequence[Identity], revision: int, client: Client) -> t.Set[Identity]:
        """The nodes that have left according to the roster, which is read at the revision at which they were gone,
        since the watch of another key may be ahead or behind."""
        keys = {self._layout.roster(who): who for who in gone}
        if not keys:
            return set()
        try:
            kvs = client.get_many(list(keys), revision)
        except Compacted:
            kvs = client.get_many(list(keys))
        return {who for key, who in keys.items() if key in kvs and _says_left(kvs[key])}

    @staticmethod
    def _change(who: Identity, before: Known, after: Known, left: bool) -> t.Optional[NodeChange]:
        was = before if isinstance(before, Node) else None
        if isinstance(after, Rejected):
            return None if before == after else NodeChange(INVALID, who, was, None, f"rejected: {after.reason}")
        if after is None:
            return NodeChange(GONE if left else LOST, who, was, None) if before is not None else None
        change = NodeChange(JOINED if was is None else CHANGED, who, was, after)
        return None if change.kind == CHANGED and not change.changes() else change


def _touched(old: State, new: State, layout: Layout) -> t.Set[Identity]:
    """The nodes whose keys differ."""
    touched = set()
    for selector, after in new.keys.items():
        before = old.keys.get(selector, {})
        differing = [key for key, kv in after.items() if before.get(key) != kv]
        for key in [*differing, *(before.keys() - after.keys())]:
            in_maintenance = key.startswith(layout.maintenance_prefix)
            who = layout.parse_state(key, layout.maintenance_prefix) if in_maintenance else layout.owner(key)
            if who is not None:
                touched.add(who)
    return touched


def _says_left(kv: KeyValue) -> bool:
    try:
        return bool(load(kv.value, "roster entry").get("state") == LEFT)
    except InvalidNode:
        return False
