# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Maintenance: who took a node out of service, why, and until when.

Internal to the collection: no promise is made to other users of this file.

The key is kept without a lease, so it outlives the node's reboot. It is JSON: `by` and `reason` (texts), `since` and
`until` (Unix seconds; no `until`: until somebody ends it). Who reads a key whose `until` has passed takes it for none,
so nobody has to be there at that moment; the node's agent deletes it later.

Wall clocks decide, since no other clock survives a reboot. A clock that is slow, or an `until` that is not after
`since`, keeps the node drained: that is the side on which a mistake does no harm.
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

NEVER = 0  # as `until`: it ends when somebody ends it

_LONGEST = 366 * 86400  # seconds; what ends later was meant otherwise, or one of the clocks is wrong
_RACES = 5  # how often others may write between our read and our transaction before we give up


class Wish(t.NamedTuple):
    """What is to be said of nodes; None: as it is said already. `author` is who says it where nobody has before.

    `until` is Unix time or NEVER. `duration` is seconds from now on: where at least half of it is still to come nothing
    changes, so that a play that runs twice changes nothing the second time.
    """

    author: str
    by: t.Optional[str] = None
    reason: t.Optional[str] = None
    until: t.Optional[int] = None
    duration: t.Optional[int] = None

    def check(self, now: float) -> None:
        """Raises InvalidTime where the end makes no sense at the time `now`."""
        if self.until == NEVER or (self.until is None and self.duration is None):
            return
        ahead = self.duration or 0 if self.until is None else self.until - now
        if not 0 < ahead <= _LONGEST:
            problem = "is not in the future" if ahead <= 0 else "is more than a year away"
            raise InvalidTime(f"The end of the maintenance {problem}: check the time given, and this machine's clock")

    def fields(self, former: t.Optional[Json], now: int) -> Json:
        """What the key shall say, where it says `former` now (None: the node is not in maintenance)."""
        fields = {"by": self.author, "reason": "", "since": now, **(former or {})}
        fields.update((name, value) for name, value in (("by", self.by), ("reason", self.reason)) if value is not None)
        if self.until == NEVER:
            fields.pop("until", None)
        elif self.until is not None:
            fields["until"] = self.until
        elif self.duration is not None and fields.get("until", 0) - now < self.duration / 2:
            fields["until"] = now + self.duration
        return fields


class Outcome(t.NamedTuple):
    """What was done, or in a dry run would be done, for one node: what its key said before and says now, None for no
    key. `registered`: whether the node is in the registry."""

    who: Identity
    before: t.Optional[Json]
    after: t.Optional[Json]
    registered: bool

    @property
    def changed(self) -> bool:
        """Whether anything was, or would be, written or deleted."""
        return self.before != self.after


def author() -> str:
    """The user that runs this; where that is by sudo, who called it."""
    import getpass  # the agent does without

    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"  # one without a name


def parse(text: str) -> Json:
    """Read the value of a maintenance key. Raises InvalidNode."""
    fields = load(text, "maintenance key")
    for name in ("since", "until"):
        if fields.get(name) is None:
            fields.pop(name, None)
        else:
            valid_number(fields[name], 0, 2**53, f"{name} of the maintenance key")
    return fields


def ended(fields: Json, now: float) -> bool:
    """Whether that is over at the time `now`."""
    return "until" in fields and fields.get("since", 0) < fields["until"] <= now


def current(text: str, now: float) -> t.Optional[Json]:
    """What the value of a maintenance key says at the time `now`; None where it is over. Raises InvalidNode."""
    fields = parse(text)
    return None if ended(fields, now) else fields


def next_end(said: t.Iterable[t.Optional[t.Mapping[str, t.Any]]], now: float) -> t.Optional[float]:
    """When the first of what is said of nodes will be over; None where nothing ends by itself."""
    return min((fields["until"] for fields in said if fields and fields.get("until", 0) > now), default=None)


def look(client: Client, layout: Layout, who: Identity) -> t.Tuple[t.Optional[Json], int]:
    """What holds for one node now, and the revision of a key that is over (0: there is none).

    Raises EtcdError kinds and InvalidNode.
    """
    kv = client.get(layout.maintenance(who))
    fields = current(kv.value, time.time()) if kv else None
    return fields, kv.mod_revision if kv and fields is None else 0


def clear(client: Client, layout: Layout, who: Identity, revision: int) -> None:
    """Delete the key of a node, which `look` has found over, unless it has changed since. Raises EtcdError kinds."""
    key = layout.maintenance(who)
    client.txn([wire.unchanged(key, revision)], [wire.delete(key)], what=f"Deleting {key}, which has ended")


def find(client: Client, layout: Layout, names: t.Sequence[str], must_exist: bool = True) -> t.List[Identity]:
    """The nodes that users mean by `role/name` (`dc/role/name`), or by a name alone: then all that are registered, or
    in maintenance, under it. Raises EtcdError kinds, and RegistryError kinds as where such a name is of no node."""
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
                f"No node {shown(name)} is registered under {layout.prefix}, nor in maintenance. One that is away is "
                f"named as {layout.layout.replace('{', '').replace('}', '')}"
            )
    return list(found)


def begin(
    client: Client, layout: Layout, nodes: t.Sequence[Identity], wish: Wish, dry_run: bool = False
) -> t.List[Outcome]:
    """Take nodes out of service. Raises InvalidTime, InvalidNode where the text is too long, and EtcdError kinds."""
    now = int(time.time())
    wish.check(now)
    return _change(client, layout, nodes, lambda fields: wish.fields(_holding(fields, now), now), dry_run)


def end(client: Client, layout: Layout, nodes: t.Sequence[Identity], dry_run: bool = False) -> t.List[Outcome]:
    """Put nodes back into service. Raises EtcdError kinds."""
    return _change(client, layout, nodes, lambda fields: None, dry_run)


_Change = t.Callable[[t.Optional[Json]], t.Optional[Json]]


def _change(
    client: Client, layout: Layout, nodes: t.Sequence[Identity], change: _Change, dry_run: bool
) -> t.List[Outcome]:
    """What `change` makes of what each node's key says. As many nodes as a transaction takes change at once."""
    outcomes: t.List[Outcome] = []
    for start in range(0, len(nodes), wire.MAX_TXN_OPS):
        outcomes += _change_some(client, layout, nodes[start : start + wire.MAX_TXN_OPS], change, dry_run)
    return outcomes


def _change_some(
    client: Client, layout: Layout, nodes: t.Sequence[Identity], change: _Change, dry_run: bool
) -> t.List[Outcome]:
    keys = {who: (layout.maintenance(who), layout.directory(who) + IP) for who in nodes}
    for _race in range(_RACES):
        kvs = client.get_many([key for pair in keys.values() for key in pair])
        outcomes = []
        for who, (key, ip) in keys.items():
            before = _said(kvs.get(key))
            outcomes.append(Outcome(who, before, change(before), ip in kvs))
        changed = [outcome for outcome in outcomes if outcome.changed]
        places = {keys[outcome.who][0]: outcome.after for outcome in changed}
        writes = [wire.delete(key) if fields is None else wire.put(key, dump(fields)) for key, fields in places.items()]
        if dry_run or not changed:
            return outcomes
        names = ", ".join(str(outcome.who) for outcome in changed)
        result = client.txn(
            [wire.unchanged(key, kvs[key].mod_revision if key in kvs else 0) for key in places],
            writes,
            what=f"Changing the maintenance of {names}",
        )
        if result.succeeded:
            return outcomes
    raise Conflict(f"Changing the maintenance of {names} failed: others changed it {_RACES} times meanwhile")


def _said(kv: t.Optional[KeyValue]) -> t.Optional[Json]:
    """What a key says, {} where nobody can read that."""
    try:
        return None if kv is None else parse(kv.value)
    except InvalidNode:
        return {}


def _holding(fields: t.Optional[Json], now: float) -> t.Optional[Json]:
    return None if fields is None or ended(fields, now) else fields


def _known(client: Client, layout: Layout) -> t.Set[Identity]:
    """Every node that is registered or in maintenance."""
    tree = reading.read(client, layout.prefix, layout.bounded_directory, keys_only=True).found
    kept = reading.read(
        client, layout.maintenance_prefix, layout.bounded_directory, tree.revision, keys_only=True
    ).found
    places = (layout.parse(kv.key) for kv in tree.kvs)
    states = (layout.parse_state(kv.key, layout.maintenance_prefix) for kv in kept.kvs)
    return {place[0] for place in places if place} | {who for who in states if who}


def _identity(layout: Layout, path: str) -> Identity:
    """The node that [dc/]role/name names in this layout."""
    parts = path.split("/")
    if len(parts) != layout.layout.count("/") + 1:
        raise UnknownNode(f"The node {shown(path)} is not named as the layout {layout.layout} has it")
    for what, word in zip(("role", "data centre"), reversed(parts[:-1])):
        valid_word(word, what)
    return Identity(parts[0] if len(parts) == 3 else "", parts[-2], valid_name(parts[-1]))
