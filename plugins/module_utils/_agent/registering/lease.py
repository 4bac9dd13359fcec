# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keeping one lease alive, in a thread that does nothing else.

Internal to the collection: no promise is made to other users of this file.

No disk, no command, no log and no other request can delay a keepalive: the thread has a client, a connection and a
clock of its own, and tells the agent's loop what happened without waiting for it.
"""

from __future__ import annotations

import threading
import time
import typing as t

from ..._etcd.client import Client
from ..._etcd.errors import LeaseNotFound, RollcallError
from ..._etcd.inbox import Inbox
from ..._registry.following.timing import jittered
from ..host.clock import boottime
from ..host.threads import start_rounds
from .progress import REFUSALS
from .schedule import Task


class Renewal(t.NamedTuple):
    """How a lease goes. `lease` 0: none is kept alive.

    `granted` is the seconds that it has after a keepalive, `renewed` the Unix time of the last one, `rtt` the seconds
    that took. `failure` says why the last attempt failed, and `lost` that etcd does not know the lease any more.
    `keepalives` and `failures` count all of this process.
    """

    lease: int = 0
    granted: int = 0
    renewed: float = 0.0
    renewed_boottime: t.Optional[float] = None
    rtt: t.Optional[float] = None
    failure: t.Optional[RollcallError] = None
    lost: bool = False
    keepalives: int = 0
    failures: int = 0


class LeaseKeeper:
    """Renews the lease that `keep` names, until `release` or another `keep`.

    `alive` is called in its thread at least every `interval` seconds, and `tell` after each attempt. Neither may wait
    for anything.
    """

    def __init__(self, interval: float, alive: t.Callable[[], None], tell: t.Callable[[], None]) -> None:
        self._interval = interval
        self._alive = alive
        self._tell = tell
        self._bell: Inbox[None] = Inbox()
        self._lock = threading.Lock()  # never held while anything is waited for
        self._renewal = Renewal()
        self._client: t.Optional[Client] = None
        self._former: t.List[Client] = []  # for the thread to close
        self._task = Task(1)
        self._started = False

    @property
    def renewal(self) -> Renewal:
        """How it goes."""
        return self._renewal

    def start(self) -> None:
        """Begin. Raises RuntimeError if the host has no process or memory left for a thread."""
        if not self._started:
            start_rounds("keepalive", self._round)
            self._started = True

    def configure(self, client: Client, ttl: int) -> None:
        """Ask `client` from now on, which nobody else uses, for leases of `ttl` seconds."""
        with self._lock:
            if self._client is not None:
                self._former.append(self._client)
            self._client, self._task = client, Task(ttl)
        self._bell.put(None)

    def keep(self, lease: int, granted: int, renewed: t.Optional[float] = None) -> None:
        """Renew this lease; `renewed` (boottime) is when it was granted, if it was just now.

        The first time is at once: from then on there is a connection, even if the host runs out of something.
        """
        with self._lock:
            self._renewal = self._renewal._replace(lease=lease, granted=granted, failure=None, lost=False)
            if renewed is not None:
                self._note(renewed)
            self._task.worked(0.0)
        self._bell.put(None)

    def release(self) -> None:
        """Renew nothing."""
        with self._lock:
            self._renewal = self._renewal._replace(lease=0, failure=None, lost=False)

    def turn(self) -> float:
        """Renew the lease if it is time; returns when (boottime) it is the next time, infinity without a lease."""
        with self._lock:
            lease = 0 if self._renewal.lost else self._renewal.lease
            client, task, former = self._client, self._task, self._former
            self._former = []
        for each in former:
            each.close()
        if client is not None and lease and boottime() >= task.due:
            self._renew(client, lease, task)
        return task.due if lease else float("inf")

    def _round(self) -> None:
        """Renew the lease if it is time, and wait until it is, or until the watchdog is due."""
        self._alive()
        due = self.turn()
        for _message in self._bell.take(min(due - boottime(), self._interval)):
            pass

    def _renew(self, client: Client, lease: int, task: Task) -> None:
        begun = boottime()
        failure: t.Optional[RollcallError] = None
        granted = 0
        try:
            granted = client.lease_keepalive(lease)
        except RollcallError as exc:
            failure = exc
        except Exception as exc:  # the host has run out of something, or there is a mistake in here: it is tried again
            failure = RollcallError(f"Keeping lease {lease:x} alive failed: {type(exc).__name__}: {exc}")
        with self._lock:
            if self._renewal.lease != lease:
                return  # released since
            if failure is None:
                counted, rtt = self._renewal.keepalives + 1, round(boottime() - begun, 4)
                self._renewal = self._renewal._replace(granted=granted, keepalives=counted, rtt=rtt, failure=None)
                self._note(begun)
                task.worked(begun + jittered(granted / 3, 0.1))
            else:
                task.failed(isinstance(failure, REFUSALS), boottime())
                lost = isinstance(failure, LeaseNotFound)
                self._renewal = self._renewal._replace(
                    failure=failure, lost=lost, failures=self._renewal.failures + (not lost)
                )
        self._tell()

    def _note(self, renewed: float) -> None:
        """The lease has all of its time since `renewed` (boottime); under the lock."""
        unix = time.time() - (boottime() - renewed)
        self._renewal = self._renewal._replace(renewed=unix, renewed_boottime=renewed)
