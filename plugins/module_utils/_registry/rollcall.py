# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The roll call: who answers, read at one revision.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import collections
import dataclasses
import operator
import time
import typing as t

from .._etcd.client import Client
from .._etcd.wire import KeyValue
from . import maintenance
from .errors import EmptyRegistry, InvalidLayout, InvalidNode
from .layout import CHECKS, HEALTH, IP, NODE, Identity, Layout
from .model import (
    DRAIN,
    PASSING,
    Check,
    Document,
    Node,
    Service,
    parse_check,
    parse_document,
    valid_health,
    worst,
)
from .words import Network, shown, valid_address, valid_name, valid_word


class Rejected(t.NamedTuple):
    """A node that is left out, and why."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class Keys(t.NamedTuple):
    """All that a roll call is built from, as of `revision`: the keys under the prefix, and those of maintenance.

    `roster` has the keys of the roster, where that was asked for.
    """

    revision: int
    tree: t.Sequence[KeyValue]
    kept: t.Sequence[KeyValue] = ()
    roster: t.Sequence[KeyValue] = ()


class RollCall(t.NamedTuple):
    """All nodes as of `revision`, sorted by name, role and data centre, and those left out."""

    revision: int
    nodes: t.List[Node]
    rejected: t.List[Rejected]


def fetch(client: Client, layout: Layout, revision: int = 0, roster: bool = False) -> Keys:
    """Read every key at one revision, with `roster` also those of the roster. Raises EtcdError kinds."""
    tree = client.read_all(layout.prefix, revision)
    kept = client.read_all(layout.maintenance_prefix, tree.revision)
    history = client.read_all(layout.roster_prefix, tree.revision).kvs if roster else ()
    return Keys(tree.revision, tree.kvs, kept.kvs, history)


def read(client: Client, layout: Layout, allowed: t.Sequence[Network] = (), revision: int = 0) -> RollCall:
    """Read every node at one revision. Raises EtcdError kinds and InvalidLayout."""
    keys = fetch(client, layout, revision)
    return assemble(keys.revision, keys.tree, keys.kept, layout, allowed)


def read_some(client: Client, layout: Layout, allowed: t.Sequence[Network] = (), revision: int = 0) -> RollCall:
    """As `read`, but raises EmptyRegistry where no key is under the prefix: a wrong prefix looks just like that."""
    found = read(client, layout, allowed, revision)
    refuse_empty(found, layout, client.endpoint)
    return found


def refuse_empty(found: RollCall, layout: Layout, endpoint: str) -> None:
    """Raises EmptyRegistry where no key is under the prefix."""
    if not found.nodes and not found.rejected:
        raise EmptyRegistry(
            f"No node is registered under {layout.prefix} (etcd at {endpoint}, revision {found.revision}). "
            "Check the prefix, or say that it may be empty (allow_empty: true)"
        )


def assemble(
    revision: int,
    tree: t.Iterable[KeyValue],
    kept: t.Iterable[KeyValue],
    layout: Layout,
    allowed: t.Sequence[Network] = (),
) -> RollCall:
    """Build nodes from the keys under the prefix (`tree`) and under the maintenance prefix (`kept`).

    One bad node is left out and told of. Raises InvalidLayout where no key fits the layout, but some fit the other.
    """
    members: t.Dict[Identity, t.Dict[str, KeyValue]] = collections.defaultdict(dict)
    strays: t.List[str] = []
    for kv in tree:
        place = layout.parse(kv.key)
        if place is None:
            strays.append(kv.key)
        else:
            members[place[0]][place[1]] = kv
    if strays and not members:
        fitting = layout.fitting(strays)
        if fitting:
            raise InvalidLayout(
                f"The keys under {layout.prefix} do not fit the layout {layout.layout}; {fitting} would fit "
                f"(as {shown(strays[0])})"
            )
    drained = {layout.parse_state(kv.key, layout.maintenance_prefix): kv for kv in kept}
    now = time.time()
    nodes: t.List[Node] = []
    rejected = [Rejected(shown(key), f"the key does not fit the layout {layout.layout}") for key in strays]
    for who in sorted(members, key=lambda who: (who.name, who.role, who.dc)):
        try:
            nodes.append(_node(who, members[who], drained.get(who), allowed, now))
        except InvalidNode as exc:
            rejected.append(Rejected(shown(str(who)), str(exc)))
    return RollCall(revision, nodes, rejected)


def merge(
    nodes: t.Iterable[Node], called: t.Callable[[Node], str] = operator.attrgetter("name")
) -> t.Tuple[t.List[Node], t.List[Rejected]]:
    """One node for each name: the same host may answer under several roles or data centres.

    `called` says how a node is called, where that is not its name. It is one host only where machine id, lease and
    address agree; otherwise all of that name are left out, since nobody can tell which of them is meant.
    """
    by_name: t.Dict[str, t.List[Node]] = collections.defaultdict(list)
    for node in nodes:
        by_name[called(node)].append(node)
    merged: t.List[Node] = []
    rejected: t.List[Rejected] = []
    for name, same in by_name.items():
        if len({(node.document.id, node.lease, node.address) for node in same}) == 1 and (
            len(same) == 1 or same[0].document.id
        ):
            merged.append(_merged(same))
        else:
            places = ", ".join(node.place for node in same)
            rejected.append(
                Rejected(shown(name), f"the name is registered more than once, not by one machine: {places}")
            )
    return merged, rejected


def _node(
    who: Identity,
    keys: t.Mapping[str, KeyValue],
    kept: t.Optional[KeyValue],
    allowed: t.Sequence[Network],
    now: float,
) -> Node:
    valid_name(who.name)
    valid_word(who.role, "role")
    if who.dc:
        valid_word(who.dc, "data centre")
    if IP not in keys:
        raise InvalidNode("it has no ip key")
    address = valid_address(keys[IP].value, allowed)
    checks = tuple(
        parse_check(leaf[len(CHECKS) :], kv.value) for leaf, kv in sorted(keys.items()) if leaf.startswith(CHECKS)
    )
    document = parse_document(keys[NODE].value) if NODE in keys else Document()
    health = valid_health(keys[HEALTH].value.strip()) if HEALTH in keys else PASSING
    services = tuple(
        dataclasses.replace(service, health=_service_health(service, health, checks)) for service in document.services
    )
    return Node(
        dc=who.dc,
        role=who.role,
        name=who.name,
        address=address,
        health=health,
        document=dataclasses.replace(document, services=services) if services else document,
        checks=checks,
        maintenance=None if kept is None else maintenance.current(kept.value, now),
        lease=keys[IP].lease,
        revision=max(kv.mod_revision for kv in keys.values()),
        roles=(who.role,),
    )


def _service_health(service: Service, health: str, checks: t.Sequence[Check]) -> str:
    """The worst of the node's own checks and the service's own; without checks, and in drain, the node's health."""
    if health == DRAIN or not checks:
        return health
    return worst(check.status for check in checks if check.service in ("", service.name))


def _merged(same: t.Sequence[Node]) -> Node:
    first = same[0]
    if len(same) == 1:
        return first
    services = {service.name: service for node in same for service in node.services}
    return dataclasses.replace(
        first,
        roles=tuple(dict.fromkeys(node.role for node in same)),
        health=worst(node.health for node in same),
        document=dataclasses.replace(
            first.document,
            services=tuple(services[name] for name in sorted(services)),
            tags=tuple(dict.fromkeys(tag for node in same for tag in node.document.tags)),
            meta={key: value for node in reversed(same) for key, value in node.document.meta.items()},
        ),
        checks=tuple({check.name: check for node in same for check in node.checks}.values()),
        maintenance=next((node.maintenance for node in same if node.maintenance is not None), None),
        revision=max(node.revision for node in same),
    )
