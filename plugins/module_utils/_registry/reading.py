# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading the registry page by page, and no more of a node than it may say.

Internal to the collection: no promise is made to other users of this file.

Of a node over its bounds (see bounds.py) the first keys stay, enough for everybody to see that it is, and the rest is
skipped: the next page begins behind its directory. So nobody who may write one node's keys decides how much memory a
reader needs.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .._etcd.client import PAGE, Client
from .._etcd.errors import AnswerTooLarge, NotGateway
from .._etcd.wire import KeyValue, RangeResult
from .bounds import Excess, cut

_SMALLER = 16  # by which a page is divided that was too large


class Reading(t.NamedTuple):
    """`found` has what was read; `excess` the directories of which keys are missing, as those are over their bounds."""

    found: RangeResult
    excess: t.FrozenSet[str]


def read(
    client: Client, prefix: str, directory_of: t.Callable[[str], str], revision: int = 0, keys_only: bool = False
) -> Reading:
    """Read everything under `prefix` as of one revision (0: now), nodes over their bounds not to the end.

    `directory_of` says which directory, or single key, is a node's and so has bounds; "": none. The next page is
    asked for before one is decoded, as in `Client.read_all`. Raises EtcdError kinds.
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
            raise NotGateway(f"Reading {prefix} failed: {client.endpoint} counted {first.count} keys and gave {total}")
        if not found.more or not found.kvs:
            return Reading(dataclasses.replace(first, kvs=bounded.kept), frozenset(bounded.excess))
        start, page = bounded.next_start(found.kvs[-1].key), PAGE


class _Bounded:
    """Takes keys in their order, and drops those of a directory that is over its bounds."""

    def __init__(self, directory_of: t.Callable[[str], str]) -> None:
        self.kept: t.List[KeyValue] = []
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
                self.kept.append(kv)
            elif self._counted.over:
                self.excess.add(self._directory)
            else:
                self._counted.add(kv)
                self.kept.append(cut(kv))

    def next_start(self, last: str) -> str:
        """Where the next page begins."""
        if self._directory.endswith("/") and self._counted.over:
            self.excess.add(self._directory)
            return self._directory[:-1] + "0"  # what comes after a slash
        return last + "\0"
