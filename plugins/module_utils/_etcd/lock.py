# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lock: one key with its owner as the value, under a lease of its own.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import contextlib
import typing as t

from . import wire
from .client import Client
from .errors import EtcdError, LeaseNotFound


class LockHeld(EtcdError):
    """Somebody else holds the lock: `holder`, or None where it has just changed hands."""

    id = "RC-E-LOCK-HELD"

    def __init__(self, message: str, holder: t.Optional[str]) -> None:
        super().__init__(message)
        self.holder = holder


class Hold(t.NamedTuple):
    """A lock that somebody holds. `since` is the key's create_revision, which grows with every new holder.

    `lease` is 0 for a key that was written without one; `ttl` is the seconds it has left, `granted` those it was given.
    """

    owner: str
    since: int
    modified: int
    lease: int
    ttl: int
    granted: int


def look(client: Client, key: str) -> t.Optional[Hold]:
    """Who holds the lock; None for nobody."""
    kv = client.get(key)
    if kv is None:
        return None
    status = client.lease_status(kv.lease) if kv.lease else wire.LeaseStatus(0, 0, [])
    if status.ttl < 0:  # it ended since the key was read, and took it along
        return None
    return Hold(kv.value, kv.create_revision, kv.mod_revision, kv.lease, status.ttl, status.granted)


def take(client: Client, key: str, owner: str, ttl: int, hold: t.Optional[Hold]) -> Hold:
    """Take a lock that nobody holds, or renew the owner's own `hold`: with another lease where that has fewer seconds.

    Raises LockHeld where somebody else is quicker, LeaseNotFound where the hold has ended.
    """
    if hold and hold.granted >= ttl:
        return hold._replace(ttl=client.lease_keepalive(hold.lease))
    lease, granted = client.lease_grant(ttl)
    guard = wire.unchanged(key, hold.modified if hold else 0)
    done = client.txn([guard], [wire.put(key, owner, lease)], what=f"Taking the lock {key}")
    if not done.succeeded:
        _revoke(client, lease)
        raise held(key, look(client, key))
    if hold:
        _revoke(client, hold.lease)  # the key is no longer on it
    return Hold(owner, hold.since if hold else done.revision, done.revision, lease, granted, granted)


def release(client: Client, key: str, hold: Hold) -> None:
    """Free a lock from its owner, and nobody else's."""
    guard = wire.compare(key, "value", "equal", hold.owner)
    client.txn([guard], [wire.delete(key)], what=f"Releasing the lock {key}")
    _revoke(client, hold.lease)


def held(key: str, hold: t.Optional[Hold]) -> LockHeld:
    """The error for a lock that is not to be had."""
    if hold is None:
        return LockHeld(f"The lock {key} has just changed hands: try again", None)
    freed = f"in {hold.ttl} s unless it is renewed" if hold.lease else "by hand only: it has no lease"
    return LockHeld(f"The lock {key} is held by {hold.owner}. It will be free {freed}", hold.owner)


def _revoke(client: Client, lease: int) -> None:
    if lease:
        with contextlib.suppress(LeaseNotFound):  # it has ended by itself
            client.lease_revoke(lease)
