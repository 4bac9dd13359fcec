# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lease that holds our keys, and those of before that may still hold some of them.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import contextlib
import typing as t

from ..._etcd.client import Client
from ..._etcd.errors import LeaseNotFound, PermissionDenied, RollcallError, Unreachable
from .lease import LeaseKeeper

_MOST_PREVIOUS = 4  # leases of claims that may have taken effect; each ends by itself


class HeldLease:
    """`id` is 0 without a lease. `keeper` renews it; belongs to the registrar's thread."""

    def __init__(self, keeper: LeaseKeeper) -> None:
        self.id = 0
        self.previous: t.Tuple[int, ...] = ()
        self._keeper = keeper

    def take(self, lease: int, ttl: int, begun: float) -> None:
        """Renew a lease that was granted for `ttl` seconds at `begun` (boottime)."""
        self.id = lease
        self._keeper.keep(lease, ttl, begun)

    def keep(self, lease: int, ttl: int) -> None:
        """Go on with a lease, which a former process may have been granted."""
        self.previous = (lease,)
        if not self.id:
            self._keeper.keep(lease, ttl)
        self.id = lease

    def release(self) -> None:
        """Renew no lease any more."""
        self.id = 0
        self._keeper.release()

    def give_up(self, lease: int) -> None:
        """Renew no lease any more; `lease` (0: none) may still hold our keys."""
        self.previous = (lease,) if lease else ()
        self.release()

    def end_unused(self, client: Client, lease: int, exc: Exception) -> None:
        """End a lease that was granted for a claim which failed with `exc`."""
        if isinstance(exc, Unreachable):  # the claim may have taken effect, and etcd cannot be reached to end it
            self.previous = (*self.previous, lease)[-_MOST_PREVIOUS:]
            return
        with contextlib.suppress(RollcallError):  # with a key of another user on it, it ends by itself
            client.lease_revoke(lease)

    def end_if_empty(self, client: Client) -> None:
        """End the lease if others have taken all of our names: without keys, others could use it."""
        if not self.id:
            return
        with contextlib.suppress(RollcallError):
            try:
                if client.lease_status(self.id, keys=True).keys:
                    return
                client.lease_revoke(self.id)
            except (LeaseNotFound, PermissionDenied):
                pass  # it is gone, or a key of another user is attached to it
            self.release()
