# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The input of templates: the nodes that can be taken, and the keys.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import dataclasses
import time
import typing as t

from ..._etcd.text import shown
from ..._etcd.wire import KeyValue
from ..._registry.errors import InvalidNode
from ..._registry.following.mirror import State
from ..._registry.following.node_index import HostIndex, KeyChanges, NodeChanges, NodeIndex
from ..._registry.layout import Identity, Layout
from ..._registry.model import Node
from ..._registry.node_set import DEFAULT_ADMISSION, Admission, Rejected
from .keystore import KeyTable, is_plain, one_line


class View(t.NamedTuple):
    """As of `revision`: `nodes`, one for each host; `keys`, all but those of rejected nodes; and these.

    `members` is the number of identities in the registry that can be taken. `notes` are sentences about nodes that are
    taken all the same. `next_end` is the Unix time at which the next maintenance ends by itself, if any does.
    """

    revision: int
    nodes: t.Sequence[Node]
    keys: KeyTable
    members: int
    rejected: t.Sequence[Rejected]
    notes: t.Sequence[str] = ()
    next_end: t.Optional[float] = None


class ViewBuilder:
    """Makes the view of each state, from that of the state before: only nodes whose keys have changed are read again.

    A node with one bad value is rejected, and all its keys with it, so that it spoils no template for the others.
    """

    def __init__(self, layout: Layout, admission: Admission = DEFAULT_ADMISSION) -> None:
        self._layout = layout
        self._admission = admission
        self._state: t.Optional[State] = None  # that everything below is of; None: of none

    def build(self, state: State) -> View:
        """The view of `state`, now. Raises InvalidLayout if the keys are those of another layout."""
        former, self._state = self._state, None  # after a failure here the next view is built from scratch
        if former is None:
            former = State(0, "", {})
            self._nodes = NodeIndex(self._layout, self._admission, _plain)
            self._hosts = HostIndex()
            self._members: t.Set[Identity] = set()
            self._visible: t.Dict[str, KeyValue] = {}
        key_changes = state.changes(former)
        now = time.time()
        node_changes = self._nodes.update(key_changes, now)
        self._hosts.update(node_changes)
        self._show(key_changes, node_changes)
        ambiguous, shared = self._hosts.remarks()
        rejected, notes = self._nodes.remarks()
        self._state = state
        return View(
            state.revision,
            self._hosts.nodes(),
            KeyTable(dict(self._visible)),
            len(self._members),
            [*ambiguous, *rejected],
            [*notes, *shared],
            self._nodes.next_end(now),
        )

    def _show(self, key_changes: KeyChanges, node_changes: NodeChanges) -> None:
        """Keep `_visible` at the keys of nodes that can be taken, and of nobody."""
        for who, (before, after) in node_changes.items():
            if before.node is None and after.node is not None:
                self._members.add(who)
                self._visible.update(self._nodes.keys_of(who))
            elif before.node is not None and after.node is None:
                self._members.discard(who)
                for key in self._nodes.keys_of(who):
                    self._visible.pop(key, None)
        for key, kv in key_changes.items():
            owner = self._layout.owner(key) if key.startswith(self._layout.prefix) else None
            if kv is not None and (owner is None or owner in self._members):
                self._visible[key] = kv
            else:
                self._visible.pop(key, None)


def build(state: State, layout: Layout, admission: Admission = DEFAULT_ADMISSION) -> View:
    """The view of one state. Raises InvalidLayout if the keys are those of another layout."""
    return ViewBuilder(layout, admission).build(state)


def _plain(node: Node) -> Node:
    """The node with its free text on one line. Raises InvalidNode if its meta has a control character."""
    bad = _not_plain([node.document.meta, *(service.meta for service in node.services)])
    if bad:
        raise InvalidNode(f"its meta has a control character: {shown(bad)}")
    return _on_one_line(node)


def _not_plain(value: t.Any) -> str:
    """The first text with a control character in a JSON value; "" if there is no such text."""
    if isinstance(value, str):
        return "" if is_plain(value) else value
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, list):
        return next(filter(None, map(_not_plain, value)), "")
    return ""


def _on_one_line(node: Node) -> Node:
    """The node with the free words of checks and operators on one line each."""
    maintenance = node.maintenance
    if maintenance is not None:
        maintenance = {one_line(key): _flat(value) for key, value in maintenance.items()}
    checks = tuple(dataclasses.replace(check, output=one_line(check.output)) for check in node.checks)
    return dataclasses.replace(node, checks=checks, maintenance=maintenance)


def _flat(value: t.Any) -> t.Any:
    return one_line(value) if isinstance(value, str) else value
