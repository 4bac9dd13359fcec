# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The nodes of the registry at one revision, and the rejected nodes with the reasons.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import collections
import dataclasses
import operator
import time
import typing as t

from .._etcd.client import Client
from .._etcd.text import printable, shown
from .._etcd.wire import KeyValue, RangeResult
from . import maintenance, reading
from .bounds import refuse_excess
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
from .validation import Network, valid_address, valid_name, valid_word


class Admission(t.NamedTuple):
    """Which nodes a reader accepts: those with an address in `networks` (empty: any address that another host can
    reach). `unleased` also accepts nodes without a lease."""

    networks: t.Sequence[Network] = ()
    unleased: bool = False


DEFAULT_ADMISSION = Admission()


class Rejected(t.NamedTuple):
    """A node that is rejected, and why."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class Keys(t.NamedTuple):
    """The keys that a NodeSet is built from, as of `revision`: those under the prefix (`tree`) and of maintenance.

    `roster` contains the keys of the roster if they were requested.
    """

    revision: int
    tree: t.Sequence[KeyValue]
    maintenance: t.Sequence[KeyValue] = ()
    roster: t.Sequence[KeyValue] = ()


class NodeSet(t.NamedTuple):
    """All nodes as of `revision`, sorted by name, role and data centre, and the rejected ones, with one entry for each.

    `notes` are sentences about nodes that are accepted, but whose data needs attention.
    """

    revision: int
    nodes: t.List[Node]
    rejected: t.List[Rejected]
    notes: t.Sequence[str] = ()


def fetch(client: Client, layout: Layout, revision: int = 0, roster: bool = False) -> Keys:
    """Read all keys at one revision, including the roster if `roster` is true. Raises EtcdError kinds."""

    def read(prefix: str, revision: int) -> RangeResult:
        return reading.read(client, prefix, layout.bounded_directory, revision).found

    tree = read(layout.prefix, revision)
    in_maintenance = read(layout.maintenance_prefix, tree.revision)
    entries = read(layout.roster_prefix, tree.revision).kvs if roster else ()
    return Keys(tree.revision, tree.kvs, in_maintenance.kvs, entries)


def read(client: Client, layout: Layout, admission: Admission = DEFAULT_ADMISSION, revision: int = 0) -> NodeSet:
    """Read all nodes at one revision. Raises EtcdError kinds and InvalidLayout."""
    keys = fetch(client, layout, revision)
    return assemble(keys.revision, keys.tree, keys.maintenance, layout, admission)


def read_some(client: Client, layout: Layout, admission: Admission = DEFAULT_ADMISSION, revision: int = 0) -> NodeSet:
    """Like `read`, but raises EmptyRegistry if no key is under the prefix, since a wrong prefix has the same effect."""
    found = read(client, layout, admission, revision)
    refuse_empty(found, layout, client.endpoint)
    return found


def refuse_empty(found: NodeSet, layout: Layout, endpoint: str) -> None:
    """Raises EmptyRegistry if no key is under the prefix."""
    if not found.nodes and not found.rejected:
        raise EmptyRegistry(
            f"No node is registered under {layout.prefix} (etcd at {endpoint}, revision {found.revision}). "
            "Check the prefix. If the registry may be empty, set allow_empty: true"
        )


class NodeKeys:
    """The keys of one node: `leaves` by their name, and `strays`, which do not fit the layout."""

    def __init__(self) -> None:
        self.leaves: t.Dict[str, KeyValue] = {}
        self.strays: t.List[KeyValue] = []


class Judgement(t.NamedTuple):
    """The result for one node: the node, or the reason why it is rejected, or neither if it has no key that fits.

    `unfit` reports keys that do not fit the layout, `note` is a sentence about an accepted node that needs attention.
    """

    node: t.Optional[Node] = None
    rejected: t.Optional[Rejected] = None
    unfit: t.Optional[Rejected] = None
    note: str = ""


def assemble(
    revision: int,
    tree: t.Iterable[KeyValue],
    maintenance_keys: t.Iterable[KeyValue],
    layout: Layout,
    admission: Admission = DEFAULT_ADMISSION,
) -> NodeSet:
    """Build nodes from the keys under the prefix (`tree`) and those under the maintenance prefix.

    An invalid node is rejected without affecting others. Keys that do not fit the layout are last in `rejected`. Raises
    InvalidLayout if no key fits the layout, but some fit the other layout.
    """
    keys, homeless = group(tree, layout)
    if not any(own.leaves for own in keys.values()):
        refuse_other_layout([*homeless, *(kv.key for own in keys.values() for kv in own.strays)], layout)
    in_maintenance = {layout.parse_state(kv.key, layout.maintenance_prefix): kv for kv in maintenance_keys}
    now = time.time()
    judged = [
        judge(who, keys[who], in_maintenance.get(who), layout, admission, now) for who in sorted(keys, key=in_order)
    ]
    return NodeSet(
        revision,
        [one.node for one in judged if one.node],
        [
            *(one.rejected for one in judged if one.rejected),
            *(one.unfit for one in judged if one.unfit),
            *homeless_keys(homeless, layout),
        ],
        [one.note for one in judged if one.note],
    )


def in_order(who: Identity) -> t.Tuple[str, str, str]:
    """The sort key of nodes."""
    return who.name, who.role, who.dc


def refuse_other_layout(strays: t.Sequence[str], layout: Layout) -> None:
    """Raises InvalidLayout if some of `strays`, the keys of a registry without a node, fit the other layout."""
    fitting = layout.fitting(strays)
    if fitting:
        raise InvalidLayout(
            f"The keys under {layout.prefix} do not fit the layout {layout.layout}, but {fitting} (such as "
            f"{shown(strays[0])}). Change the layout"
        )


def judge(
    who: Identity,
    keys: NodeKeys,
    maintenance_key: t.Optional[KeyValue],
    layout: Layout,
    admission: Admission,
    now: float,
) -> Judgement:
    """Parse and validate one node, at the time `now`, from its keys and the key of its maintenance."""
    try:
        refuse_excess([*keys.leaves.values(), *keys.strays])
        node = _node(who, keys.leaves, maintenance_key, admission, now) if keys.leaves else None
    except InvalidNode as exc:
        return Judgement(rejected=Rejected(shown(str(who)), str(exc)))
    unfit = _unfit([kv.key for kv in keys.strays], shown(str(who)), layout) if keys.strays else None
    return Judgement(node, None, unfit, _unleased(who, keys.leaves) if node else "")


def homeless_keys(keys: t.Sequence[str], layout: Layout) -> t.List[Rejected]:
    """One entry for the keys outside the directories of nodes, if there are any."""
    return [_unfit(keys, f"{len(keys)} keys of no node", layout)] if keys else []


def group(tree: t.Iterable[KeyValue], layout: Layout) -> t.Tuple[t.Dict[Identity, NodeKeys], t.List[str]]:
    """The keys of each node, and the keys outside the directories of nodes."""
    keys: t.Dict[Identity, NodeKeys] = collections.defaultdict(NodeKeys)
    homeless: t.List[str] = []
    for kv in tree:
        place = layout.parse(kv.key)
        if place is not None:
            keys[place[0]].leaves[place[1]] = kv
            continue
        owner = layout.owner(kv.key)
        if owner is None:
            homeless.append(kv.key)
        else:
            keys[owner].strays.append(kv)
    return keys, homeless


def _unfit(keys: t.Sequence[str], path: str, layout: Layout) -> Rejected:
    """One entry for keys that do not fit the layout."""
    if len(keys) == 1:
        return Rejected(shown(keys[0]), f"the key does not fit the layout {layout.layout}")
    return Rejected(path, f"{len(keys)} keys do not fit the layout {layout.layout}, such as {shown(keys[0])}")


def _unleased(who: Identity, keys: t.Mapping[str, KeyValue]) -> str:
    """A note if some keys of a node with a lease lack it: they would also describe the next node of that name."""
    found = [kv.key for kv in keys.values() if not kv.lease] if keys[IP].lease else []
    if not found:
        return ""
    more = f" and {len(found) - 1} more" if found[1:] else ""
    return (
        f"{shown(str(who))}: the key {shown(found[0])}{more} has no lease and will outlive the node. Delete it, or "
        "write it with the lease of the node"
    )


def hosts(call: NodeSet) -> NodeSet:
    """`call` with one node for each host, and notes about hosts that share an address. See `merge`."""
    nodes, ambiguous = merge(call.nodes)
    return NodeSet(call.revision, nodes, [*ambiguous, *call.rejected], [*call.notes, *shared_notes(nodes)])


def shared_notes(nodes: t.Iterable[Node]) -> t.List[str]:
    """A note about each host that has the address of another host."""
    return [f"{shown(other.place)}: {later_address(other, first)}" for first, other in shared_addresses(nodes)]


def shared_addresses(
    nodes: t.Iterable[Node], name_of: t.Callable[[Node], str] = operator.attrgetter("name")
) -> t.List[t.Tuple[Node, Node]]:
    """Pairs of different hosts with the same address: the one that was first, with each of the others.

    A node with a lease comes before one without, then the older one, then the one whose name sorts first.
    """
    by_address: t.Dict[str, t.List[Node]] = collections.defaultdict(list)
    for node in nodes:
        by_address[node.address].append(node)
    pairs: t.List[t.Tuple[Node, Node]] = []
    for address, same in by_address.items():
        if address and len(same) > 1:
            first, *others = sorted(same, key=lambda node: (not node.lease, node.created, node.name))
            pairs += [(first, other) for other in others if not _same(first, other, name_of)]
    return pairs


def later_address(other: Node, first: Node) -> str:
    """The reason why a node with the address of another one is suspect."""
    return f"its address {other.address} already belongs to {shown(first.place)}, which was registered first"


def _same(node: Node, other: Node, name_of: t.Callable[[Node], str]) -> bool:
    """Whether two registrations belong to the same machine, or have the same name, which `merge` decides about."""
    if node.document.id and (node.document.id, node.lease) == (other.document.id, other.lease):
        return True
    return name_of(node) == name_of(other) != node.address


def merge(
    nodes: t.Iterable[Node], name_of: t.Callable[[Node], str] = operator.attrgetter("name")
) -> t.Tuple[t.List[Node], t.List[Rejected]]:
    """One node for each name: a host can be registered with several roles or data centres.

    `name_of` gives the inventory name of a node. Registrations of one name are merged only if machine id, lease and
    address are equal. Otherwise all of them are rejected, since it is unknown which one is right.
    """
    by_name: t.Dict[str, t.List[Node]] = collections.defaultdict(list)
    for node in nodes:
        by_name[name_of(node)].append(node)
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
                Rejected(shown(name), f"the name is registered more than once, and not by the same machine: {places}")
            )
    return merged, rejected


def require_lease(kv: KeyValue) -> None:
    """Raises InvalidNode if the key that makes a node has no lease."""
    if not kv.lease:
        raise InvalidNode(
            f"the key {printable(kv.key, 400)} has no lease, so etcd never removes the node. Write it with a lease "
            "(etcdctl put --lease), or accept such nodes with the option allow_unleased"
        )


def _node(
    who: Identity,
    keys: t.Mapping[str, KeyValue],
    maintenance_key: t.Optional[KeyValue],
    admission: Admission,
    now: float,
) -> Node:
    valid_name(who.name)
    valid_word(who.role, "role")
    if who.dc:
        valid_word(who.dc, "data centre")
    if IP not in keys:
        raise InvalidNode("it has no ip key")
    address = valid_address(keys[IP].value, admission.networks)
    if not admission.unleased:
        require_lease(keys[IP])
    checks = tuple(
        parse_check(leaf[len(CHECKS) :], kv.value) for leaf, kv in sorted(keys.items()) if leaf.startswith(CHECKS)
    )
    document = parse_document(keys[NODE].value) if NODE in keys else Document()
    health = valid_health(keys[HEALTH].value.strip()) if HEALTH in keys else PASSING
    services = tuple(_with_health(service, health, checks) for service in document.services)
    return Node(
        dc=who.dc,
        role=who.role,
        name=who.name,
        address=address,
        health=health,
        document=document if services == document.services else dataclasses.replace(document, services=services),
        checks=checks,
        maintenance=None if maintenance_key is None else maintenance.current(maintenance_key.value, now),
        lease=keys[IP].lease,
        created=keys[IP].create_revision,
        revision=max(kv.mod_revision for kv in keys.values()),
        roles=(who.role,),
    )


def _with_health(service: Service, health: str, checks: t.Sequence[Check]) -> Service:
    """The service with the worst status of its checks and those of the node itself; with the node's health if that is
    drain, or if the node has no checks."""
    if health != DRAIN and checks:
        health = worst({check.status for check in checks if check.service in ("", service.name)})
    return service if service.health == health else dataclasses.replace(service, health=health)


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
        created=min(node.created for node in same),
        revision=max(node.revision for node in same),
    )
