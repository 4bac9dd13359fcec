# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Registers nodes: claims a name, reconciles its keys, and deregisters it.

Internal to the collection: no promise is made to other users of this file.

`reconcile` serves all of claim, repair and change of status: it reads the node's keys, decides whether they are ours,
and writes the difference in one guarded transaction. If there is no difference, it writes nothing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
import typing as t

from .._etcd import wire
from .._etcd.client import Client
from .._etcd.errors import LeaseNotFound, PermissionDenied
from .._etcd.text import printable
from .._etcd.wire import KeyValue
from .bounds import MAX_BYTES, refuse_excess
from .errors import Conflict, Duplicate, InvalidNode
from .layout import CHECKS, HEALTH, IP, NODE, Identity, Layout
from .model import PASSING, Check, Document, parse_document
from .strict_json import dump, load
from .validation import MAX_VALUE

JOINED = "joined"
LEFT = "left"

_ELECTIONS = 3  # reads of a lease during consecutive elections in etcd
_RACES = 5  # attempts, each of which fails if another client writes between the read and the transaction


@dataclasses.dataclass(frozen=True)
class Registration:
    """The data to register for a node. `document.id` must be set, since it identifies the holder of the name.

    `also` lists further roles. Each of them gets a copy of all keys, with the same lease.
    """

    who: Identity
    address: str
    document: Document
    health: str = PASSING
    checks: t.Tuple[Check, ...] = ()
    also: t.Tuple[str, ...] = ()

    def __str__(self) -> str:
        return ", ".join(map(str, self.identities))

    @property
    def identities(self) -> t.Tuple[Identity, ...]:
        """The identities that the node registers, one for each role."""
        return (self.who, *(self.who._replace(role=role) for role in self.also))

    def keys(self, layout: Layout) -> t.Dict[str, str]:
        """The keys to attach to the lease, the claim of each name first. Raises InvalidNode over the bounds."""
        directories = [layout.directory(who) for who in self.identities]
        claim = {IP: self.address, NODE: self.document.dump(), HEALTH: self.health}
        checks = self._checks(MAX_BYTES - sum(map(len, claim.values())))
        refuse_excess([KeyValue(leaf, value, 0, 0, 0, 0) for part in (claim, checks) for leaf, value in part.items()])
        return {
            directory + leaf: value
            for part in (claim, checks)
            for directory in directories
            for leaf, value in part.items()
        }

    def _checks(self, room: int) -> t.Dict[str, str]:
        """The keys of the checks, with their output truncated so that all values fit into `room` bytes."""
        values: t.Dict[str, str] = {}
        for length in (MAX_VALUE, 100, 50, 20, 0):
            shortened = (dataclasses.replace(check, output=check.output[:length]) for check in self.checks)
            values = {CHECKS + check.name: dump(check.document()) for check in shortened}
            if sum(map(len, values.values())) <= room:
                break
        return values


class Holder(t.NamedTuple):
    """The current holder of a name. `id` is "" if it has no document, such as a node registered with etcdctl."""

    address: str
    id: str
    boot: str
    agent: str
    lease: int

    def __str__(self) -> str:
        keeper = f"agent {printable(self.agent, 60)}" if self.agent else "no agent"
        address, who = printable(self.address or "unknown", 60), printable(self.id or "none", 60)
        return f"address {address}, id {who}, {keeper}, lease {self.lease:x}"


@dataclasses.dataclass(frozen=True)
class Claim:
    """The result of `reconcile`. `written` and `deleted` are keys; if both are empty, nothing differed."""

    written: t.Tuple[str, ...] = ()
    deleted: t.Tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether keys were written or deleted, or would be in a dry run."""
        return bool(self.written or self.deleted)


def holder(client: Client, layout: Layout, who: Identity) -> t.Optional[Holder]:
    """The holder of the name, or None if it is free."""
    directory = layout.directory(who)
    return holder_in(directory, {kv.key: kv for kv in client.range(directory, prefix=True).kvs})


def reconcile(
    client: Client,
    layout: Layout,
    wanted: Registration,
    lease: int,
    wait: t.Callable[[float], None] = time.sleep,
    dry_run: bool = False,
    leaving: t.Sequence[Identity] = (),
    previous: t.Collection[int] = (),
    grant: t.Optional[t.Callable[[], int]] = None,
) -> Claim:
    """Make the node's keys match `wanted`, attached to `lease`; with `dry_run` only report what would be written.

    If `lease` is 0, `grant` is called for one after the names were found to be free, just before they are claimed. Any
    user of etcd can attach a key to a lease without keys, and no other user could then use or revoke that lease.

    Either all names are claimed or none. `leaving` are names that the node had before: our keys there are deleted in
    the same transaction. If this machine holds a name with a lease that is neither `lease` nor one of `previous`,
    `wait` is called with seconds to observe that lease for a keepalive, since it may belong to a clone. Raises
    Duplicate if another machine holds a name, LeaseNotFound if our lease has ended.
    """
    for _race in range(_RACES):
        found = _read_names(client, layout, (*wanted.identities, *leaving))
        former = _takeable(client, wanted, found, lease, previous, wait)
        lease = lease or (grant() if grant else 0)
        claim = _difference(found, wanted.keys(layout), lease)
        writes = _writes(layout, wanted, claim, found, (lease, *former))
        if dry_run or not writes:
            return claim
        result = client.txn(
            compare=[wire.unchanged(key, revision) for seen in found for key, revision in seen.guards.items()],
            success=writes[: wire.MAX_TXN_OPS],
            what=f"Registering {wanted}",
        )
        # Operations beyond the limit follow in the next round, when the names are already claimed.
        if result.succeeded and len(writes) <= wire.MAX_TXN_OPS:
            for other in former:  # only keys of a former configuration are still attached to it
                with contextlib.suppress(PermissionDenied):  # keys of a role that is no longer ours: the lease expires
                    _end_lease(client, other)
            return claim
    raise Conflict(
        f"Cannot register {wanted}: other clients changed its keys during each of {_RACES} attempts. Find out what "
        "else writes to these keys"
    )


def deregister(client: Client, layout: Layout, names: t.Sequence[Identity], lease: int) -> None:
    """Deregister: record it in the roster, then revoke the lease, which deletes all its keys (in one Raft entry)."""
    held = [seen for seen in _read_names(client, layout, names) if seen.holder and seen.holder.lease == lease]
    if held:
        client.txn(
            [wire.held_by(seen.directory + IP, lease) for seen in held],
            [wire.put(layout.roster(seen.who), _record(seen.roster, LEFT)) for seen in held],
            what=f"Deregistering {', '.join(map(str, names))}",
        )
    _end_lease(client, lease)


class _NameState(t.NamedTuple):
    """The keys of one name and its roster entry."""

    who: Identity
    directory: str
    kvs: t.Dict[str, KeyValue]
    roster: t.Optional[KeyValue]
    holder: t.Optional[Holder]

    @property
    def guards(self) -> t.Dict[str, int]:
        """The keys that determine the holder of the name, with their mod revisions (0: the key does not exist)."""
        keys = (self.directory + IP, self.directory + NODE)
        return {key: self.kvs[key].mod_revision if key in self.kvs else 0 for key in keys}


def _read_names(client: Client, layout: Layout, names: t.Sequence[Identity]) -> t.List[_NameState]:
    """Read the keys and roster entries of all names at one revision."""
    gets = [(wire.get(layout.directory(who), prefix=True), wire.get(layout.roster(who))) for who in names]
    result = client.txn(
        success=[get for pair in gets for get in pair], what=f"Reading the keys of {', '.join(map(str, names))}"
    )
    found = []
    for index, who in enumerate(names):
        directory = layout.directory(who)
        kvs = {kv.key: kv for kv in result.range(2 * index).kvs}
        roster = result.range(2 * index + 1).kvs
        found.append(_NameState(who, directory, kvs, roster[0] if roster else None, holder_in(directory, kvs)))
    return found


def holder_in(directory: str, kvs: t.Mapping[str, KeyValue]) -> t.Optional[Holder]:
    """The holder of a name by the keys in its `directory`; None if the name is free."""
    ip, node = kvs.get(directory + IP), kvs.get(directory + NODE)
    first = node or ip
    if first is None:
        return None
    try:
        document = parse_document(node.value) if node else Document()
    except InvalidNode:
        document = Document()  # this code did not write it, so the holder is another one
    return Holder(ip.value if ip else "", document.id, document.boot, document.agent, first.lease)


def _takeable(
    client: Client,
    wanted: Registration,
    found: t.Sequence[_NameState],
    lease: int,
    previous: t.Collection[int],
    wait: t.Callable[[float], None],
) -> t.Set[int]:
    """The former leases, other than `lease`, with which this machine holds names of `wanted`, and which are unused.

    A play has no boot id, so each run may take over from the former one. An agent has one, but a container shares it
    with its host, so a clone of the container can only be recognized by its lease. Raises Duplicate.
    """
    former: t.Set[int] = set()
    resting: t.Dict[int, t.Tuple[Identity, Holder]] = {}
    for seen in found[: len(wanted.identities)]:
        other = seen.holder
        if other is None or (lease and other.lease == lease):
            continue
        if other.id != wanted.document.id:
            raise Duplicate(
                f"{seen.who} is already registered by another holder ({other}). "
                "Give this host another name, or end the other registration"
            )
        if other.boot != wanted.document.boot or (other.boot and other.lease not in previous):
            resting[other.lease] = (seen.who, other)
        former.add(other.lease)
    for who, other in resting.values():
        _refuse_renewed(client, who, other, wait)
    return former - {0}


def _refuse_renewed(client: Client, who: Identity, other: Holder, wait: t.Callable[[float], None]) -> None:
    """Return if the lease of `other`, a registration of this machine, is no longer kept alive. Raises Duplicate.

    A new leader of etcd resets the time of all leases, so an election looks like a keepalive. That happens if hosts and
    etcd boot together after a power failure, so the lease is read again after an election.
    """
    before = client.lease_status(other.lease)
    for _election in range(_ELECTIONS):
        if before.ttl <= 0:
            return
        pause = before.granted / 3 * 1.2  # an agent renews its lease after a third of the TTL, plus or minus 10 %
        wait(pause)
        after = client.lease_status(other.lease)
        # Without a keepalive it has lost `pause` seconds. etcd returns whole seconds, so half of that is sufficient.
        if after.ttl <= before.ttl - pause / 2:
            return
        if after.term == before.term:
            break
        before = after
    raise Duplicate(
        f"{who} is already registered by a running machine with the same machine id ({other}). "
        "If one of them is a clone, give it another name and its own machine id (systemd-machine-id-setup), "
        "or set id_from to mac or dmi"
    )


def _difference(found: t.Sequence[_NameState], wanted: t.Mapping[str, str], lease: int) -> Claim:
    kvs = {key: kv for seen in found for key, kv in seen.kvs.items()}
    written = tuple(
        key for key, value in wanted.items() if key not in kvs or (kvs[key].value, kvs[key].lease) != (value, lease)
    )
    deleted = tuple(key for key, kv in kvs.items() if key not in wanted and kv.lease == lease)
    return Claim(written, deleted)


def _writes(
    layout: Layout, wanted: Registration, claim: Claim, found: t.Sequence[_NameState], leases: t.Sequence[int]
) -> t.List[t.Dict[str, t.Any]]:
    """The operations for `claim` and for the roster; `leases` are our own and the former ones that it replaces."""
    values, lease = wanted.keys(layout), leases[0]
    writes = [wire.put(key, values[key], lease) for key in claim.written] + [wire.delete(key) for key in claim.deleted]
    here = len(wanted.identities)
    ours = (lease, wanted.address)
    joining = [seen for seen in found[:here] if not seen.holder or (seen.holder.lease, seen.holder.address) != ours]
    leaving = [seen for seen in found[here:] if seen.holder and seen.holder.lease in leases]
    records = [(seen, _record(seen.roster, JOINED, wanted.address)) for seen in joining]
    records += [(seen, _record(seen.roster, LEFT)) for seen in leaving]
    return [wire.put(layout.roster(seen.who), record) for seen, record in records] + writes


def _record(former: t.Optional[KeyValue], state: str, address: str = "") -> str:
    """The roster entry: time of the first and of the last change, joined or left, and the last known address."""
    try:
        known = load(former.value, "roster entry") if former else {}
    except InvalidNode:
        known = {}
    now = int(time.time())
    record = {"first_seen": known.get("first_seen", now), "changed": now, "state": state}
    address = address or known.get("address", "")
    return dump({**record, "address": address} if address else record)


def _end_lease(client: Client, lease: int) -> None:
    try:
        client.lease_revoke(lease)
    except LeaseNotFound:
        pass  # it has expired
