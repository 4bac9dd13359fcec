# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keeping one registration: a lease that lives as long as this host does, and keys that are as they must be.

Internal to the collection: no promise is made to other users of this file.

Two tasks, each with its own time: the renewal (get a lease, keep it alive) and the reconciliation (read our keys, put
right what differs). Nothing that etcd or the network does ends them; they come back later. Where nothing changes, etcd
sees one keepalive in a third of the lease's time and one read in `self_check`, neither of which it writes down.
"""

from __future__ import annotations

import dataclasses
import time
import typing as t

from ..._etcd.errors import LeaseNotFound, PermissionDenied, RollcallError
from ..._registry.errors import Duplicate, RegistryError
from ..._registry.layout import Identity
from ..._registry.model import DRAIN
from ..._registry.registration import Registration, reconcile, withdraw
from .. import log
from ..checking.checks import Checks
from ..pacing import Task, TokenBucket, boottime, jittered
from .addresses import Locator
from .live_client import live_client
from .maintained import Maintained
from .progress import DUPLICATE, LEFT, REFUSALS, REFUSED, REGISTERED, REMOVED, WAITING, Progress
from .register_config import RegisterConfig
from .run_directory import Json, Memory, Place, RunDirectory

_LEAVE_WITHIN = 10.0  # seconds in which another attempt to leave is begun
_OVER_FOR = 10  # self-checks in which a maintenance must be over before its key is deleted


class Registrar:
    """Holds the registration that `config`, `locator` and `checks` describe; belongs to one thread.

    `live` is called with seconds that have to pass while the process goes on: it calls `renew` meanwhile. `alive` is
    called at least as often as etcd is asked for something.
    """

    def __init__(
        self,
        config: RegisterConfig,
        checks: Checks,
        locator: Locator,
        files: RunDirectory,
        live: t.Callable[[float], None],
        alive: t.Callable[[], None] = lambda: None,
    ) -> None:
        self._checks = checks
        self._locator = locator
        self._files = files
        self._live = live
        self._alive = alive
        self._memory = files.recall()
        self._client = live_client(config.settings, config.ttl, "", alive)
        self._lease = 0
        self._previous = 0  # the lease before, which may still hold our keys
        self._granted = config.ttl  # seconds the lease has after a keepalive
        self._known = False  # our keys are there, as far as we know
        self._written: t.Optional[Registration] = None
        self._former: t.Optional[t.Tuple[Place, int]] = None  # to withdraw first
        self._leaving: t.Tuple[Identity, ...] = ()  # names that the lease may still hold and shall not
        self._draining = False
        self._progress = Progress()
        self._renewed = 0.0
        self._renewed_boottime: t.Optional[float] = None
        self._rtt: t.Optional[float] = None  # seconds that the last keepalive took
        self._unwritten: t.Optional[Registration] = None  # what waits for its turn to be written
        self._superseded = 0  # how often that was replaced before its turn came
        self._counts = {"keepalives": 0, "self_checks": 0, "writes": 0, "leases_lost": 0}
        self.configure(config)

    def configure(self, config: RegisterConfig) -> None:
        """Take a configuration, at the start or later; the lease stays wherever that is possible.

        Raises RegistryError, before anything is changed, where the host does not know its name or machine id.
        """
        self._self = config.identify()
        self._config = config
        self._client.close()
        self._client = live_client(config.settings, config.ttl, f"{self._self} {self._self.document.id}", self._alive)
        self._maintained = Maintained(_OVER_FOR * config.self_check)
        self._renewal, self._reconciliation = Task(config.ttl), Task(config.ttl)
        self._bucket = TokenBucket(config.writes.per_minute, config.writes.burst, boottime())
        lease, was, place = self._lease or self._memory.lease, self._memory.place, self._place
        self._previous = lease
        self._lease, self._known, self._former, self._leaving = 0, False, None, ()
        if not lease or not was:
            return
        if was._replace(roles=place.roles) == place and self._memory.ttl == config.ttl:
            self._lease, self._known = lease, True
            self._leaving = tuple(who for who in was.keys()[1] if who not in self._self.identities)
        elif was != place:
            self._former = (was, lease)
        # A lease of another time to live is left to `reconcile`, which takes our keys over and ends it.

    @property
    def next_due(self) -> float:
        """When `turn` has something to do again."""
        if self._removed:
            return self._removal_due
        if not self._lease or self._renewal.failing:
            return self.renewal_due
        times = [self._renewal.due, self._reconciliation.due]
        if self._changed and not self._reconciliation.failing:
            times.append(self._bucket.ready(boottime()))
        return min(times) if self._locator.address else self._renewal.due

    @property
    def renewal_due(self) -> float:
        """When `renew` has something to do again; infinity where it waits for an address."""
        return self._renewal.due if self._lease or self._locator.address else float("inf")

    def turn(self) -> None:
        """Do what is due. What etcd or the network does to it is told, not raised."""
        self._count_superseded()
        if self._removed:
            self._stay_away()
            return
        if self._progress.phase == DUPLICATE and not self._config.name:
            self._look_for_a_name()
        self.renew()
        if not self._lease or self._renewal.failing or not self._locator.address:
            return
        now = boottime()
        if now >= self._reconciliation.due or (
            self._changed and not self._reconciliation.failing and self._bucket.take(now)
        ):
            self._attempt(self._reconciliation, self._reconcile)

    def renew(self) -> None:
        """Keep the lease alive if it is time, or get one."""
        if boottime() >= self.renewal_due:
            self._attempt(self._renewal, self._renew)
        elif not self._lease and not self._locator.address:
            self._progress.be(
                WAITING,
                f"for an address of this host ({self._config.address}): {self._locator.problem or 'still looking'}",
            )

    def drain(self) -> bool:
        """Announce that this host is about to leave. True where that was written, so that waiting makes sense."""
        self._draining = True
        if self._progress.phase != REGISTERED or not self._lease:
            return False
        for _try in range(2):  # the second goes to another endpoint
            self._attempt(self._reconciliation, self._reconcile)
            if self._progress.phase == REGISTERED:
                return True
        return False

    def leave(self) -> None:
        """Withdraw the registration, and forget it where that worked or can never work."""
        deadline = boottime() + min(_LEAVE_WITHIN, self._granted)  # after that the lease is over anyway
        while self._lease:
            try:
                withdraw(self._client, self._config.layout, (*self._self.identities, *self._leaving), self._lease)
                self._lease = 0
            except RollcallError as exc:
                if isinstance(exc, REFUSALS) or boottime() > deadline:
                    self._progress.enter(
                        LEFT, f"not withdrawn, so the lease ends by itself within {self._granted} s: {exc}"
                    )
                    return
                self._live(0.5)
        self._files.forget()
        self._progress.enter(LEFT, f"{self._self} is withdrawn")

    def hand_over(self) -> None:
        """Leave everything to the next process, which has the lease's time to come."""
        log.info(f"Leaving lease {self._lease:x} to the next process" if self._lease else "No lease to leave behind")

    def status(self) -> Json:
        """How it goes, for the operator. Times are Unix seconds."""
        config = self._config
        return {
            **self._progress.document(),
            "node": str(self._self),
            "prefix": config.layout.prefix,
            "address": self._locator.address,
            "address_problem": self._locator.problem,
            "endpoint": self._client.endpoint,
            "instance": self._memory.instance,
            "registered_since": self._memory.joined,
            "lease": f"{self._lease:x}" if self._lease else "",
            "ttl": self._granted,
            "renewed": int(self._renewed),
            "renewed_boottime": self._renewed_boottime,
            "rtt": self._rtt,
            "health": self._wanted.health,
            "maintenance": self._maintained.fields,
            "services": {service.name: service.document() for service in self._self.document.services},
            "tags": list(self._self.document.tags),
            "checks": {check.name: check.document() for check in self._checks.known},
            "counts": {
                **self._counts,
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
        """Whether a check of the node itself is critical for so long that it shall not be registered."""
        return "" in self._checks.removed

    @property
    def _removal_due(self) -> float:
        """When to try to withdraw what shall not be registered; infinity where nothing is."""
        if not self._lease:
            return float("inf")
        return self._reconciliation.due if self._reconciliation.failing else 0.0

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
            return  # it has none at the moment
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
            self._written, self._known = None, False
            self._progress.trouble(DUPLICATE, exc)
        except RollcallError as exc:
            refused = isinstance(exc, REFUSALS)
            task.failed(refused, boottime())
            self._progress.trouble(REFUSED if refused else WAITING, exc)
        else:
            task.worked(now + period)

    def _renew(self) -> float:
        was_failing = self._renewal.failing
        self._end_former()
        if self._lease:
            try:
                begun = boottime()
                self._granted = self._client.lease_keepalive(self._lease)
                self._counts["keepalives"] += 1
                self._rtt = round(boottime() - begun, 4)
                self._note_renewal()
            except LeaseNotFound as exc:
                self._lose(exc)
        if not self._lease:
            self._grant()
        if was_failing:
            self._reconciliation.due = 0.0  # whatever happened meanwhile is seen now
        return jittered(self._granted / 3, 0.1)

    def _reconcile(self) -> float:
        lease = self._lease
        try:
            self._put_right()
        except LeaseNotFound as exc:
            if self._lease == lease:
                self._lose(exc)
                self._grant()
            self._put_right()
        except PermissionDenied as exc:
            if not self._leaving:
                raise
            names = ", ".join(map(str, self._leaving))
            log.warning(
                f"Leaving {names} is not permitted any more, so that goes by itself with lease {lease:x}: {exc}"
            )
            self._previous, self._lease, self._leaving = lease, 0, ()
            self._grant()
            self._put_right()
        return min(jittered(self._config.self_check, 0.2), self._maintained.next_look())

    def _put_right(self) -> None:
        wanted = self._wanted
        claim = reconcile(
            self._client,
            self._config.layout,
            wanted,
            self._lease,
            self._watch_other,
            leaving=self._leaving,
            previous=self._previous,
        )
        self._leaving = ()
        self._counts["writes" if claim.changed else "self_checks"] += 1
        self._written, self._known, self._unwritten = wanted, True, None
        self._maintained.look(self._client, self._config.layout, self._self.identities)
        joined = self._memory.joined or int(time.time())
        self._remember(dataclasses.replace(self._memory, place=self._place, joined=joined, checks=wanted.checks))
        self._progress.enter(
            REGISTERED,
            f"{wanted}, address {wanted.address}, lease {self._lease:x}, health {wanted.health}",
        )

    def _stay_away(self) -> None:
        """Leave as an operator would have it, and come back with a new lease once the check is not critical."""
        if boottime() >= self._removal_due:
            self._attempt(self._reconciliation, self._withdraw)
        if not self._lease:
            self._progress.enter(REMOVED, f"{self._self} is out of the registry while its checks are critical")

    def _withdraw(self) -> float:
        withdraw(self._client, self._config.layout, (*self._self.identities, *self._leaving), self._lease)
        self._lease, self._previous, self._known, self._written, self._leaving = 0, 0, False, None, ()
        self._renewal.due = 0.0
        self._remember(dataclasses.replace(self._memory, lease=0, joined=0, checks=self._checks.published))
        return 0.0

    def _grant(self) -> None:
        self._lease, self._granted = self._client.lease_grant(self._config.ttl)
        self._note_renewal()
        self._reconciliation.due = 0.0
        self._remember(
            dataclasses.replace(self._memory, lease=self._lease, ttl=self._config.ttl, place=self._place, joined=0)
        )

    def _note_renewal(self) -> None:
        self._renewed, self._renewed_boottime = time.time(), boottime()

    def _lose(self, exc: LeaseNotFound) -> None:
        log.warning(f"Lease {self._lease:x} is lost, registering again: {exc}")
        self._counts["leases_lost"] += 1
        self._previous, self._lease, self._known = self._lease, 0, False

    def _count_superseded(self) -> None:
        """Count what was to be written and never will be, since the next change came before its turn."""
        wanted = self._wanted
        if self._unwritten is not None and self._unwritten != wanted:
            self._superseded += 1
        self._unwritten = wanted if self._changed else None

    def _end_former(self) -> None:
        """Withdraw what the configuration no longer says. What etcd refuses here ends by itself with its lease."""
        if self._former is None:
            return
        place, lease = self._former
        try:
            withdraw(self._client, *place.keys(), lease)
        except (*REFUSALS, RegistryError) as exc:
            log.warning(f"Could not withdraw the former registration, its lease {lease:x} ends by itself: {exc}")
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
