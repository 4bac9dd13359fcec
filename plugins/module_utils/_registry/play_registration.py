# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nodes that no agent keeps: a play registers them, and its next run renews them.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from .._etcd import wire
from .._etcd.client import Client
from .._etcd.errors import EtcdError, LeaseNotFound, OutcomeUnknown, RollcallError
from .._etcd.text import shown
from .._etcd.wire import KeyValue
from . import reading, registration
from .bounds import MAX_KEYS
from .errors import Duplicate, InvalidNode, RegistryError
from .layout import NODE, Identity, Layout
from .model import PASSING, SCHEMA_VERSION, Node, parse_document
from .node_set import Admission, assemble
from .registration import Registration
from .strict_json import dump
from .validation import Network, valid_name, valid_word

Json = t.Dict[str, t.Any]

KEEPER = "play"  # stands where an agent has the id of its machine
_NO_LEASE = -1  # in a dry run: the lease that would be granted
_SHORTEST = 2  # seconds: the shortest lease of an etcd with its defaults; one with others tells as it grants

SERVICE_FIELDS = frozenset({"port", "weight", "weight_warning", "tags", "meta"})


class Outcome(t.NamedTuple):
    """What was done, or in a dry run would be done, for one node.

    `before` and `after` are the node as users see it, with the `ttl` of its lease in seconds; None: not registered.
    `lease` is 0 where it is not registered, or where a dry run would be granted a lease.
    """

    who: Identity
    changed: bool
    lease: int
    before: t.Optional[Json]
    after: t.Optional[Json]


def register(
    client: Client,
    layout: Layout,
    nodes: t.Sequence[Json],
    ttl: int,
    allowed: t.Sequence[Network] = (),
    dry_run: bool = False,
) -> t.List[Outcome]:
    """Write what differs, and renew each node's lease once; a lease of another `ttl` (seconds) is replaced.

    `nodes` are as `wanted` takes them. All are checked before anything is written. Raises InvalidNode, InvalidLayout,
    Duplicate where a name is not held by a play, RegistryError where etcd grants no such `ttl`, and EtcdError kinds.
    """
    if ttl < _SHORTEST:
        raise _raised(ttl, _SHORTEST)
    registrations = [wanted(fields, layout, allowed) for fields in nodes]
    _refuse_twins(client, layout, [node.who for node in registrations])
    standings = [_look(client, layout, node.who, allowed) for node in registrations]
    outcomes = []
    for node, standing in zip(registrations, standings):
        changed, lease = _register(client, layout, node, standing, ttl, dry_run)
        after = dict(read_back(node, layout, allowed).public(), ttl=ttl)
        outcomes.append(Outcome(node.who, changed, lease, standing.shown, after))
    return outcomes


def withdraw(
    client: Client, layout: Layout, nodes: t.Sequence[Json], allowed: t.Sequence[Network] = (), dry_run: bool = False
) -> t.List[Outcome]:
    """Take nodes (`name`, `role`, `dc`) out on purpose. Raises as `register` does."""
    names = [_identity(fields) for fields in nodes]
    standings = [_look(client, layout, who, allowed) for who in names]
    for who, standing in zip(names, standings):
        if standing.held and not dry_run:
            registration.withdraw(client, layout, [who], standing.lease)
            if not standing.lease:  # its keys were copied, say, and leases are not: nothing takes them along
                directory = layout.directory(who)
                guard, gone = wire.held_by(directory + NODE, 0), wire.delete(directory, prefix=True)
                client.txn([guard], [gone], what=f"Withdrawing {who}")
    return [Outcome(who, standing.held, 0, standing.shown, None) for who, standing in zip(names, standings)]


def wanted(fields: Json, layout: Layout, allowed: t.Sequence[Network] = ()) -> Registration:
    """What a play says of a node: `name`, `role`, `dc`, `address`, `health`, `services`, `tags`, `meta`.

    It is read as every reader of the registry will read it, so nothing is written that they would leave out.
    Raises InvalidNode and InvalidLayout.
    """
    who = _identity(fields)
    services = fields.get("services") or {}
    said = {"v": SCHEMA_VERSION, "id": KEEPER, "services": services}
    said.update(tags=fields.get("tags") or [], meta=fields.get("meta") or {})
    with _naming(who):
        _refuse_unknown(services)
        node = Registration(
            who, fields.get("address") or "", parse_document(dump(said)), fields.get("health") or PASSING
        )
        return dataclasses.replace(node, address=read_back(node, layout, allowed).address)


def read_back(node: Registration, layout: Layout, allowed: t.Sequence[Network] = ()) -> Node:
    """The node that readers will see. Raises InvalidNode where they would leave it out."""
    kvs = [KeyValue(key, value, 0, 0, 0, 0) for key, value in node.keys(layout).items()]
    found = assemble(0, kvs, (), layout, Admission(allowed, unleased=True))
    if found.rejected:
        raise InvalidNode(found.rejected[0].reason)
    return found.nodes[0]


class _Standing(t.NamedTuple):
    """How a name stands now. `ttl` is the seconds its lease was granted, 0 where that has ended."""

    held: bool
    lease: int
    ttl: int
    shown: t.Optional[Json]


def _look(client: Client, layout: Layout, who: Identity, allowed: t.Sequence[Network]) -> _Standing:
    directory = layout.directory(who)
    kvs = client.range(directory, prefix=True, limit=MAX_KEYS + 1).kvs
    holder = registration.holder_in(directory, {kv.key: kv for kv in kvs})
    if holder is None:
        return _Standing(False, 0, 0, None)
    if holder.id != KEEPER:
        raise Duplicate(
            f"{who} is registered by somebody else ({holder}), and a play does not change that. "
            "End that registration first, or give this node another name"
        )
    status = client.lease_status(holder.lease)
    ttl = status.granted if status.ttl >= 0 else 0  # 0 is its last second
    nodes = assemble(0, kvs, (), layout, Admission(allowed, unleased=True)).nodes
    return _Standing(True, holder.lease, ttl, dict(nodes[0].public(), ttl=ttl) if nodes else {})


def _register(
    client: Client, layout: Layout, node: Registration, standing: _Standing, ttl: int, dry_run: bool
) -> t.Tuple[bool, int]:
    """Returns whether anything was written, and the lease."""
    kept = standing.lease if standing.ttl == ttl else 0
    if dry_run:
        claim = registration.reconcile(client, layout, node, kept or _NO_LEASE, dry_run=True)
        return claim.changed, kept
    if kept:
        try:
            client.lease_keepalive(kept)
        except LeaseNotFound:  # it has ended since
            kept = 0
    lease = kept or _grant(client, ttl)
    try:
        claim = registration.reconcile(client, layout, node, lease)
    except OutcomeUnknown:
        raise  # the lease may hold the node by now, which would go with it
    except RollcallError:
        if not kept:
            _give_back(client, lease)
        raise
    return claim.changed, lease


def _identity(fields: Json) -> Identity:
    who = Identity(fields.get("dc") or "", fields["role"], fields["name"])
    with _naming(who):
        valid_name(who.name)
        valid_word(who.role, "role")
        if who.dc:
            valid_word(who.dc, "data centre")
    return who


@contextlib.contextmanager
def _naming(who: Identity) -> t.Iterator[None]:
    """Errors in the block name the node that they are about: it may be one of a long list."""
    try:
        yield
    except InvalidNode as exc:
        raise InvalidNode(f"The node {shown(str(who))} cannot be registered: {exc}") from None


def _refuse_unknown(services: t.Any) -> None:
    """Readers pass over the fields they do not know, but here such a field is a slip of the pen."""
    for name, service in services.items() if isinstance(services, dict) else ():
        for field in service if isinstance(service, dict) else ():
            if field not in SERVICE_FIELDS:
                known = ", ".join(sorted(SERVICE_FIELDS))
                raise InvalidNode(f"service {shown(name)} has the unknown field {shown(field)} (known are {known})")


def _refuse_twins(client: Client, layout: Layout, names: t.Sequence[Identity]) -> None:
    """Each node has a lease of its own, so readers could not tell two of one name apart, and would leave both out."""
    by_name: t.Dict[str, Identity] = {}
    for who in names:
        twin = by_name.setdefault(who.name, who)
        if twin is not who:
            raise InvalidNode(f"{twin} and {who} have the same name: give every node a name of its own")
    for kv in reading.read(client, layout.prefix, layout.bounded_directory, keys_only=True).found.kvs:
        place = layout.parse(kv.key)
        if place and by_name.get(place[0].name, place[0]) != place[0]:
            raise Duplicate(
                f"{by_name[place[0].name]} cannot be registered: the name is taken by {place[0]}. "
                "Every node needs a name of its own, or readers would leave both out"
            )


def _grant(client: Client, ttl: int) -> int:
    lease, granted = client.lease_grant(ttl)
    if granted != ttl:  # then no later run could tell whether the lease is as it should be
        _give_back(client, lease)
        raise _raised(ttl, granted)
    return lease


def _raised(ttl: int, granted: int) -> RegistryError:
    return RegistryError(
        f"etcd grants leases of {granted} seconds where {ttl} are asked for: give a ttl of at least {granted}"
    )


def _give_back(client: Client, lease: int) -> None:
    """End a lease that was granted for nothing. One that has come to hold keys stays, as they would go with it."""
    try:
        if not client.lease_status(lease, keys=True).keys:
            client.lease_revoke(lease)
    except EtcdError:
        pass  # it ends by itself
