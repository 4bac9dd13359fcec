# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A change of a node as people read it.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import typing as t

from ..._registry.following.changes import CHANGED, NodeChange
from .terminal import maintenance

Json = t.Dict[str, t.Any]


def change_text(change: NodeChange) -> str:
    """One line about `change`, without its kind and the node's name."""
    if change.reason:
        return change.reason
    if change.kind == CHANGED:
        words = (_field_text(name, *values) for name, values in change.changes().items())
        return ", ".join(filter(None, words)) or "health of its services"
    node = change.after or change.before
    if node is None:
        return ""
    drained = [] if node.maintenance is None else [f"in maintenance: {maintenance(node.maintenance)}"]
    return ", ".join([node.address, node.health, *(f"{s.name}:{s.port}" for s in node.services), *drained])


def _field_text(name: str, before: t.Any, after: t.Any) -> str:
    """One changed field."""
    if name == "maintenance":
        return "maintenance ended" if not after else f"maintenance: {maintenance(after)}"
    if name in ("services", "checks"):
        words = (_entry_text(name[:-1], key, before.get(key), after.get(key)) for key in _differing(before, after))
        return ", ".join(filter(None, words))
    if isinstance(after, str):
        return f"{name} {before or '-'} -> {after or '-'}"
    return f"{name} {_list(before)} -> {_list(after)}" if isinstance(after, list) else f"{name} changed"


def _entry_text(kind: str, key: str, before: t.Optional[Json], after: t.Optional[Json]) -> str:
    if before is None or after is None:
        return f"{kind} {key} is {'new' if before is None else 'gone'}"
    if kind == "check" and before["status"] != after["status"]:
        output = f" ({after['output']})" if after["output"] else ""
        return f"check {key} {before['status']} -> {after['status']}{output}"
    fields = [field for field in _differing(before, after) if field != "health"]  # that follows from the checks
    return f"{kind} {key} changed ({', '.join(fields)})" if fields else ""


def _differing(before: Json, after: Json) -> t.List[str]:
    return sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))


def _list(words: t.Sequence[str]) -> str:
    return ",".join(map(str, words)) or "-"
