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

from .._etcd import wire
from .._etcd.client import PAGE, Client, Json
from .._etcd.errors import AnswerTooLarge
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
    while True:
        try:
            answer = _page(client, prefix, start, revision, page, keys_only)
        except AnswerTooLarge:
            if page == 1:
                raise
            page = max(1, page // _SMALLER)
            continue
        found = RangeResult.parse(answer, int(answer.get("header", {}).get("revision", 0)))
        if first is None:
            revision = revision or found.revision
            first = dataclasses.replace(found, revision=revision)
        bounded.take(found.kvs)
        if not answer.get("more") or not found.kvs:
            return Reading(dataclasses.replace(first, kvs=bounded.kept), frozenset(bounded.excess))
        start, page = bounded.next_start(found.kvs[-1].key), PAGE


def _page(client: Client, prefix: str, start: str, revision: int, page: int, keys_only: bool) -> Json:
    """The raw answer with the keys from `start` on; asks for the next page meanwhile."""

    def body(key: str) -> Json:
        selected = dict(wire.key_range(prefix, True), key=wire.encode(key))
        return dict(selected, revision=revision, limit=page, keys_only=keys_only)

    def following(content: bytes) -> t.Optional[Json]:
        last = wire.last_key(content) if page == PAGE else None
        return None if last is None else body(last + "\0")

    what = f"Reading keys under {prefix}" + (f" as of revision {revision}" if start != prefix else "")
    return client.call(what, "/v3/kv/range", body(start), True, following if start != prefix else None)


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
