# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A copy of some keys of etcd, kept by reading them once and then applying each change.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .._etcd.client import Client
from .._etcd.wire import Event, KeyValue

Keys = t.Dict[str, KeyValue]


class Selector(t.NamedTuple):
    """Which keys: one, or with `prefix` all that start with it."""

    key: str
    prefix: bool = True

    def covers(self, other: Selector) -> bool:
        """Whether every key of `other` is one of these, too."""
        return other.key.startswith(self.key) if self.prefix else other == self


@dataclasses.dataclass(frozen=True)
class Pulse:
    """How many keys a selector has and when the newest of them was written.

    Two states of one cluster with the same pulse are the same: no key of the later one is newer than all of the
    earlier one, so each was in the earlier one as it is, and there are as many of them.
    """

    count: int
    newest: int

    @classmethod
    def of(cls, keys: Keys) -> Pulse:
        """The pulse of these."""
        return cls(len(keys), max((kv.mod_revision for kv in keys.values()), default=0))


class State(t.NamedTuple):
    """All keys of some selectors, as of `revision` of the cluster with the id `cluster`."""

    revision: int
    cluster: str
    keys: t.Mapping[Selector, Keys]

    def under(self, prefix: str) -> t.List[KeyValue]:
        """Every key that starts with `prefix`."""
        return [kv for kvs in self.keys.values() for key, kv in kvs.items() if key.startswith(prefix)]

    def pulses(self) -> t.Dict[Selector, Pulse]:
        """The pulse of each selector."""
        return {selector: Pulse.of(keys) for selector, keys in self.keys.items()}


def distinct(selectors: t.Iterable[Selector]) -> t.Tuple[Selector, ...]:
    """`selectors` in their order, without those whose keys another one has, too."""
    given = tuple(dict.fromkeys(selectors))
    return tuple(one for one in given if not any(other != one and other.covers(one) for other in given))


def read_state(client: Client, selectors: t.Sequence[Selector]) -> State:
    """Read every key of `selectors` at one revision. Raises EtcdError kinds."""
    revision, cluster = 0, ""
    keys: t.Dict[Selector, Keys] = {}
    for selector in selectors:
        if selector.prefix:
            found = client.read_all(selector.key, revision)
        else:
            found = client.range(selector.key, revision=revision)
        revision, cluster = revision or found.revision, found.cluster
        keys[selector] = {kv.key: kv for kv in found.kvs}
    return State(revision, cluster, keys)


class Mirror:
    """Holds a State and changes it. `revision` is that of the newest change, or of the reading that found one.

    It belongs to one thread, or to whoever holds its owner's lock.
    """

    def __init__(self) -> None:
        self.revision = 0
        self.cluster = ""
        self._keys: t.Dict[Selector, Keys] = {}

    def replace(self, state: State) -> None:
        """Take `state` in the place of everything."""
        self.revision, self.cluster = state.revision, state.cluster
        self._keys = {selector: dict(keys) for selector, keys in state.keys.items()}

    def holds(self, state: State) -> bool:
        """Whether `state` is of the same cluster, with the same keys."""
        return self.cluster == state.cluster and self._keys == state.keys

    def apply(self, selector: Selector, events: t.Iterable[Event]) -> None:
        """Take over changes in their order."""
        keys = self._keys[selector]
        for event in events:
            if event.deleted:
                keys.pop(event.kv.key, None)
            else:
                keys[event.kv.key] = event.kv
            self.revision = max(self.revision, event.kv.mod_revision)

    def pulse(self, selector: Selector) -> Pulse:
        """The pulse of the keys as they are here."""
        return Pulse.of(self._keys[selector])

    def state(self) -> State:
        """A copy that later changes do not reach."""
        return State(self.revision, self.cluster, {selector: dict(keys) for selector, keys in self._keys.items()})


def read_pulse(client: Client, selector: Selector, revision: int = 0) -> t.Tuple[Pulse, int, str]:
    """The pulse of the keys in etcd as of `revision` (0: now), etcd's revision now, and the id of the cluster.

    One linearizable read: it is also the proof that etcd is there. Raises EtcdError kinds.
    """
    found = client.range(selector.key, selector.prefix, revision, limit=1, keys_only=True, newest_first=True)
    newest = found.kvs[0].mod_revision if found.kvs else 0
    return Pulse(found.count, newest), found.revision, found.cluster
