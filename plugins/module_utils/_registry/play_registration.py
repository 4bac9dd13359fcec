# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nodes without an agent: a play registers them, and its next run renews their leases.

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

KEEPER = "play"  # the id in the document, where an agent has its machine id
_NO_LEASE = -1  # stands for the lease that would be granted, in a dry run
_SHORTEST = 2  # seconds; etcd's shortest lease with its defaults. With other settings, the grant shows it.

SERVICE_FIELDS = frozenset({"port", "weight", "weight_warning", "tags", "meta"})


class RegistrationResult(t.NamedTuple):
    """The change to one node, or in a dry run the change that would be made.

    `before` and `after` are the public fields of the node with the `ttl` of its lease in seconds; None: not registered.
    `lease` is 0 if the node is not registered, or if a dry run would grant a lease.
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
) -> t.List[RegistrationResult]:
    """Write the differences, and renew each node's lease once; a lease with another `ttl` (seconds) is replaced.

    `nodes` have the form that `wanted` accepts. All are validated before the first write. Raises InvalidNode,
    InvalidLayout, Duplicate if the holder of a name is not a play, RegistryError if etcd does not grant this `ttl`, and
    EtcdError kinds.
    """
    if ttl < _SHORTEST:
        raise _raised(ttl, _SHORTEST)
    registrations = [wanted(fields, layout, allowed) for fields in nodes]
    _refuse_twins(client, layout, [node.who for node in registrations])
    former = [_read(client, layout, node.who, allowed) for node in registrations]
    results = []
    for node, current in zip(registrations, former):
        changed, lease = _register(client, layout, node, current, ttl, dry_run)
        after = dict(read_back(node, layout, allowed).public(), ttl=ttl)
        results.append(RegistrationResult(node.who, changed, lease, current.shown, after))
    return results


def deregister(
    client: Client, layout: Layout, nodes: t.Sequence[Json], allowed: t.Sequence[Network] = (), dry_run: bool = False
) -> t.List[RegistrationResult]:
    """Deregister nodes (`name`, `role`, `dc`). Raises the same errors as `register`."""
    names = [_identity(fields) for fields in nodes]
    former = [_read(client, layout, who, allowed) for who in names]
    for who, current in zip(names, former):
        if current.held and not dry_run:
            registration.deregister(client, layout, [who], current.lease)
            if not current.lease:  # such as keys that were copied without their lease: no revocation deletes them
                directory = layout.directory(who)
                guard, gone = wire.held_by(directory + NODE, 0), wire.delete(directory, prefix=True)
                client.txn([guard], [gone], what=f"Deregistering {who}")
    return [RegistrationResult(who, current.held, 0, current.shown, None) for who, current in zip(names, former)]


def wanted(fields: Json, layout: Layout, allowed: t.Sequence[Network] = ()) -> Registration:
    """The registration of a node by a play: `name`, `role`, `dc`, `address`, `health`, `services`, `tags`, `meta`.

    The result is read back in the same way as by all readers of the registry, so only nodes that they accept are
    written. Raises InvalidNode and InvalidLayout.
    """
    who = _identity(fields)
    services = fields.get("services") or {}
    document = {"v": SCHEMA_VERSION, "id": KEEPER, "services": services}
    document.update(tags=fields.get("tags") or [], meta=fields.get("meta") or {})
    with _naming(who):
        _refuse_unknown(services)
        node = Registration(
            who, fields.get("address") or "", parse_document(dump(document)), fields.get("health") or PASSING
        )
        return dataclasses.replace(node, address=read_back(node, layout, allowed).address)


def read_back(node: Registration, layout: Layout, allowed: t.Sequence[Network] = ()) -> Node:
    """The node that readers will see. Raises InvalidNode if they would reject it."""
    kvs = [KeyValue(key, value, 0, 0, 0, 0) for key, value in node.keys(layout).items()]
    found = assemble(0, kvs, (), layout, Admission(allowed, unleased=True))
    if found.rejected:
        raise InvalidNode(found.rejected[0].reason)
    return found.nodes[0]


class _Current(t.NamedTuple):
    """The current registration of a name. `ttl` is the granted time of its lease in seconds, 0 if that has expired.

    `shown` is the `before` of a RegistrationResult.
    """

    held: bool
    lease: int
    ttl: int
    shown: t.Optional[Json]


def _read(client: Client, layout: Layout, who: Identity, allowed: t.Sequence[Network]) -> _Current:
    directory = layout.directory(who)
    kvs = client.range(directory, prefix=True, limit=MAX_KEYS + 1).kvs
    holder = registration.holder_in(directory, {kv.key: kv for kv in kvs})
    if holder is None:
        return _Current(False, 0, 0, None)
    if holder.id != KEEPER:
        raise Duplicate(
            f"{who} is already registered by another holder ({holder}), whose registration a play does not change. "
            "End that registration first, or give this node another name"
        )
    status = client.lease_status(holder.lease)
    ttl = status.granted if status.ttl >= 0 else 0  # 0 is its last second
    nodes = assemble(0, kvs, (), layout, Admission(allowed, unleased=True)).nodes
    return _Current(True, holder.lease, ttl, dict(nodes[0].public(), ttl=ttl) if nodes else {})


def _register(
    client: Client, layout: Layout, node: Registration, current: _Current, ttl: int, dry_run: bool
) -> t.Tuple[bool, int]:
    """Returns whether anything was written, and the lease."""
    reused = current.lease if current.ttl == ttl else 0
    if dry_run:
        claim = registration.reconcile(client, layout, node, reused or _NO_LEASE, dry_run=True)
        return claim.changed, reused
    if reused:
        try:
            client.lease_keepalive(reused)
        except LeaseNotFound:  # it has expired since it was read
            reused = 0
    lease = reused or _grant(client, ttl)
    try:
        claim = registration.reconcile(client, layout, node, lease)
    except OutcomeUnknown:
        raise  # the node may be registered by now, and revoking the lease would delete it
    except RollcallError:
        if not reused:
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
    """Add the node to errors in the block, since it may be one of a long list."""
    try:
        yield
    except InvalidNode as exc:
        raise InvalidNode(f"Cannot register {shown(str(who))}: {exc}") from None


def _refuse_unknown(services: t.Any) -> None:
    """Reject unknown fields of services. Readers ignore them, but in a play such a field is a mistake."""
    for name, service in services.items() if isinstance(services, dict) else ():
        for field in service if isinstance(service, dict) else ():
            if field not in SERVICE_FIELDS:
                known = ", ".join(sorted(SERVICE_FIELDS))
                raise InvalidNode(f"service {shown(name)}: expected the fields {known}, got {shown(field)}")


def _refuse_twins(client: Client, layout: Layout, names: t.Sequence[Identity]) -> None:
    """Reject a name that is already used: readers cannot tell two nodes of one name apart, and would reject both."""
    by_name: t.Dict[str, Identity] = {}
    for who in names:
        twin = by_name.setdefault(who.name, who)
        if twin is not who:
            raise InvalidNode(f"nodes: expected each name once, got {twin} and {who}. Give one of them another name")
    for kv in reading.read(client, layout.prefix, layout.bounded_directory, keys_only=True).found.kvs:
        place = layout.parse(kv.key)
        if place and by_name.get(place[0].name, place[0]) != place[0]:
            raise Duplicate(
                f"Cannot register {by_name[place[0].name]}: {place[0]} already has this name. "
                "Give one of them another name: readers reject nodes that share a name"
            )


def _grant(client: Client, ttl: int) -> int:
    lease, granted = client.lease_grant(ttl)
    if granted != ttl:  # then no later run could tell whether the lease has the requested TTL
        _give_back(client, lease)
        raise _raised(ttl, granted)
    return lease


def _raised(ttl: int, granted: int) -> RegistryError:
    return RegistryError(f"ttl: expected at least {granted} seconds, the shortest lease that etcd grants, got {ttl}")


def _give_back(client: Client, lease: int) -> None:
    """Revoke a lease that was granted in vain, unless keys were attached to it, which would be deleted."""
    try:
        if not client.lease_status(lease, keys=True).keys:
            client.lease_revoke(lease)
    except EtcdError:
        pass  # it will expire
