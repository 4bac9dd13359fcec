# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters for nodes, the same for modules, lookups and templates.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import typing as t

from .model import DRAIN, PASSING, WARNING, Node, valid_health

Words = t.Union[None, str, t.Sequence[str]]


def select(
    nodes: t.Iterable[Node],
    role: Words = None,
    dc: Words = None,
    service: Words = None,
    health: Words = None,
    tag: Words = None,
    name: Words = None,
    maintenance: t.Optional[bool] = None,
    serving: t.Optional[bool] = None,
) -> t.List[Node]:
    """The nodes that match all filters, in their order. A filter is a value, or a list of which one must match.

    With `service`, `health` is compared with that of the service (one of them is enough for a node with several of the
    services), and `tag` also with the tags of the service. `maintenance` selects nodes in maintenance (True) or not
    (False), `serving` nodes that can take traffic or cannot (see `_serving`). Raises InvalidNode for an unknown health,
    which would silently match no node.
    """
    roles, dcs, services, tags, names = map(_words, (role, dc, service, tag, name))
    healths = {valid_health(word) for word in _words(health)}
    tests: t.List[t.Tuple[bool, t.Callable[[Node], bool]]] = [
        (bool(roles), lambda node: not roles.isdisjoint(node.roles)),
        (bool(dcs), lambda node: node.dc in dcs),
        (bool(names), lambda node: node.name in names),
        (bool(healths) or (bool(services) and not serving), lambda node: _has(node, services, healths)),
        (bool(tags), lambda node: not tags.isdisjoint(_tags(node, services))),
        (maintenance is not None, lambda node: maintenance == (node.maintenance is not None)),
        (serving is not None, lambda node: serving == _serving(node, services)),
    ]
    found = list(nodes)
    for given, test in tests:
        if given:  # a filter costs something for each node
            found = list(filter(test, found))
    return found


def _words(given: Words) -> t.Set[str]:
    return {given} if isinstance(given, str) else set(given or ())


def _serving(node: Node, services: t.Set[str]) -> bool:
    """Whether the node, or with `services` one of them, can take traffic: it is passing or warning, and the node is
    neither draining nor in maintenance."""
    return node.maintenance is None and node.health != DRAIN and _has(node, services, {PASSING, WARNING})


def _has(node: Node, services: t.Set[str], healths: t.Set[str]) -> bool:
    """Whether the node, or with `services` one of them, has one of the `healths` (empty: any)."""
    if not services:
        return node.health in healths
    return any(service.name in services and (not healths or service.health in healths) for service in node.services)


def _tags(node: Node, services: t.Set[str]) -> t.Tuple[str, ...]:
    on_services = (tag for service in node.services if service.name in services for tag in service.tags)
    return (*node.document.tags, *on_services)
