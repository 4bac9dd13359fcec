# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checks of this host: when to look, and what the results come to.

Internal to the collection: no promise is made to other users of this file.

All state lives in the thread that calls `turn` and `take`. Only the probe itself runs in a thread of its own, at most
one for each check and configuration of it; its result comes back through `deliver`. A probe that outlives its timeout
counts as failed whether or not its thread ever returns, and again at every interval until it does: nothing that hangs
delays anything else. One that has returned has not hung, however long its result waits to be taken.
"""

from __future__ import annotations

import dataclasses
import threading
import time
import typing as t

from ..._registry.following.timing import jittered
from ..._registry.model import CRITICAL, HEALTHS, PASSING, Check, worst
from ..host import log
from ..host.shortage import is_shortage, shortage_here
from .check_config import CheckConfig
from .dwell import Dwell, Writes
from .probe import UNKNOWN, Result

NOT_YET = "not checked yet"

_FIRST_WITHIN = 1.0  # seconds over which the first looks are spread
_GRACE = 0.5  # seconds beyond its timeout in which a probe may still tell itself what went wrong
_OUTPUT = 200  # characters of output that are kept


class Look:
    """One call of a probe. `over` is for its thread to say: the result is there, though it may not be taken yet."""

    def __init__(self, started: float) -> None:
        self.started = started
        self.over = False


class CheckResult(t.NamedTuple):
    """The result that the thread of a probe delivers. `look` is the run that it belongs to."""

    name: str
    look: Look
    result: Result


class Hysteresis:
    """A status that follows results only after enough of them in a row.

    A status that stands for nothing yet (`fresh`) gives way to the first result if that is passing.
    """

    def __init__(self, status: str, fresh: bool, rise: int, fall: int) -> None:
        self.status = status
        self.fresh = fresh
        self._rise = rise
        self._fall = fall
        self._better = False
        self._streak = 0

    def feed(self, result: str) -> bool:
        """Count a result. True where the status changed."""
        fresh, self.fresh = self.fresh, False
        if result == self.status:
            self._streak = 0
            return False
        better = HEALTHS.index(result) < HEALTHS.index(self.status)
        self._streak = self._streak + 1 if better == self._better else 1
        self._better = better
        if self._streak < (self._rise if better else self._fall) and not (fresh and result == PASSING):
            return False
        self.status = result
        self._streak = 0
        return True


class _Watched:
    """One check and what is known of it. Times are of the clock that `Checks.turn` gets.

    A `newcomer` joins a host that is registered already: it is not published before its first result.
    """

    def __init__(self, config: CheckConfig, last: t.Optional[Check], dwell: Dwell, now: float, newcomer: bool) -> None:
        self.newcomer = newcomer
        self.superseded = 0  # how often a change was held back until the next one came
        self.changed = False  # what is published is of another configuration
        self.stood_from = now - max(0.0, time.time() - last.since) if last else now
        self.configure(config, last, dwell, now)

    def configure(self, config: CheckConfig, last: t.Optional[Check], dwell: Dwell, now: float) -> None:
        """Go on from the last known status: a restart or another setting is no reason to call something broken.

        It runs anew. A run that has begun looks at something else, and counts neither as a result nor as a hang.
        """
        known = last or Check(config.name, config.initial, NOT_YET, int(time.time()))
        self.config = config
        self.published = Check(config.name, known.status, known.output, known.since, config.service)
        self.counted = Hysteresis(known.status, last is None, config.rise, config.fall)
        self.output = known.output
        self.dwell = dwell
        self.removed = False  # critical for so long that its service leaves the registry
        self.due = now + jittered(min(_FIRST_WITHIN, config.interval) / 2, 1.0)
        self.look: t.Optional[Look] = None  # the one whose result was not taken yet
        self.waiting = False  # for that result; not where it is too late to count
        self.tell(now)

    def count(self, result: Result, now: float) -> bool:
        """Count a result. True where something changed that others are to know."""
        first, status = self.counted.fresh or self.changed, result.status or self.counted.status
        self.changed = False
        if CRITICAL == status != self.config.severity:
            status = self.config.severity
        held_back = self.counted.status != self.published.status
        if self.counted.feed(status) or first:
            self.superseded += held_back
            self.output = _clean(result.output)
        if first and self.counted.status == self.published.status:
            self.published = dataclasses.replace(self.published, output=self.output)
        return self.tell(now) or first

    def tell(self, now: float) -> bool:
        """Publish what was counted if the last status has stood for long enough. True where something changed."""
        before = self.published, self.removed
        if self.counted.status != self.published.status and now >= self.dwell.over:
            self.dwell.change(now)
            self.stood_from = now
            self.published = dataclasses.replace(
                self.published, status=self.counted.status, output=self.output, since=int(time.time())
            )
        self.published = dataclasses.replace(self.published, flapping=self.dwell.flapping(now))
        self.removed = now >= self._removal
        return before != (self.published, self.removed)

    @property
    def quiet(self) -> bool:
        """Whether it is not published yet."""
        return self.newcomer and self.counted.fresh

    @property
    def _removal(self) -> float:
        """When this check takes its service out of the registry; infinity if it does not."""
        after = self.config.deregister_after
        return self.stood_from + after if after and self.published.status == CRITICAL else float("inf")

    @property
    def overdue(self) -> float:
        """When the present run has failed; infinity if no run is under way or its result has come."""
        if self.look is None or self.look.over or not self.waiting:
            return float("inf")
        return self.look.started + self.config.timeout + _GRACE

    def next_due(self) -> float:
        """When there is something to do again."""
        times = [self.due, self.overdue]
        if self.counted.status != self.published.status:
            times.append(self.dwell.over)
        if self.published.flapping:
            times.append(self.dwell.calm)
        if not self.removed:
            times.append(self._removal)
        return min(times)


class Checks:
    """Runs the checks of `configs`, each from its status in `last` on. `now` is of the clock that `turn` gets.

    Where the host is `registered` by a former process, a check that is not in `last` is a newcomer.
    """

    def __init__(
        self,
        configs: t.Sequence[CheckConfig],
        last: t.Mapping[str, Check],
        deliver: t.Callable[[CheckResult], None],
        now: float,
        writes: Writes,
        registered: bool = False,
    ) -> None:
        self._deliver = deliver
        self._writes = writes
        self._short = ""  # what the agent has run out of
        self._watched = {c.name: _Watched(c, last.get(c.name), _dwell(writes), now, registered) for c in configs}

    def configure(self, configs: t.Sequence[CheckConfig], now: float, writes: Writes) -> None:
        """Take another configuration: what keeps its name keeps its status."""
        watched = {}
        for config in configs:
            old = self._watched.get(config.name)
            if old is None:
                old = _Watched(config, None, _dwell(writes), now, newcomer=True)
            elif old.config != config:
                old.configure(config, None if old.counted.fresh else old.published, _dwell(writes), now)
                old.changed = True
            elif writes != self._writes:
                old.dwell = _dwell(writes)
            watched[config.name] = old
        self._watched, self._writes = watched, writes

    @property
    def published(self) -> t.Tuple[Check, ...]:
        """Each check as it must be in the registry."""
        return tuple(watched.published for watched in self._watched.values() if not watched.quiet)

    @property
    def known(self) -> t.Tuple[Check, ...]:
        """The same, with those that are not published yet."""
        return tuple(watched.published for watched in self._watched.values())

    @property
    def health(self) -> str:
        """The worst status of all; passing without checks."""
        return worst(check.status for check in self.published)

    @property
    def removed(self) -> t.FrozenSet[str]:
        """The services that are critical for too long to be in the registry; "" stands for the whole node."""
        return frozenset(watched.config.service for watched in self._watched.values() if watched.removed)

    @property
    def superseded(self) -> int:
        """How many changes of status were held back until the next one came, and so never published."""
        return sum(watched.superseded for watched in self._watched.values())

    def turn(self, now: float) -> bool:
        """Do what is due: start looks, fail what hangs, tell what was held back. True where others are to know."""
        changed = False
        for watched in self._watched.values():
            if now >= watched.overdue:
                watched.waiting = False
                changed |= watched.count(Result(CRITICAL, f"no result within {watched.config.timeout:g} s"), now)
            if now >= watched.due:
                changed |= self._look(watched, now)
            changed |= watched.tell(now)
        return changed

    def take(self, outcome: CheckResult, now: float) -> bool:
        """Count what a probe delivered. True where others are to know."""
        watched = self._watched.get(outcome.name)
        if watched is None or watched.look is not outcome.look:
            return False  # of a check, or a configuration of it, that is no more
        in_time, watched.look, watched.waiting = watched.waiting, None, False
        return in_time and watched.count(outcome.result, now)

    def next_due(self) -> float:
        """When `turn` has something to do again; infinity without checks."""
        return min((watched.next_due() for watched in self._watched.values()), default=float("inf"))

    def _look(self, watched: _Watched, now: float) -> bool:
        """Start a look; where the last one still hangs, or none can be started, that is the result."""
        watched.due = now + jittered(watched.config.interval, 0.1)
        if watched.look is not None:
            if watched.waiting or watched.look.over:
                return False  # its timeout is longer than the interval, or its result is about to be taken
            seconds = now - watched.look.started
            return watched.count(Result(CRITICAL, f"no result for {seconds:.0f} s"), now)
        config, look = watched.config, Look(now)
        work = threading.Thread(target=self._probe, args=(config, look), name=f"check {config.name}", daemon=True)
        try:
            work.start()
        except RuntimeError as exc:  # the host has no process or memory left
            return watched.count(self._not_known(str(exc)), now)
        watched.look, watched.waiting = look, True
        return False

    def _probe(self, config: CheckConfig, look: Look) -> None:
        try:
            result = config.probe(config.timeout)
        except Exception as exc:  # of any kind: a check without a result would hang for ever
            failed = Result(CRITICAL, f"the check itself failed: {type(exc).__name__}: {exc}")
            result = self._not_known(getattr(exc, "strerror", "") or str(exc)) if is_shortage(exc) else failed
        short = shortage_here() if result.status not in (PASSING, UNKNOWN) else ""
        if short:
            result = self._not_known(short)
        elif result.status != UNKNOWN:
            self._short = ""
        look.over = True
        self._deliver(CheckResult(config.name, look, result))

    def _not_known(self, shortage: str) -> Result:
        """The result of a check that the agent could not run: it says nothing about the service."""
        if shortage != self._short:
            log.warning(f"Cannot carry out checks, so that their last status stands: {shortage}", "RC-E-SHORTAGE")
        self._short = shortage
        return Result(UNKNOWN, f"the agent has run out of something: {shortage}")


def _dwell(writes: Writes) -> Dwell:
    return Dwell(writes.dwell, writes.dwell_max)


def _clean(output: str) -> str:
    """One short line of what can be printed."""
    line = " ".join("".join(char if char.isprintable() else " " for char in output).split())
    return line if len(line) <= _OUTPUT else line[: _OUTPUT - 3] + "..."
