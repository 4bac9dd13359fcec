# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The changes between two states of the registry: nodes that joined, left, were lost, or changed.

Internal to the collection: no promise is made to other users of this file.

It compares states, not events, so no change is missed or reported twice if etcd compacts, restarts or fails over.
"""

from __future__ import annotations

import time
import typing as t

from ..._etcd.client import Client
from ..._etcd.errors import Compacted
from ..._etcd.wire import KeyValue
from ..errors import InvalidNode
from ..layout import Identity, Layout
from ..model import Node
from ..node_set import Admission, Judgement, Rejected
from ..registration import LEFT
from ..strict_json import load
from .mirror import State
from .node_index import NodeIndex

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
    """Compares each state with the one before. Raises InvalidLayout if the keys are those of another layout."""

    def __init__(self, state: State, layout: Layout, admission: Admission) -> None:
        self._layout = layout
        self._index = NodeIndex(layout, admission)
        self._state = State(0, "", {})
        self._pending: t.Dict[Identity, t.Tuple[Judgement, Judgement]] = {}  # not reported yet: before and now
        self._take(state)
        self._index.remarks()
        self._pending = {}

    @property
    def nodes(self) -> t.List[Node]:
        """The nodes that are registered and accepted."""
        return self._index.nodes()

    def advance(self, state: State, client: Client) -> t.List[NodeChange]:
        """The changes up to `state`. `client` is used to read from the roster whether a node has left or is lost.
        Raises EtcdError kinds; the next call then returns the changes."""
        self._take(state)
        pending = {who: (_known(before), _known(after)) for who, (before, after) in self._pending.items()}
        gone = [who for who, (before, after) in pending.items() if before is not None and after is None]
        left = self._left(gone, state.revision, client)
        changes = [self._change(who, *pending[who], left=who in left) for who in sorted(pending)]
        self._pending = {}
        return [change for change in changes if change is not None]

    def _take(self, state: State) -> None:
        for who, (before, after) in self._index.update(state.changes(self._state), time.time()).items():
            self._pending[who] = self._pending.get(who, (before, after))[0], after
        self._state = state

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


def _known(judgement: Judgement) -> Known:
    return judgement.node or judgement.rejected


def _says_left(kv: KeyValue) -> bool:
    try:
        return bool(load(kv.value, "roster entry").get("state") == LEFT)
    except InvalidNode:
        return False
