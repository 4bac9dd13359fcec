# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads the registry page by page, with a limit on the keys of each node.

Internal to the collection: no promise is made to other users of this file.

If a node exceeds its bounds (see bounds.py), its first keys stay, so that the reader can see that, and the rest is
skipped: the next page begins after its directory. So a client that may write the keys of one node cannot determine how
much memory a reader needs.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .._etcd.client import PAGE, Client
from .._etcd.errors import AnswerTooLarge, NotGateway
from .._etcd.wire import KeyValue, RangeResult
from .bounds import Excess, cut

_SMALLER = 16  # divisor of the page size after an answer that was too large


class Reading(t.NamedTuple):
    """`found` contains the keys; `excess` the directories over their bounds, of which keys are missing."""

    found: RangeResult
    excess: t.FrozenSet[str]


def read(
    client: Client, prefix: str, directory_of: t.Callable[[str], str], revision: int = 0, keys_only: bool = False
) -> Reading:
    """Read all keys under `prefix` as of one revision (0: now), except the rest of nodes over their bounds.

    `directory_of` returns the directory, or single key, of a node, which has bounds; "": the key belongs to no node.
    The next page is requested before the current one is decoded, as in `Client.read_all`. Raises EtcdError kinds.
    """
    bounded = _Bounded(directory_of)
    start, page = prefix, PAGE
    first: t.Optional[RangeResult] = None
    total = 0
    while True:
        try:
            found = client.read_page(prefix, start, revision, page, keys_only, page == PAGE and start != prefix)
        except AnswerTooLarge:
            if page == 1:
                raise
            page = max(1, page // _SMALLER)
            continue
        if first is None:
            revision = revision or found.revision
            first = dataclasses.replace(found, revision=revision)
        bounded.take(found.kvs)
        total += len(found.kvs)
        if total > first.count:
            raise NotGateway(
                f"Cannot read {prefix} from {client.endpoint}: it counted {first.count} keys, but returned {total}. "
                "Check that the endpoint is a single etcd cluster"
            )
        if not found.more or not found.kvs:
            return Reading(dataclasses.replace(first, kvs=bounded.kvs), frozenset(bounded.excess))
        start, page = bounded.next_start(found.kvs[-1].key), PAGE


class _Bounded:
    """Collects keys in their order, and drops the rest of a directory that is over its bounds."""

    def __init__(self, directory_of: t.Callable[[str], str]) -> None:
        self.kvs: t.List[KeyValue] = []
        self.excess: t.Set[str] = set()
        self._directory_of = directory_of
        self._directory = ""
        self._counted = Excess()

    def take(self, kvs: t.Iterable[KeyValue]) -> None:
        for kv in kvs:
            if not self._directory or not kv.key.startswith(self._directory):
                self._directory = self._directory_of(kv.key)
                self._counted = Excess()
            if not self._directory:
                self.kvs.append(kv)
            elif self._counted.over:
                self.excess.add(self._directory)
            else:
                self._counted.add(kv)
                self.kvs.append(cut(kv))

    def next_start(self, last: str) -> str:
        """The first key of the next page."""
        if self._directory.endswith("/") and self._counted.over:
            self.excess.add(self._directory)
            return self._directory[:-1] + "0"  # the character after a slash
        return last + "\0"
