# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lock: a key whose value is its owner, attached to a lease of its own.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import contextlib
import typing as t

from . import wire
from .client import Client
from .errors import EtcdError, LeaseNotFound


class LockHeld(EtcdError):
    """Another owner holds the lock: `holder`, or None if the holder has just changed."""

    id = "RC-E-LOCK-HELD"

    def __init__(self, message: str, holder: t.Optional[str]) -> None:
        super().__init__(message)
        self.holder = holder


class Hold(t.NamedTuple):
    """A held lock. `since` is the key's create_revision, which is higher for each new holder.

    `lease` is 0 for a key without a lease; `ttl` is its remaining time in seconds, `granted` the granted time.
    """

    owner: str
    since: int
    modified: int
    lease: int
    ttl: int
    granted: int


def read(client: Client, key: str) -> t.Optional[Hold]:
    """The current hold; None if the lock is free."""
    kv = client.get(key)
    if kv is None:
        return None
    status = client.lease_status(kv.lease) if kv.lease else wire.LeaseStatus(0, 0, [])
    if status.ttl < 0:  # the lease has expired since the key was read, which deleted the key
        return None
    return Hold(kv.value, kv.create_revision, kv.mod_revision, kv.lease, status.ttl, status.granted)


def take(client: Client, key: str, owner: str, ttl: int, hold: t.Optional[Hold]) -> Hold:
    """Acquire a free lock, or renew the owner's own `hold`, with another lease if its granted time is below `ttl`.

    Raises LockHeld if another owner is faster, LeaseNotFound if the hold has expired.
    """
    if hold and hold.granted >= ttl:
        return hold._replace(ttl=client.lease_keepalive(hold.lease))
    lease, granted = client.lease_grant(ttl)
    guard = wire.unchanged(key, hold.modified if hold else 0)
    done = client.txn([guard], [wire.put(key, owner, lease)], what=f"Acquiring the lock {key}")
    if not done.succeeded:
        _revoke(client, lease)
        raise held(key, read(client, key))
    if hold:
        _revoke(client, hold.lease)  # the key is no longer attached to it
    return Hold(owner, hold.since if hold else done.revision, done.revision, lease, granted, granted)


def release(client: Client, key: str, hold: Hold) -> None:
    """Release the lock if its owner is still that of `hold`."""
    guard = wire.compare(key, "value", "equal", hold.owner)
    client.txn([guard], [wire.delete(key)], what=f"Releasing the lock {key}")
    _revoke(client, hold.lease)


def held(key: str, hold: t.Optional[Hold]) -> LockHeld:
    """The error for a lock that another owner holds (None: the holder has just changed)."""
    if hold is None:
        return LockHeld(f"Cannot acquire the lock {key}: its holder has just changed. Try again", None)
    released = (
        f"It is released in {hold.ttl} s unless the holder renews it"
        if hold.lease
        else "It has no lease: delete the key"
    )
    return LockHeld(f"Cannot acquire the lock {key}: it is held by {hold.owner}. {released}", hold.owner)


def _revoke(client: Client, lease: int) -> None:
    if lease:
        with contextlib.suppress(LeaseNotFound):  # it has expired
            client.lease_revoke(lease)
