# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys with all their revisions, and leases: what etcd's mvcc and lessor do, in plain Python.

Everything here is called with the lock of the server held; keys and values are bytes.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from .refusal import FAILED_PRECONDITION, OUT_OF_RANGE, Refusal, compacted, future_revision, lease_not_found

MIN_TTL = 2  # seconds: ceil(1.5 x the default election timeout)
MAX_TTL = 9_000_000_000  # seconds: lessor.go


class KeyValue(NamedTuple):
    """A key at one revision; `version` 0 is a deletion."""

    key: bytes
    value: bytes
    create_revision: int
    mod_revision: int
    version: int
    lease: int


class Event(NamedTuple):
    """One change and what was there before it."""

    kv: KeyValue
    previous: KeyValue | None


@dataclass
class Lease:
    """`ttl` seconds as granted, `expiry` by the clock, and the keys it holds."""

    ttl: int
    expiry: float
    keys: set[bytes] = field(default_factory=set)


class Interval(NamedTuple):
    """Keys from `key` up to, not including, `end`; `end` b"" is the one key, b"\\0" all from `key` on."""

    key: bytes
    end: bytes = b""

    def holds(self, key: bytes) -> bool:
        """Whether `key` lies in it."""
        if not self.end:
            return key == self.key
        return self.key <= key and (self.end == b"\0" or key < self.end)

    def covers(self, other: Interval) -> bool:
        """Whether all of `other` lies in it."""
        if not other.end:
            return self.holds(other.key)
        if not self.end or other.key < self.key:
            return False
        return self.end == b"\0" or (other.end != b"\0" and other.end <= self.end)


class Store:
    """State of one cluster. `listener` is told the events of each revision, in order."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.revision = 1
        self.compacted = 0
        self.term = 2
        self.leases: dict[int, Lease] = {}
        self.listener: Callable[[int, list[Event]], None] = lambda revision, events: None
        self._clock = clock
        self._keys: list[bytes] = []  # sorted, deleted ones too
        self._history: dict[bytes, list[KeyValue]] = {}
        self._log: list[Event] = []
        self._ids = itertools.count(7587848390217000000)

    # Reading

    def get(self, key: bytes, revision: int = 0) -> KeyValue | None:
        """The key as of `revision` (0: now)."""
        for kv in reversed(self._history.get(key, ())):
            if not revision or kv.mod_revision <= revision:
                return kv if kv.version else None
        return None

    def check_revision(self, revision: int) -> None:
        """Refuse a revision that is not kept any more, or is not there yet."""
        if revision > self.revision:
            raise future_revision()
        if 0 < revision < self.compacted:
            raise compacted()

    def range(self, interval: Interval, revision: int = 0) -> list[KeyValue]:
        """The keys of `interval` as of `revision` (0: now), in order of the keys."""
        if not interval.end:
            keys: Iterable[bytes] = [interval.key]
        else:
            keys = itertools.takewhile(interval.holds, self._keys[bisect.bisect_left(self._keys, interval.key) :])
        return [kv for kv in (self.get(key, revision) for key in keys) if kv]

    def events(self, interval: Interval, start: int) -> list[Event]:
        """What happened in `interval` from revision `start` on."""
        return [event for event in self._log if event.kv.mod_revision >= start and interval.holds(event.kv.key)]

    def compact(self, revision: int) -> None:
        """Forget what was before `revision`."""
        if revision <= self.compacted:
            raise compacted()
        if revision > self.revision:
            raise future_revision()
        self.compacted = revision

    # Writing

    def begin(self) -> Change:
        """Start a change: all that it does gets one revision."""
        return Change(self)

    def commit(self, events: list[Event]) -> None:
        """Make the events of a change known; a change that changed nothing costs no revision."""
        if events:
            self.revision += 1
            self._log.extend(events)
            self.listener(self.revision, events)

    def record(self, kv: KeyValue) -> None:
        """Append to the history of a key, and move it between leases."""
        previous = self.get(kv.key)
        if previous and previous.lease in self.leases:
            self.leases[previous.lease].keys.discard(kv.key)
        if kv.lease:
            self.leases[kv.lease].keys.add(kv.key)
        if kv.key not in self._history:
            bisect.insort(self._keys, kv.key)
            self._history[kv.key] = []
        self._history[kv.key].append(kv)

    # Leases

    def grant(self, ttl: int, lease: int = 0) -> tuple[int, int]:
        """Returns id and seconds granted."""
        if ttl > MAX_TTL:
            raise Refusal(OUT_OF_RANGE, "etcdserver: too large lease TTL")
        if lease in self.leases:
            raise Refusal(FAILED_PRECONDITION, "etcdserver: lease already exists")
        lease = lease or next(self._ids)
        ttl = max(ttl, MIN_TTL)
        self.leases[lease] = Lease(ttl, self._clock() + ttl)
        return lease, ttl

    def keepalive(self, lease: int) -> int:
        """Returns the seconds, 0 for a lease that is not there."""
        if lease not in self.leases:
            return 0
        held = self.leases[lease]
        held.expiry = self._clock() + held.ttl
        return held.ttl

    def elect(self) -> None:
        """Get another leader, who gives every lease all of its time."""
        self.term += 1
        for lease in self.leases:
            self.keepalive(lease)

    def seconds_left(self, lease: int) -> int:
        """Whole seconds until the lease ends."""
        return math.floor(self.leases[lease].expiry - self._clock())

    def revoke(self, lease: int) -> None:
        """End a lease and delete its keys, at one revision."""
        if lease not in self.leases:
            raise lease_not_found()
        change = self.begin()
        for key in sorted(self.leases[lease].keys):
            change.delete(Interval(key))
        del self.leases[lease]
        change.commit()

    def expire(self) -> None:
        """Revoke every lease whose time is up."""
        now = self._clock()
        for lease in [lease for lease, held in self.leases.items() if held.expiry <= now]:
            self.revoke(lease)


class Change:
    """Writes that share one revision. Reads in between see them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._events: list[Event] = []

    @property
    def revision(self) -> int:
        """The store's revision as this change has it: one more as soon as anything is written."""
        return self._store.revision + bool(self._events)

    def put(self, key: bytes, value: bytes, lease: int) -> KeyValue | None:
        """Returns what was there before."""
        previous = self._store.get(key)
        revision = self._store.revision + 1
        created = previous.create_revision if previous else revision
        kv = KeyValue(key, value, created, revision, previous.version + 1 if previous else 1, lease)
        self._store.record(kv)
        self._events.append(Event(kv, previous))
        return previous

    def delete(self, interval: Interval) -> list[KeyValue]:
        """Returns what was deleted."""
        gone = self._store.range(interval)
        for previous in gone:
            kv = KeyValue(previous.key, b"", 0, self._store.revision + 1, 0, 0)
            self._store.record(kv)
            self._events.append(Event(kv, previous))
        return gone

    def commit(self) -> None:
        """Make it known."""
        self._store.commit(self._events)
