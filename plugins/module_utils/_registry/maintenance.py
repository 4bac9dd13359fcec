# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Maintenance: who took a node out of service, why, and until when.

Internal to the collection: no promise is made to other users of this file.

The key has no lease, so it survives a reboot of the node. It is JSON: `by` and `reason` (strings), `since` and `until`
(Unix time in seconds; without `until` the maintenance lasts until an operator ends it). Readers ignore a key whose
`until` has passed, so no process has to act at that moment; the node's agent deletes the key later.

Wall clocks decide, since no other clock survives a reboot. If a clock is slow, or `until` is not after `since`, the
node stays in maintenance, which is the safer mistake.
"""

from __future__ import annotations

import os
import time
import typing as t

from .._etcd import wire
from .._etcd.client import Client
from .._etcd.text import shown
from .._etcd.wire import KeyValue
from . import reading
from .errors import Conflict, InvalidNode, InvalidTime, UnknownNode
from .layout import IP, Identity, Layout
from .strict_json import dump, load
from .validation import valid_name, valid_number, valid_word

Json = t.Dict[str, t.Any]

NEVER = 0  # a value of `until`: the maintenance lasts until an operator ends it

_LONGEST = 366 * 86400  # seconds; a later end is a mistake, or a clock is wrong
_RACES = 5  # attempts, each of which fails if another client writes between the read and the transaction


class Desired(t.NamedTuple):
    """The requested maintenance; None: keep the current value. `author` is the default of `by`.

    `until` is Unix time or NEVER. `duration` is in seconds from now on. If at least half of it remains, the end does
    not change, so a play that runs twice changes nothing the second time.
    """

    author: str
    by: t.Optional[str] = None
    reason: t.Optional[str] = None
    until: t.Optional[int] = None
    duration: t.Optional[int] = None

    def check(self, now: float) -> None:
        """Raises InvalidTime if the end is in the past or too far ahead at the time `now`."""
        if self.until == NEVER or (self.until is None and self.duration is None):
            return
        ahead = self.duration or 0 if self.until is None else self.until - now
        if not 0 < ahead <= _LONGEST:
            got = "one in the past" if ahead <= 0 else "one that is more than a year away"
            raise InvalidTime(
                f"end of the maintenance: expected a time within the next year, got {got}. Check the given time and "
                "this machine's clock"
            )

    def fields(self, former: t.Optional[Json], now: int) -> Json:
        """The new content of the key, given the `former` one (None: the node is not in maintenance)."""
        fields = {"by": self.author, "reason": "", "since": now, **(former or {})}
        fields.update((name, value) for name, value in (("by", self.by), ("reason", self.reason)) if value is not None)
        if self.until == NEVER:
            fields.pop("until", None)
        elif self.until is not None:
            fields["until"] = self.until
        elif self.duration is not None and fields.get("until", 0) - now < self.duration / 2:
            fields["until"] = now + self.duration
        return fields


class MaintenanceResult(t.NamedTuple):
    """The change to one node, or in a dry run the change that would be made: the content of its key before and after
    (None: no key), and whether the node is registered."""

    who: Identity
    before: t.Optional[Json]
    after: t.Optional[Json]
    registered: bool

    @property
    def changed(self) -> bool:
        """Whether anything was, or would be, written or deleted."""
        return self.before != self.after


def author() -> str:
    """The user that runs this process; under sudo, the user that called sudo."""
    import getpass  # the agent does not need it

    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"  # a user without a name


def parse(text: str) -> Json:
    """Parse the value of a maintenance key. Raises InvalidNode."""
    fields = load(text, "maintenance key")
    for name in ("since", "until"):
        if fields.get(name) is None:
            fields.pop(name, None)
        else:
            valid_number(fields[name], 0, 2**53, f"{name} of the maintenance key")
    return fields


def ended(fields: Json, now: float) -> bool:
    """Whether this maintenance is over at the time `now`."""
    return "until" in fields and fields.get("since", 0) < fields["until"] <= now


def current(text: str, now: float) -> t.Optional[Json]:
    """The maintenance in the value of a key at the time `now`; None if it is over. Raises InvalidNode."""
    fields = parse(text)
    return None if ended(fields, now) else fields


def next_end(said: t.Iterable[t.Optional[t.Mapping[str, t.Any]]], now: float) -> t.Optional[float]:
    """The time at which the first of these maintenances ends; None if none of them has an end."""
    return min((fields["until"] for fields in said if fields and fields.get("until", 0) > now), default=None)


def read(client: Client, layout: Layout, who: Identity) -> t.Tuple[t.Optional[Json], int]:
    """The current maintenance of one node, and the revision of a key that is over (0: there is no such key).

    Raises EtcdError kinds and InvalidNode.
    """
    kv = client.get(layout.maintenance(who))
    fields = current(kv.value, time.time()) if kv else None
    return fields, kv.mod_revision if kv and fields is None else 0


def clear(client: Client, layout: Layout, who: Identity, revision: int) -> None:
    """Delete the key of a maintenance that is over by `read`, unless it has changed since. Raises EtcdError kinds."""
    key = layout.maintenance(who)
    client.txn([wire.unchanged(key, revision)], [wire.delete(key)], what=f"Deleting {key}, which has ended")


def find(client: Client, layout: Layout, names: t.Sequence[str], must_exist: bool = True) -> t.List[Identity]:
    """Resolve `names` to nodes: a path `role/name` (`dc/role/name`), or a name, which selects all nodes of that name
    that are registered or in maintenance. Raises EtcdError kinds, and RegistryError kinds, such as for an unknown
    name."""
    known: t.Dict[str, t.List[Identity]] = {}
    if not all("/" in name for name in names):
        for who in sorted(_known(client, layout)):
            known.setdefault(who.name, []).append(who)
    found: t.Dict[Identity, None] = {}
    for name in names:
        if "/" in name:
            found[_identity(layout, name)] = None
        elif name in known:
            found.update(dict.fromkeys(known[name]))
        elif must_exist:
            raise UnknownNode(
                f"No node {shown(name)} is registered under {layout.prefix} or in maintenance. To select a node that "
                f"is not registered, use its path {layout.layout.replace('{', '').replace('}', '')}"
            )
    return list(found)


def begin(
    client: Client, layout: Layout, nodes: t.Sequence[Identity], desired: Desired, dry_run: bool = False
) -> t.List[MaintenanceResult]:
    """Take nodes out of service. Raises InvalidTime, InvalidNode if the reason is too long, and EtcdError kinds."""
    now = int(time.time())
    desired.check(now)
    return _change(client, layout, nodes, lambda fields: desired.fields(_holding(fields, now), now), dry_run)


def end(
    client: Client, layout: Layout, nodes: t.Sequence[Identity], dry_run: bool = False
) -> t.List[MaintenanceResult]:
    """Put nodes back into service. Raises EtcdError kinds."""
    return _change(client, layout, nodes, lambda fields: None, dry_run)


_Change = t.Callable[[t.Optional[Json]], t.Optional[Json]]


def _change(
    client: Client, layout: Layout, nodes: t.Sequence[Identity], change: _Change, dry_run: bool
) -> t.List[MaintenanceResult]:
    """Apply `change` to each node's key, in as few transactions as etcd's limit of operations allows."""
    results: t.List[MaintenanceResult] = []
    for start in range(0, len(nodes), wire.MAX_TXN_OPS):
        results += _change_some(client, layout, nodes[start : start + wire.MAX_TXN_OPS], change, dry_run)
    return results


def _change_some(
    client: Client, layout: Layout, nodes: t.Sequence[Identity], change: _Change, dry_run: bool
) -> t.List[MaintenanceResult]:
    keys = {who: (layout.maintenance(who), layout.directory(who) + IP) for who in nodes}
    for _race in range(_RACES):
        kvs = client.get_many([key for pair in keys.values() for key in pair])
        results = []
        for who, (key, ip) in keys.items():
            before = _fields_of(kvs.get(key))
            results.append(MaintenanceResult(who, before, change(before), ip in kvs))
        changed = [result for result in results if result.changed]
        places = {keys[result.who][0]: result.after for result in changed}
        writes = [wire.delete(key) if fields is None else wire.put(key, dump(fields)) for key, fields in places.items()]
        if dry_run or not changed:
            return results
        names = ", ".join(str(result.who) for result in changed)
        done = client.txn(
            [wire.unchanged(key, kvs[key].mod_revision if key in kvs else 0) for key in places],
            writes,
            what=f"Changing the maintenance of {names}",
        )
        if done.succeeded:
            return results
    raise Conflict(
        f"Cannot change the maintenance of {names}: another client changed it during each of {_RACES} attempts. "
        "Try again"
    )


def _fields_of(kv: t.Optional[KeyValue]) -> t.Optional[Json]:
    """The content of a maintenance key, {} if it is invalid."""
    try:
        return None if kv is None else parse(kv.value)
    except InvalidNode:
        return {}


def _holding(fields: t.Optional[Json], now: float) -> t.Optional[Json]:
    return None if fields is None or ended(fields, now) else fields


def _known(client: Client, layout: Layout) -> t.Set[Identity]:
    """All nodes that are registered or in maintenance."""
    tree = reading.read(client, layout.prefix, layout.bounded_directory, keys_only=True).found
    state = reading.read(
        client, layout.maintenance_prefix, layout.bounded_directory, tree.revision, keys_only=True
    ).found
    places = (layout.parse(kv.key) for kv in tree.kvs)
    states = (layout.parse_state(kv.key, layout.maintenance_prefix) for kv in state.kvs)
    return {place[0] for place in places if place} | {who for who in states if who}


def _identity(layout: Layout, path: str) -> Identity:
    """The node with the path [dc/]role/name in this layout."""
    parts = path.split("/")
    if len(parts) != layout.layout.count("/") + 1:
        raise UnknownNode(f"path of a node: expected the layout {layout.layout}, got {shown(path)}")
    for what, word in zip(("role", "data centre"), reversed(parts[:-1])):
        valid_word(word, what)
    return Identity(parts[0] if len(parts) == 3 else "", parts[-2], valid_name(parts[-1]))
