# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answering the roll call: claim a name, keep its keys as they must be, leave.

Internal to the collection: no promise is made to other users of this file.

One idea serves claim, repair and change of status: `reconcile` reads the node's keys, decides whether they are ours,
and writes in one guarded transaction what differs. Where nothing differs it writes nothing.
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

_ELECTIONS = 3  # looks at a lease while etcd elects one leader after the other
_RACES = 5  # how often others may write between our read and our transaction before we give up
_OPERATIONS = 128  # of one transaction: etcd's --max-txn-ops, by default


@dataclasses.dataclass(frozen=True)
class Registration:
    """What a node wants to be known as. `document.id` must be set: it tells this keeper from others.

    `also` has further roles of it: each has all of its keys again, under the same lease.
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
        """Every name that the node answers to."""
        return (self.who, *(self.who._replace(role=role) for role in self.also))

    def keys(self, layout: Layout) -> t.Dict[str, str]:
        """Every key that the lease is to hold, the claim of each name first. Raises InvalidNode if that is too much."""
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
        """The keys of the checks, with output as long as all of them have `room` for."""
        values: t.Dict[str, str] = {}
        for length in (MAX_VALUE, 100, 50, 20, 0):
            shortened = (dataclasses.replace(check, output=check.output[:length]) for check in self.checks)
            values = {CHECKS + check.name: dump(check.document()) for check in shortened}
            if sum(map(len, values.values())) <= room:
                break
        return values


class Holder(t.NamedTuple):
    """Who holds a name now. `id` is "" for one that wrote no document (the article's commands)."""

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
    """What `reconcile` found and did. `written` and `deleted` name keys; both empty: all was as it must be."""

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
    leaving: t.Sequence[Identity] = (),
    previous: t.Collection[int] = (),
    grant: t.Optional[t.Callable[[], int]] = None,
) -> Claim:
    """Make the node's keys be `wanted` under `lease`; with `dry_run` only tell what would be written.

    With `lease` 0 one is taken from `grant`, once the names are known to be free and just before they are claimed: to a
    lease without keys every user of etcd may attach a key, and then nobody else can write under it or revoke it.

    All of its names are taken, or none. `leaving` are names that it had before: what is ours there goes in the same
    transaction. `wait` is called with seconds where this machine holds a name under a lease that is neither `lease` nor
    one of `previous`: it is watched for a keepalive, as it may be that of a clone. Raises Duplicate where somebody else
    holds a name, LeaseNotFound where our lease is gone.
    """
    for _race in range(_RACES):
        found = _look(client, layout, (*wanted.identities, *leaving))
        former = _takeable(client, wanted, found, lease, previous, wait)
        lease = lease or (grant() if grant else 0)
        claim = _difference(found, wanted.keys(layout), lease)
        writes = _writes(layout, wanted, claim, found, (lease, *former))
        if dry_run or not writes:
            return claim
        result = client.txn(
            compare=[wire.unchanged(key, revision) for seen in found for key, revision in seen.guards.items()],
            success=writes[:_OPERATIONS],
            what=f"Registering {wanted}",
        )
        # What does not fit into one transaction comes with the next: the names are taken by then.
        if result.succeeded and len(writes) <= _OPERATIONS:
            for other in former:  # only what a former configuration left still hangs on it
                with contextlib.suppress(PermissionDenied):  # of a role that is no longer ours: it ends by itself
                    _end_lease(client, other)
            return claim
    raise Conflict(f"Registering {wanted} failed: its keys were changed by others {_RACES} times meanwhile")


def withdraw(client: Client, layout: Layout, names: t.Sequence[Identity], lease: int) -> None:
    """Leave on purpose: say so in the roster, then end the lease, which deletes every key it holds (one raft entry)."""
    held = [seen for seen in _look(client, layout, names) if seen.holder and seen.holder.lease == lease]
    if held:
        client.txn(
            [wire.held_by(seen.directory + IP, lease) for seen in held],
            [wire.put(layout.roster(seen.who), _record(seen.roster, LEFT)) for seen in held],
            what=f"Withdrawing {', '.join(map(str, names))}",
        )
    _end_lease(client, lease)


class _Seen(t.NamedTuple):
    """The keys of one name and its roster entry."""

    who: Identity
    directory: str
    kvs: t.Dict[str, KeyValue]
    roster: t.Optional[KeyValue]
    holder: t.Optional[Holder]

    @property
    def guards(self) -> t.Dict[str, int]:
        """The keys that decide who holds the name, with the revision at which each was written (0: is not there)."""
        keys = (self.directory + IP, self.directory + NODE)
        return {key: self.kvs[key].mod_revision if key in self.kvs else 0 for key in keys}


def _look(client: Client, layout: Layout, names: t.Sequence[Identity]) -> t.List[_Seen]:
    """Read what is there of all names, at one revision."""
    gets = [(wire.get(layout.directory(who), prefix=True), wire.get(layout.roster(who))) for who in names]
    result = client.txn(
        success=[get for pair in gets for get in pair], what=f"Reading the keys of {', '.join(map(str, names))}"
    )
    found = []
    for index, who in enumerate(names):
        directory = layout.directory(who)
        kvs = {kv.key: kv for kv in result.range(2 * index).kvs}
        roster = result.range(2 * index + 1).kvs
        found.append(_Seen(who, directory, kvs, roster[0] if roster else None, holder_in(directory, kvs)))
    return found


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


def _takeable(
    client: Client,
    wanted: Registration,
    found: t.Sequence[_Seen],
    lease: int,
    previous: t.Collection[int],
    wait: t.Callable[[float], None],
) -> t.Set[int]:
    """The leases of this machine that hold names of `wanted`, but `lease`; nobody else uses them.

    A play has no boot: what one registered the next may take. An agent has; a container shares its host's, so that a
    clone of it is told by its lease alone. Raises Duplicate.
    """
    former: t.Set[int] = set()
    resting: t.Dict[int, t.Tuple[Identity, Holder]] = {}
    for seen in found[: len(wanted.identities)]:
        other = seen.holder
        if other is None or (lease and other.lease == lease):
            continue
        if other.id != wanted.document.id:
            raise Duplicate(
                f"{seen.who} is registered by somebody else ({other}). "
                "Give this host another name, or end the other registration"
            )
        if other.boot != wanted.document.boot or (other.boot and other.lease not in previous):
            resting[other.lease] = (seen.who, other)
        former.add(other.lease)
    for who, other in resting.values():
        _refuse_renewed(client, who, other, wait)
    return former - {0}


def _refuse_renewed(client: Client, who: Identity, other: Holder, wait: t.Callable[[float], None]) -> None:
    """Return where the lease of `other`, a registration of this machine, is no longer renewed. Raises Duplicate.

    A new leader of etcd gives every lease all of its time, so that an election looks like a keepalive. Hosts and etcd
    that boot together after a power cut see one: they look again.
    """
    before = client.lease_status(other.lease)
    for _look in range(_ELECTIONS):
        if before.ttl <= 0:
            return
        pause = before.granted / 3 * 1.2  # every keeper renews once in a third of the time to live, give or take 10 %
        wait(pause)
        after = client.lease_status(other.lease)
        # Left alone it would have lost `pause` seconds; etcd tells whole seconds, so half of that is a clear sign.
        if after.ttl <= before.ttl - pause / 2:
            return
        if after.term == before.term:
            break
        before = after
    raise Duplicate(
        f"{who} is registered by a machine with the same machine id that is alive ({other}). "
        "Is one of them a clone? Give it another name, and a machine id of its own (systemd-machine-id-setup), "
        "or take the id from elsewhere (id_from: mac or dmi)"
    )


def _difference(found: t.Sequence[_Seen], wanted: t.Mapping[str, str], lease: int) -> Claim:
    kvs = {key: kv for seen in found for key, kv in seen.kvs.items()}
    written = tuple(
        key for key, value in wanted.items() if key not in kvs or (kvs[key].value, kvs[key].lease) != (value, lease)
    )
    deleted = tuple(key for key, kv in kvs.items() if key not in wanted and kv.lease == lease)
    return Claim(written, deleted)


def _writes(
    layout: Layout, wanted: Registration, claim: Claim, found: t.Sequence[_Seen], leases: t.Sequence[int]
) -> t.List[t.Dict[str, t.Any]]:
    """The operations that `claim` and the roster call for; `leases` are our own and those that we take over from."""
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
    """The roster's entry: when first seen, when last changed, joined or left, and the last address, if one is known."""
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
        pass  # it ended by itself
