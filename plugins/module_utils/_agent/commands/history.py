# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What happened between two states of the registry: who joined, left, was lost or changed.

Internal to the collection: no promise is made to other users of this file.

States are compared, not events: so nothing is missed or told twice when etcd compacts, restarts or fails over.
"""

from __future__ import annotations

import typing as t

from ..._etcd.client import Client
from ..._etcd.errors import Compacted
from ..._etcd.wire import KeyValue
from ..._registry.errors import InvalidNode
from ..._registry.layout import Identity, Layout
from ..._registry.mirror import State
from ..._registry.model import Node, load
from ..._registry.registration import LEFT
from ..._registry.rollcall import Admission, Rejected, assemble
from .terminal import maintenance

Json = t.Dict[str, t.Any]
Known = t.Union[None, Node, Rejected]

JOINED, GONE, LOST, CHANGED, INVALID = "joined", "left", "lost", "changed", "invalid"


class Happening(t.NamedTuple):
    """`kind` is one of the words above. `before` and `after` are None where the node is not registered; `reason` says
    why it cannot be taken (INVALID)."""

    kind: str
    who: Identity
    before: t.Optional[Node]
    after: t.Optional[Node]
    reason: str = ""

    def changes(self) -> Json:
        """What differs, by field: the value before and after."""
        if self.before is None or self.after is None:
            return {}
        before, after = ({**node.public(), "lease": f"{node.lease:x}"} for node in (self.before, self.after))
        return {name: [before[name], after[name]] for name in after if before[name] != after[name]}

    def document(self) -> Json:
        """For programs."""
        node = self.after or self.before
        document: Json = {"event": self.kind, "name": self.who.name, "role": self.who.role, "dc": self.who.dc}
        document["node"] = node.public() if node else None
        if self.kind == CHANGED:
            document["changes"] = self.changes()
        if self.reason:
            document["reason"] = self.reason
        return document

    def words(self) -> str:
        """For people: what there is to know beside the kind and the name."""
        if self.reason:
            return self.reason
        if self.kind == CHANGED:
            words = (_in_words(name, *values) for name, values in self.changes().items())
            return ", ".join(filter(None, words)) or "health of its services"
        node = self.after or self.before
        if node is None:
            return ""
        drained = [] if node.maintenance is None else [f"in maintenance: {maintenance(node.maintenance)}"]
        return ", ".join([node.address, node.health, *(f"{s.name}:{s.port}" for s in node.services), *drained])


class History:
    """Tells what happens, from one state to the next."""

    def __init__(self, state: State, layout: Layout, admission: Admission) -> None:
        self._layout = layout
        self._admission = admission
        self._state = state
        self._known = self._read(state, None)

    @property
    def nodes(self) -> t.List[Node]:
        """Those that are registered and can be taken."""
        return [known for known in self._known.values() if isinstance(known, Node)]

    def advance(self, state: State, client: Client) -> t.List[Happening]:
        """What has happened until `state`. `client` reads how those who are gone went. Raises EtcdError kinds, and then
        the next call tells."""
        touched = _touched(self._state, state, self._layout)
        found = self._read(state, touched)
        gone = [who for who in touched if who in self._known and who not in found]
        left = self._left(gone, state.revision, client)
        happened = []
        for who in sorted(touched):
            one = self._happening(who, self._known.get(who), found.get(who), who in left)
            if one is not None:
                happened.append(one)
        self._state = state
        for who in touched:
            self._known.pop(who, None)
        self._known.update(found)
        return happened

    def _read(self, state: State, wanted: t.Optional[t.Set[Identity]]) -> t.Dict[Identity, t.Union[Node, Rejected]]:
        """What is known of the nodes `wanted`, or of all. Raises InvalidLayout where every key is of another one."""
        layout = self._layout
        tree, kept = state.under(layout.prefix), state.under(layout.maintenance_prefix)
        if wanted is not None:
            directories = tuple(map(layout.directory, wanted))
            tree = [kv for kv in tree if kv.key.startswith(directories)]
        found: t.Dict[Identity, t.Union[Node, Rejected]] = {}
        if wanted is not None and not any(layout.parse(kv.key) for kv in tree):
            return found
        call = assemble(state.revision, tree, kept, layout, self._admission)
        found.update((node.identity, node) for node in call.nodes)
        if call.rejected:
            places = (layout.parse(kv.key) for kv in tree)
            for who in {place[0] for place in places if place} - found.keys():
                found[who] = self._rejected(who, state.revision, tree, kept)
        return found

    def _rejected(
        self, who: Identity, revision: int, tree: t.Sequence[KeyValue], kept: t.Sequence[KeyValue]
    ) -> Rejected:
        """Why this one cannot be taken."""
        own = [kv for kv in tree if kv.key.startswith(self._layout.directory(who))]
        return assemble(revision, own, kept, self._layout, self._admission).rejected[0]

    def _left(self, gone: t.Sequence[Identity], revision: int, client: Client) -> t.Set[Identity]:
        """Those who said that they leave, as the roster has it: read at the revision at which they were gone, for the
        watch of another key may be ahead or behind."""
        keys = {self._layout.roster(who): who for who in gone}
        if not keys:
            return set()
        try:
            kvs = client.get_many(list(keys), revision)
        except Compacted:
            kvs = client.get_many(list(keys))
        return {who for key, who in keys.items() if key in kvs and _says_left(kvs[key])}

    @staticmethod
    def _happening(who: Identity, before: Known, after: Known, left: bool) -> t.Optional[Happening]:
        was = before if isinstance(before, Node) else None
        if isinstance(after, Rejected):
            return None if before == after else Happening(INVALID, who, was, None, f"left out: {after.reason}")
        if after is None:
            return Happening(GONE if left else LOST, who, was, None) if before is not None else None
        happening = Happening(JOINED if was is None else CHANGED, who, was, after)
        return None if happening.kind == CHANGED and not happening.changes() else happening


def _touched(old: State, new: State, layout: Layout) -> t.Set[Identity]:
    """Whose keys differ."""
    touched = set()
    for selector, after in new.keys.items():
        before = old.keys.get(selector, {})
        differing = [key for key, kv in after.items() if before.get(key) != kv]
        for key in [*differing, *(before.keys() - after.keys())]:
            drained = key.startswith(layout.maintenance_prefix)
            who = layout.parse_state(key, layout.maintenance_prefix) if drained else layout.owner(key)
            if who is not None:
                touched.add(who)
    return touched


def _says_left(kv: KeyValue) -> bool:
    try:
        return bool(load(kv.value, "roster entry").get("state") == LEFT)
    except InvalidNode:
        return False


def _in_words(name: str, before: t.Any, after: t.Any) -> str:
    """One changed field."""
    if name == "maintenance":
        return "maintenance ended" if not after else f"maintenance: {maintenance(after)}"
    if name in ("services", "checks"):
        words = (_one_in_words(name[:-1], key, before.get(key), after.get(key)) for key in _differing(before, after))
        return ", ".join(filter(None, words))
    if isinstance(after, str):
        return f"{name} {before or '-'} -> {after or '-'}"
    return f"{name} {_list(before)} -> {_list(after)}" if isinstance(after, list) else f"{name} changed"


def _one_in_words(kind: str, key: str, before: t.Optional[Json], after: t.Optional[Json]) -> str:
    if before is None or after is None:
        return f"{kind} {key} is {'new' if before is None else 'gone'}"
    if kind == "check" and before["status"] != after["status"]:
        output = f" ({after['output']})" if after["output"] else ""
        return f"check {key} {before['status']} -> {after['status']}{output}"
    fields = [field for field in _differing(before, after) if field != "health"]  # that follows from the checks
    return f"{kind} {key} changed ({', '.join(fields)})" if fields else ""


def _differing(before: Json, after: Json) -> t.List[str]:
    return sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))


def _list(words: t.Sequence[str]) -> str:
    return ",".join(map(str, words)) or "-"
