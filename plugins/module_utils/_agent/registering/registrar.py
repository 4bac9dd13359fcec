# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keeping one registration: a lease that lives as long as this host does, and keys that are as they must be.

Internal to the collection: no promise is made to other users of this file.

The lease is renewed by a thread of its own (`lease`). The reconciliation (claim our names, read our keys, write what
differs) is done here. It survives every failure of etcd and the network. While nothing changes, etcd
sees one keepalive in a third of the lease's time and one read in `self_check`, neither of which it writes down.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
import typing as t

from ..._etcd.errors import LeaseNotFound, PermissionDenied, RollcallError
from ..._etcd.text import printable
from ..._registry.errors import Duplicate, RegistryError
from ..._registry.following.timing import jittered
from ..._registry.layout import Identity
from ..._registry.model import DRAIN
from ..._registry.registration import Registration, deregister, reconcile
from ..checking.checks import Checks
from ..host import log
from ..host.clock import boottime
from .addresses import Locator
from .held_lease import HeldLease
from .lease import LeaseKeeper, Renewal
from .live_client import live_client
from .own_maintenance import Maintained
from .progress import DUPLICATE, LEFT, REFUSALS, REFUSED, REGISTERED, REMOVED, WAITING, Progress
from .register_config import RegisterConfig
from .run_directory import Json, Memory, Place, RunDirectory
from .schedule import Task, TokenBucket

_LEAVE_WITHIN = 10.0  # seconds in which another attempt to leave is begun
_ASK_VERSION = 3600.0  # seconds between two questions for etcd's version
_OVER_FOR = 10  # self-checks in which a maintenance must be over before its key is deleted


class Registrar:
    """Holds the registration that `config`, `locator` and `checks` describe; belongs to one thread.

    `keeper` renews its lease. `live` is called with seconds that have to pass while the process goes on, and `alive` at
    least as often as a request goes to etcd.
    """

    def __init__(
        self,
        config: RegisterConfig,
        checks: Checks,
        locator: Locator,
        files: RunDirectory,
        keeper: LeaseKeeper,
        live: t.Callable[[float], None],
        alive: t.Callable[[], None],
        renewer_alive: t.Callable[[], None],
    ) -> None:
        self._checks = checks
        self._locator = locator
        self._files = files
        self._keeper = keeper
        self._live = live
        self._alive = alive
        self._renewer_alive = renewer_alive
        self._memory = files.recall()
        self._client = live_client(config.settings, config.ttl, "", alive)
        self._held = HeldLease(keeper)
        self._seen = Renewal()  # what was last told of the renewal
        self._written: t.Optional[Registration] = None
        self._former: t.Optional[t.Tuple[Place, int]] = None  # to delete first
        self._leaving: t.Tuple[Identity, ...] = ()  # names that the lease may still hold and must give up
        self._draining = False
        self._progress = Progress()
        self._unwritten: t.Optional[Registration] = None  # what waits for its turn to be written
        self._etcd_version, self._version_due = "", 0.0
        self._superseded = 0  # how often that was replaced before its turn came
        self._counts = {"self_checks": 0, "writes": 0, "leases_lost": 0}
        self.configure(config)

    def configure(self, config: RegisterConfig) -> None:
        """Take a configuration, at the start or later; the lease stays wherever that is possible.

        Raises RegistryError, before anything is changed, if the host does not know its name or machine id.
        """
        self._self = config.identify()
        self._config = config
        self._client.close()
        self._client = live_client(config.settings, config.ttl, f"{self._self} {self._self.document.id}", self._alive)
        self._keeper.configure(self._client.sibling(self._renewer_alive), config.ttl)
        self._maintained = Maintained(_OVER_FOR * config.self_check)
        self._reconciliation = Task(config.ttl)
        self._bucket = TokenBucket(config.writes.per_minute, config.writes.burst, boottime())
        lease, was, place = self._held.id or self._memory.lease, self._memory.place, self._place
        self._former, self._leaving = None, ()
        stays = False
        if lease and was:
            if was._replace(roles=place.roles) == place and self._memory.ttl == config.ttl and self._memory.joined:
                stays = True
                self._leaving = tuple(who for who in was.keys()[1] if who not in self._self.identities)
            elif was != place:
                self._former = (was, lease)
            # A lease of another time to live is left to `reconcile`, which takes our keys over and ends it.
        if stays:
            self._held.keep(lease, config.ttl)
        else:
            self._held.give_up(lease)

    @property
    def next_due(self) -> float:
        """When `turn` has something to do again, unless the keeper tells something before."""
        if self._removed:
            return self._removal_due
        if self._keeper.renewal.failure or not self._locator.address:
            return float("inf")
        if self._changed and not self._reconciliation.failing:
            return min(self._reconciliation.due, self._bucket.ready(boottime()))
        return self._reconciliation.due

    def turn(self) -> None:
        """Do the work that is due. Failures of etcd and the network are logged, not raised."""
        self._count_superseded()
        self._follow_renewal()
        if self._removed:
            self._stay_away()
            return
        if self._progress.phase == DUPLICATE and not self._config.name:
            self._look_for_a_name()
        if not self._locator.address:
            self._wait_for_an_address()
            return
        if self._keeper.renewal.failure:
            return
        now = boottime()
        if now >= self._reconciliation.due or (
            self._changed and not self._reconciliation.failing and self._bucket.take(now)
        ):
            self._attempt(self._reconciliation, self._reconcile)

    def drain(self) -> bool:
        """Announce that this host is about to leave. True where that was written, so that waiting makes sense."""
        self._draining = True
        if self._progress.phase != REGISTERED or not self._held.id:
            return False
        for _try in range(2):  # the second goes to another endpoint
            self._attempt(self._reconciliation, self._reconcile)
            if self._progress.phase == REGISTERED:
                return True
        return False

    def leave(self) -> None:
        """Delete the registration, and forget it if that worked or can never work."""
        deadline = boottime() + min(_LEAVE_WITHIN, self._granted)  # after that the lease is over anyway
        while self._held.id:
            try:
                deregister(self._client, self._config.layout, (*self._self.identities, *self._leaving), self._held.id)
                self._held.release()
            except RollcallError as exc:
                if isinstance(exc, REFUSALS) or boottime() > deadline:
                    self._progress.enter(
                        LEFT, f"not deregistered, so the lease ends by itself within {self._granted} s: {exc}"
                    )
                    return
                self._live(0.5)
        self._files.forget()
        self._progress.enter(LEFT, f"{self._self} is deregistered")

    def hand_over(self) -> None:
        """Leave everything to the next process, which has the lease's time to come."""
        log.info(
            f"Leaving lease {self._held.id:x} to the next process" if self._held.id else "No lease to leave behind"
        )

    def status(self) -> Json:
        """How it goes, for the operator. Times are Unix seconds."""
        config, renewal = self._config, self._keeper.renewal
        return {
            **self._progress.document(),
            "node": str(self._self),
            "prefix": config.layout.prefix,
            "address": self._locator.address,
            "address_problem": self._locator.problem,
            "endpoint": self._client.endpoint,
            "etcd_version": self._etcd_version,
            "etcd_user": config.settings.user,
            "instance": self._memory.instance,
            "registered_since": self._memory.joined,
            "lease": f"{self._held.id:x}" if self._held.id else "",
            "ttl": self._granted,
            "renewed": int(renewal.renewed),
            "renewed_boottime": renewal.renewed_boottime,
            "rtt": renewal.rtt,
            "health": self._wanted.health,
            "maintenance": self._maintained.fields,
            "services": {service.name: service.document() for service in self._self.document.services},
            "tags": list(self._self.document.tags),
            "checks": {check.name: check.document() for check in self._checks.known},
            "counts": {
                **self._counts,
                "keepalives": renewal.keepalives,
                "failures": self._progress.failures,
                "writes_suppressed": self._superseded + self._checks.superseded,
            },
        }

    @property
    def _wanted(self) -> Registration:
        health = DRAIN if self._draining else self._checks.health
        document, removed = self._self.document, self._checks.removed
        if removed:
            services = tuple(service for service in document.services if service.name not in removed)
            document = dataclasses.replace(document, services=services)
        return dataclasses.replace(
            self._self,
            address=self._locator.address,
            document=document,
            health=health,
            checks=self._checks.published,
        )

    @property
    def _removed(self) -> bool:
        """Whether a check of the node itself is critical for so long that the node must leave the registry."""
        return "" in self._checks.removed

    @property
    def _removal_due(self) -> float:
        """When to try to deregister a node that must leave; infinity if it is not registered."""
        if not self._held.id:
            return float("inf")
        return self._reconciliation.due if self._reconciliation.failing else 0.0

    @property
    def _granted(self) -> int:
        """Seconds that the lease has after a keepalive."""
        return self._keeper.renewal.granted or self._config.ttl

    @property
    def _changed(self) -> bool:
        return self._written is not None and self._wanted != self._written

    @property
    def _place(self) -> Place:
        return Place.of(self._config.layout, self._self.identities)

    def _look_for_a_name(self) -> None:
        """Where the host has got another name since, as from DHCP, that is the one to claim."""
        try:
            found = self._config.identify()
        except RegistryError:
            return  # it has no name at the moment
        if found.identities != self._self.identities:
            log.info(f"This host now calls itself {found}")
            self.configure(self._config)

    def _attempt(self, task: Task, action: t.Callable[[], float]) -> None:
        """Do `action`, which gives the seconds until it is due again, and tell what stood in its way."""
        now = boottime()
        try:
            period = action()
        except Duplicate as exc:
            task.worked(boottime() + jittered(self._config.self_check, 0.2))  # watching a clone takes its time
            self._written = None
            self._progress.trouble(DUPLICATE, exc)
            self._held.end_if_empty(self._client)
        except RollcallError as exc:
            refused = isinstance(exc, REFUSALS)
            task.failed(refused, boottime())
            self._progress.trouble(REFUSED if refused else WAITING, exc)
        except (OSError, RuntimeError, MemoryError) as exc:  # the host has run out of something
            task.failed(False, boottime())
            self._progress.trouble(WAITING, RollcallError(f"Cannot register {self._self}: {exc}"))
        else:
            task.worked(now + period)

    def _follow_renewal(self) -> None:
        """Notice what the keeper has told."""
        before, renewal = self._seen, self._keeper.renewal
        self._seen = renewal
        if not self._held.id or renewal.lease != self._held.id:
            return
        if renewal.lost:
            self._lose(renewal.failure)
        elif renewal.failures > before.failures and renewal.failure:
            phase = REFUSED if isinstance(renewal.failure, REFUSALS) else WAITING
            self._progress.trouble(phase, renewal.failure)
        if before.failure and not renewal.failure:
            self._reconciliation.due = 0.0  # changes of that time are seen now

    def _wait_for_an_address(self) -> None:
        if not self._held.id:
            self._progress.be(
                WAITING,
                f"for an address of this host ({self._config.address}): {self._locator.problem or 'still looking'}",
            )

    def _reconcile(self) -> float:
        self._end_former()
        lease, leaving = self._held.id, self._leaving
        try:
            self._write_keys()
        except LeaseNotFound as exc:
            if self._held.id == lease != 0:
                self._lose(exc)
            self._write_keys()
        except PermissionDenied as exc:
            if not lease:
                raise
            self._leaving = ()
            self._write_keys(under_another_lease=True)
            names = ", ".join(map(str, leaving))
            log.warning(
                f"Using lease {self._held.id:x}, since lease {lease:x} cannot be written under any more"
                f"{', which takes ' + names + ' with it when it ends' if leaving else ''}: {exc}",
                "RC-E-LEASE-REPLACED",
            )
        self._ask_version()
        return min(jittered(self._config.self_check, 0.2), self._maintained.next_look())

    def _ask_version(self) -> None:
        """Ask for the member's version, seldom: `rollcall status` tells of its known faults."""
        if boottime() < self._version_due:
            return
        self._version_due = boottime() + _ASK_VERSION
        with contextlib.suppress(RollcallError):
            self._etcd_version = printable(self._client.status().version, 40)

    def _write_keys(self, under_another_lease: bool = False) -> None:
        """Write our keys as they must be, under our lease or another one. A failure leaves the lease as it was."""
        wanted, lease = self._wanted, 0 if under_another_lease else self._held.id
        fresh: t.List[t.Tuple[int, int, float]] = []

        def grant() -> int:
            begun = boottime()
            fresh.append((*self._client.lease_grant(self._config.ttl), begun))
            place = self._place
            # The next process is to know it, should this one end before it can say that the names are claimed.
            self._remember(
                dataclasses.replace(self._memory, lease=fresh[0][0], ttl=self._config.ttl, place=place, joined=0)
            )
            return fresh[0][0]

        memory = self._memory
        try:
            claim = reconcile(
                self._client,
                self._config.layout,
                wanted,
                lease,
                self._watch_other,
                leaving=self._leaving,
                previous=(*self._held.previous, self._held.id),
                grant=grant,
            )
        except Exception as exc:
            if fresh:
                self._held.end_unused(self._client, fresh[0][0], exc)
                self._remember(memory)
            raise
        if fresh:
            self._held.take(*fresh[0])
        self._held.previous = ()
        self._leaving = ()
        self._counts["writes" if claim.changed else "self_checks"] += 1
        self._written, self._unwritten = wanted, None
        self._maintained.read(self._client, self._config.layout, self._self.identities)
        joined = self._memory.joined or int(time.time())
        self._remember(dataclasses.replace(self._memory, place=self._place, joined=joined, checks=wanted.checks))
        self._progress.enter(
            REGISTERED,
            f"{wanted}, address {wanted.address}, lease {self._held.id:x}, health {wanted.health}",
        )

    def _stay_away(self) -> None:
        """Leave as an operator would have it, and come back with a new lease once the check is not critical."""
        if boottime() >= self._removal_due:
            self._attempt(self._reconciliation, self._deregister)
        if not self._held.id:
            self._progress.enter(REMOVED, f"{self._self} is out of the registry while its checks are critical")

    def _deregister(self) -> float:
        deregister(self._client, self._config.layout, (*self._self.identities, *self._leaving), self._held.id)
        self._held.release()
        self._held.previous, self._written, self._leaving = (), None, ()
        self._reconciliation.due = 0.0
        self._remember(dataclasses.replace(self._memory, lease=0, joined=0, checks=self._checks.published))
        return 0.0

    def _lose(self, exc: t.Optional[RollcallError]) -> None:
        log.warning(f"Lease {self._held.id:x} is lost, registering again: {exc}", "RC-E-LEASE-LOST")
        self._counts["leases_lost"] += 1
        self._held.give_up(self._held.id)
        self._reconciliation.due = 0.0

    def _count_superseded(self) -> None:
        """Count a change that is never written, since the next one came before its turn."""
        wanted = self._wanted
        if self._unwritten is not None and self._unwritten != wanted:
            self._superseded += 1
        self._unwritten = wanted if self._changed else None

    def _end_former(self) -> None:
        """Delete the registration of the former configuration. If etcd refuses, it ends by itself with its lease."""
        if self._former is None:
            return
        place, lease = self._former
        try:
            deregister(self._client, *place.keys(), lease)
        except (*REFUSALS, RegistryError) as exc:
            log.warning(
                f"Cannot delete the former registration: {exc}. Its lease {lease:x} ends by itself",
                "RC-E-DEREGISTER",
            )
        self._former = None

    def _watch_other(self, seconds: float) -> None:
        if self._progress.phase != DUPLICATE:
            self._progress.enter(
                WAITING,
                f"{self._self} is held by a former boot of this host, or by a clone; "
                f"watching its lease for {seconds:.0f} s",
            )
        self._live(seconds)

    def _remember(self, memory: Memory) -> None:
        if memory != self._memory:
            self._memory = memory
            self._files.remember(memory)
