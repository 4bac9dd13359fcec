# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The roster: the records of nodes that are no longer registered.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import time
import typing as t

from . import maintenance
from .errors import InvalidNode
from .layout import Identity, Layout
from .model import Node
from .node_set import Keys
from .registration import JOINED, LEFT
from .strict_json import load
from .validation import Network, valid_address, valid_name, valid_word

LOST = "lost"


def absent(keys: Keys, layout: Layout, allowed: t.Sequence[Network] = ()) -> t.List[Node]:
    """The nodes in the roster that are not registered; `health` is LEFT if they deregistered, otherwise LOST.

    `address` is the last one, or "" if it is unknown or not allowed; `revision` is that of the roster entry. Invalid
    entries are ignored.
    """
    if not keys.roster:
        return []
    present = {layout.owner(kv.key) for kv in keys.tree}
    in_maintenance = {layout.parse_state(kv.key, layout.maintenance_prefix): kv.value for kv in keys.maintenance}
    now = time.time()
    nodes = []
    for kv in keys.roster:
        who = layout.parse_state(kv.key, layout.roster_prefix)
        if who is None or who in present:
            continue
        try:
            state, address = _read(who, kv.value, allowed)
            current = maintenance.current(in_maintenance[who], now) if who in in_maintenance else None
        except InvalidNode:
            continue
        nodes.append(
            Node(*who, address, health=state, maintenance=current, revision=kv.mod_revision, roles=(who.role,))
        )
    return nodes


def _read(who: Identity, value: str, allowed: t.Sequence[Network]) -> t.Tuple[str, str]:
    """The health (LOST or LEFT) and address of an entry. Raises InvalidNode."""
    valid_name(who.name)
    valid_word(who.role, "role")
    if who.dc:
        valid_word(who.dc, "data centre")
    entry = load(value, "roster entry")
    if entry.get("state") not in (JOINED, LEFT):
        raise InvalidNode("the roster entry has no valid state")
    try:
        address = valid_address(str(entry.get("address", "")), allowed)
    except InvalidNode:
        address = ""
    return LOST if entry["state"] == JOINED else LEFT, address
