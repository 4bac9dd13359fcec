# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answering the roll call: claim a name, keep its keys as they must be, leave.

Internal to the collection: no promise is made to other users of this file.

One idea serves claim, repair and change of status: `reconcile` reads the node's keys, decides whether they are ours,
and writes in one guarded transaction what differs. Where nothing differs it writes nothing.
"""

from __future__ import annotations

import dataclasses
import time
import typing as t

from .._etcd import wire
from .._etcd.client import Client
from .._etcd.errors import LeaseNotFound
from .._etcd.wire import KeyValue
from .errors import Duplicate, InvalidNode, RegistryError
from .layout import CHECKS, HEALTH, IP, NODE, Identity, Layout
from .model import PASSING, Check, Document, dump, load, parse_document

JOINED = "joined"
LEFT = "left"

_RACES = 5  # how often others may write between our read and our transaction before we give up


@dataclasses.dataclass(frozen=True)
class Registration:
    """What a node wants to be known as. `document.id` must be set: it tells this keeper from others."""

    who: Identity
    address: str
    document: Document
    health: str = PASSING
    checks: t.Tuple[Check, ...] = ()

    def keys(self, layout: Layout) -> t.Dict[str, str]:
        """Every key that the lease is to hold. Raises InvalidNode where a value is too large."""
        directory = layout.directory(self.who)
        keys = {
            directory + IP: self.address,
            directory + NODE: self.document.dump(),
            directory + HEALTH: self.health,
        }
        keys.update({f"{directory}{CHECKS}{check.name}": dump(check.document()) for check in self.checks})
        return keys


class Holder(t.NamedTuple):
    """Who holds a name now. `id` is "" for one that wrote no document (the article's commands)."""

    address: str
    id: str
    boot: str
    agent: str
    lease: int

    def __str__(self) -> str:
        keeper = f"agent {self.agent}" if self.agent else "no agent"
        return f"address {self.address or 'unknown'}, id {self.id or 'none'}, {keeper}, lease {self.lease:x}"


@dataclasses.dataclass(frozen=True)
class Claim:
    """What `reconcile` found and did. `written` and `deleted` name keys; both empty: all was as it must be."""

    revision: int
    written: t.Tuple[str, ...] = ()
    deleted: t.Tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether anything was, or in a dry run would be, written or deleted."""
        return bool(self.written or self.deleted)


def holder(client: Client, layout: Layout, who: Identity) -> t.Optional[Holder]:
    """Who holds the name, or None."""
    directory = layout.directory(who)
    return holder_in(directory, {kv.key: kv for kv in client.range(directory, prefix=True).kvs})


def reconcile(
    client: Client,
    layout: Layout,
    wanted: Registration,
    lease: int,
    wait: t.Callable[[float], None] = time.sleep,
    dry_run: bool = False,
) -> Claim:
    """Make the node's keys be `wanted` under `lease`; with `dry_run` only tell what would be written.

    `wait` is called with seconds where a former boot of this machine still holds the name: its lease is watched for a
    keepalive. Raises Duplicate where somebody else holds the name, LeaseNotFound where our lease is gone.
    """
    for _race in range(_RACES):
        seen = _look(client, layout, wanted.who)
        former = seen.holder
        if former and former.lease != lease and (former.id, former.boot) != (wanted.document.id, wanted.document.boot):
            _refuse_duplicate(client, wanted, former, wait)
        claim = _difference(seen, wanted.keys(layout), lease)
        if dry_run or not claim.changed:
            return claim
        result = client.txn(
            compare=[wire.unchanged(key, revision) for key, revision in seen.guards.items()],
            success=_writes(layout, wanted, claim, seen, lease),
            what=f"Registering {wanted.who}",
        )
        if result.succeeded:
            if former and former.lease not in (0, lease):
                _end_lease(client, former.lease)  # only checks of a former configuration still hang on it
            return dataclasses.replace(claim, revision=result.revision)
    raise RegistryError(f"Registering {wanted.who} failed: its keys were changed by others {_RACES} times meanwhile")


def withdraw(client: Client, layout: Layout, who: Identity, lease: int) -> None:
    """Leave on purpose: say so in the roster, then end the lease, which deletes every key it holds (one raft entry)."""
    seen = _look(client, layout, who)
    if seen.holder and seen.holder.lease == lease:
        record = _record(seen.roster, LEFT)
        client.txn(
            [wire.held_by(seen.directory + IP, lease)],
            [wire.put(layout.roster(who), record)],
            what=f"Withdrawing {who}",
        )
    _end_lease(client, lease)


class _Seen(t.NamedTuple):
    """A node's keys and its roster entry, read at one revision."""

    revision: int
    directory: str
    kvs: t.Dict[str, KeyValue]
    roster: t.Optional[KeyValue]
    holder: t.Optional[Holder]

    @property
    def guards(self) -> t.Dict[str, int]:
        """The keys that decide who holds the name, with the revision at which each was written (0: is not there)."""
        keys = (self.directory + IP, self.directory + NODE)
        return {key: self.kvs[key].mod_revision if key in self.kvs else 0 for key in keys}


def _look(client: Client, layout: Layout, who: Identity) -> _Seen:
    directory = layout.directory(who)
    result = client.txn(
        success=[wire.get(directory, prefix=True), wire.get(layout.roster(who))], what=f"Reading the keys of {who}"
    )
    kvs = {kv.key: kv for kv in result.range(0).kvs}
    roster = result.range(1).kvs
    return _Seen(result.revision, directory, kvs, roster[0] if roster else None, holder_in(directory, kvs))


def holder_in(directory: str, kvs: t.Mapping[str, KeyValue]) -> t.Optional[Holder]:
    """Who holds the name that `directory` is of, as its keys say; None where nobody does."""
    ip, node = kvs.get(directory + IP), kvs.get(directory + NODE)
    first = node or ip
    if first is None:
        return None
    try:
        document = parse_document(node.value) if node else Document()
    except InvalidNode:
        document = Document()  # whoever wrote that is somebody else
    return Holder(ip.value if ip else "", document.id, document.boot, document.agent, first.lease)


def _refuse_duplicate(client: Client, wanted: Registration, other: Holder, wait: t.Callable[[float], None]) -> None:
    """Return where `other` is a former boot of this machine that no longer renews its lease. Raises Duplicate."""
    if other.id != wanted.document.id:
        raise Duplicate(
            f"{wanted.who} is registered by somebody else ({other}). "
            "Give this host another name, or end the other registration"
        )
    before = client.lease_status(other.lease)
    if before.ttl <= 0:
        return
    pause = before.granted / 3 * 1.2  # every keeper renews once in a third of the time to live, give or take 10 %
    wait(pause)
    after = client.lease_status(other.lease)
    # Left alone it would have lost `pause` seconds; etcd tells whole seconds, so half of that is a clear sign.
    if after.ttl > 0 and after.ttl > before.ttl - pause / 2:
        raise Duplicate(
            f"{wanted.who} is registered by a machine with the same machine id that is alive ({other}). "
            "Is one of them a clone? Give it a machine id of its own (systemd-machine-id-setup) and another name"
        )


def _difference(seen: _Seen, wanted: t.Mapping[str, str], lease: int) -> Claim:
    written = tuple(
        key
        for key, value in wanted.items()
        if key not in seen.kvs or (seen.kvs[key].value, seen.kvs[key].lease) != (value, lease)
    )
    deleted = tuple(key for key, kv in seen.kvs.items() if key not in wanted and kv.lease == lease)
    return Claim(seen.revision, written, deleted)


def _writes(layout: Layout, wanted: Registration, claim: Claim, seen: _Seen, lease: int) -> t.List[t.Dict[str, t.Any]]:
    values = wanted.keys(layout)
    writes = [wire.put(key, values[key], lease) for key in claim.written] + [wire.delete(key) for key in claim.deleted]
    if seen.holder is None or seen.holder.lease != lease:
        writes.append(wire.put(layout.roster(wanted.who), _record(seen.roster, JOINED)))
    return writes


def _record(former: t.Optional[KeyValue], state: str) -> str:
    """The roster's entry: when first seen, when last changed, joined or left."""
    now = int(time.time())
    try:
        first_seen = load(former.value, "roster entry").get("first_seen", now) if former else now
    except InvalidNode:
        first_seen = now
    return dump({"first_seen": first_seen, "changed": now, "state": state})


def _end_lease(client: Client, lease: int) -> None:
    try:
        client.lease_revoke(lease)
    except LeaseNotFound:
        pass  # it ended by itself
