# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The limits on the keys of one node, and the means to read no more than that of a node that exceeds them.

Internal to the collection: no promise is made to other users of this file.

A client that may write the keys of one node must not be able to exhaust the memory of all readers. A node over its
bounds is rejected anyway, so readers truncate its keys, to a size that still exceeds the bounds for `refuse_excess`.
"""

from __future__ import annotations

import typing as t

from .._etcd.text import shown, size
from .._etcd.wire import KeyValue
from .errors import InvalidNode
from .validation import MAX_VALUE

MAX_KEYS = 64  # of one node
MAX_BYTES = 16384  # of all values of one node


def refuse_excess(kvs: t.Collection[KeyValue]) -> None:
    """Raises InvalidNode if these keys of one node exceed its bounds. Values are not decoded."""
    if len(kvs) > MAX_KEYS:
        raise InvalidNode(f"it has more than {MAX_KEYS} keys")
    total = 0
    for kv in kvs:
        length = size(kv.value)
        if length > MAX_VALUE:
            raise InvalidNode(f"the value of its key {shown(kv.key)} is larger than {MAX_VALUE} bytes")
        total += length
    if total > MAX_BYTES:
        raise InvalidNode(f"the values of its {len(kvs)} keys are larger than {MAX_BYTES} bytes in total")


class Excess:
    """Counts the keys of one node."""

    def __init__(self) -> None:
        self.over = False
        self._keys = 0
        self._bytes = 0

    def add(self, kv: KeyValue) -> None:
        """Count one more key."""
        length = len(kv.value)  # in characters, so at most its number of bytes
        self._keys += 1
        self._bytes += length
        self.over = self._keys > MAX_KEYS or length > MAX_VALUE or self._bytes > MAX_BYTES


def cut(kv: KeyValue) -> KeyValue:
    """The key, with a value that is too large truncated to one character more than allowed."""
    return kv._replace(value=kv.value[: MAX_VALUE + 1]) if len(kv.value) > MAX_VALUE else kv
