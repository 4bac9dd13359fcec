# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A copy of some keys of etcd, maintained by reading them once and then applying each change.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
import typing as t

from ..._etcd.client import Client
from ..._etcd.wire import Event, KeyValue
from .. import reading
from ..bounds import MAX_KEYS, cut
from ..layout import Layout

Keys = t.Dict[str, KeyValue]


class Selector(t.NamedTuple):
    """Selects keys: one, or with `prefix` all that start with it."""

    key: str
    prefix: bool = True

    def covers(self, other: Selector) -> bool:
        """Whether this selector includes all keys of `other`."""
        return other.key.startswith(self.key) if self.prefix else other == self


@dataclasses.dataclass(frozen=True)
class Pulse:
    """The number of keys of a selector, and the revision at which the newest of them was written.

    Two states of one cluster with the same pulse are equal: no key of the later state is newer than those of the
    earlier one, so the earlier one contains all of them unchanged, and both have the same number.
    """

    count: int
    newest: int

    @classmethod
    def of(cls, keys: Keys) -> Pulse:
        """The pulse of `keys`."""
        return cls(len(keys), max((kv.mod_revision for kv in keys.values()), default=0))


class State(t.NamedTuple):
    """All keys of some selectors, as of `revision` of the cluster with the id `cluster`.

    `excess` contains the directories of nodes over their bounds (see bounds.py), of which keys are missing.
    """

    revision: int
    cluster: str
    keys: t.Mapping[Selector, Keys]
    excess: t.FrozenSet[str] = frozenset()

    def under(self, prefix: str) -> t.List[KeyValue]:
        """All keys that start with `prefix`."""
        return [kv for kvs in self.keys.values() for key, kv in kvs.items() if key.startswith(prefix)]

    def pulses(self) -> t.Dict[Selector, Pulse]:
        """The pulse of each selector."""
        return {selector: Pulse.of(keys) for selector, keys in self.keys.items()}

    def changes(self, before: State) -> t.Dict[str, t.Optional[KeyValue]]:
        """The keys that differ from `before`; None: the key is deleted.

        A mirror keeps the object of an unchanged key, and its position. So for unchanged keys this only compares
        object identities, at 20 ns for each key.
        """
        found: t.Dict[str, t.Optional[KeyValue]] = {}
        for selector in {**before.keys, **self.keys}:
            old, new = before.keys.get(selector, {}), self.keys.get(selector, {})
            pairs = itertools.zip_longest(old.values(), new.values())
            for key in {kv.key for pair in pairs if pair[0] is not pair[1] for kv in pair if kv is not None}:
                if old.get(key) != new.get(key):
                    found[key] = new.get(key)
        return found


def distinct(selectors: t.Iterable[Selector]) -> t.Tuple[Selector, ...]:
    """`selectors` in their order, without those whose keys are all included in another one."""
    given = tuple(dict.fromkeys(selectors))
    return tuple(one for one in given if not any(other != one and other.covers(one) for other in given))


def read_state(client: Client, selectors: t.Sequence[Selector], layout: Layout) -> State:
    """Read all keys of `selectors` at one revision, except the rest of nodes over their bounds. Raises EtcdError
    kinds."""
    revision, cluster = 0, ""
    keys: t.Dict[Selector, Keys] = {}
    excess: t.Set[str] = set()
    for selector in selectors:
        if selector.prefix:
            found, over = reading.read(client, selector.key, layout.bounded_directory, revision)
            excess |= over
        else:
            found = client.range(selector.key, revision=revision)
        revision, cluster = revision or found.revision, found.cluster
        keys[selector] = {kv.key: kv for kv in found.kvs}
    return State(revision, cluster, keys, frozenset(excess))


class Mirror:
    """Stores a State and applies changes to it. `revision` is that of the newest change, or of the complete read.

    Use it from one thread only, or while holding its owner's lock. If a node's directory exceeds its bounds, it does
    not change until all keys are read again, since its missing keys are unknown.
    """

    def __init__(self, layout: Layout) -> None:
        self.revision = 0
        self.cluster = ""
        self._layout = layout
        self._keys: t.Dict[Selector, Keys] = {}
        self._counts: t.Dict[str, int] = {}  # keys of each node's directory
        self._excess: t.Set[str] = set()

    def replace(self, state: State) -> None:
        """Replace everything with `state`. An unchanged key stays the same object: see State.changes."""
        self.revision, self.cluster = state.revision, state.cluster
        former, self._keys = self._keys, {}
        for selector, keys in state.keys.items():
            known = {key: kv for key, kv in former.get(selector, {}).items() if keys.get(key) == kv}
            self._keys[selector] = {**known, **{key: kv for key, kv in keys.items() if key not in known}}
        self._excess = set(state.excess)
        self._counts = collections.Counter(
            self._layout.bounded_directory(key) for keys in self._keys.values() for key in keys
        )

    def holds(self, state: State) -> bool:
        """Whether `state` has the same cluster and the same keys."""
        return self.cluster == state.cluster and self._excess == state.excess and self._keys == state.keys

    def apply(self, selector: Selector, events: t.Iterable[Event]) -> bool:
        """Apply changes in their order. Returns whether any of them changes the state."""
        keys, changed = self._keys[selector], False
        for event in events:
            kv = event.kv
            self.revision = max(self.revision, kv.mod_revision)
            directory = self._layout.bounded_directory(kv.key)
            if directory in self._excess:
                continue
            changed = True
            if event.deleted:
                self._counts[directory] -= keys.pop(kv.key, None) is not None
                continue
            self._counts[directory] = self._counts.get(directory, 0) + (kv.key not in keys)
            keys[kv.key] = cut(kv) if directory else kv
            if directory and self._counts[directory] > MAX_KEYS:
                self._excess.add(directory)
        return changed

    def pulse(self, selector: Selector) -> t.Optional[Pulse]:
        """The pulse of the mirrored keys; None if keys are missing because of bounds."""
        if any(directory.startswith(selector.key) for directory in self._excess):
            return None
        return Pulse.of(self._keys[selector])

    def state(self) -> State:
        """A copy that later changes do not affect."""
        keys = {selector: dict(keys) for selector, keys in self._keys.items()}
        return State(self.revision, self.cluster, keys, frozenset(self._excess))


def read_pulse(client: Client, selector: Selector, revision: int = 0) -> t.Tuple[Pulse, int, str]:
    """The pulse of the keys in etcd as of `revision` (0: now), etcd's revision now, and the id of the cluster.

    A linearizable read, so it also proves that etcd has a quorum. Raises EtcdError kinds.
    """
    found = client.range(selector.key, selector.prefix, revision, limit=1, keys_only=True, newest_first=True)
    newest = found.kvs[0].mod_revision if found.kvs else 0
    return Pulse(found.count, newest), found.revision, found.cluster
