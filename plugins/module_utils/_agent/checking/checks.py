# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checks of this host: when to look, and what the results come to.

Internal to the collection: no promise is made to other users of this file.

All state lives in the thread that calls `turn` and `take`. Only the probe itself runs in a thread of its own, at most
one for each check; its result comes back through `deliver`. A probe that outlives its timeout counts as failed whether
or not its thread ever returns, and again at every interval until it does: nothing that hangs delays anything else.
"""

from __future__ import annotations

import dataclasses
import threading
import time
import typing as t

from ..._registry.model import CRITICAL, HEALTHS, PASSING, Check, worst
from ..pacing import Dwell, Writes, jittered
from .check_config import CheckConfig
from .probe import Result

NOT_YET = "not checked yet"

_FIRST_WITHIN = 1.0  # seconds over which the first looks are spread
_GRACE = 0.5  # seconds beyond its timeout in which a probe may still tell itself what went wrong
_OUTPUT = 200  # characters of output that are kept


class Outcome(t.NamedTuple):
    """What a probe's thread delivers. `run` tells which look it belongs to."""

    name: str
    run: int
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
    """One check and what is known of it. Times are of the clock that `Checks.turn` gets."""

    def __init__(self, config: CheckConfig, last: t.Optional[Check], dwell: Dwell, now: float) -> None:
        self.superseded = 0  # how often a change was held back until the next one came
        self.configure(config, last, dwell, now)
        self.due = now + jittered(min(_FIRST_WITHIN, config.interval) / 2, 1.0)
        self.started = 0.0
        self.run = 0  # number of the look under way, or of the last one
        self.waiting = False  # for the result of that look
        self.busy = False  # its thread has not come back
        self.changed = False  # what is published is of another configuration

    def configure(self, config: CheckConfig, last: t.Optional[Check], dwell: Dwell, now: float) -> None:
        """Go on from the last known status: a restart or another setting is no reason to call something broken."""
        known = last or Check(config.name, config.initial, NOT_YET, int(time.time()))
        self.config = config
        self.published = Check(config.name, known.status, known.output, known.since, config.service)
        self.counted = Hysteresis(known.status, last is None, config.rise, config.fall)
        self.output = known.output
        self.dwell = dwell
        self.stood_from = now - max(0.0, time.time() - known.since)
        self.removed = False  # critical for so long that its service shall not be in the registry
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
    def _removal(self) -> float:
        """When this check takes its service out of the registry; infinity where it does not."""
        after = self.config.deregister_after
        return self.stood_from + after if after and self.published.status == CRITICAL else float("inf")

    def next_due(self) -> float:
        """When there is something to do again."""
        times = [self.due]
        if self.waiting:
            times.append(self.started + self.config.timeout + _GRACE)
        if self.counted.status != self.published.status:
            times.append(self.dwell.over)
        if self.published.flapping:
            times.append(self.dwell.calm)
        if not self.removed:
            times.append(self._removal)
        return min(times)


class Checks:
    """Runs the checks of `configs`, each from its status in `last` on. `now` is of the clock that `turn` gets."""

    def __init__(
        self,
        configs: t.Sequence[CheckConfig],
        last: t.Mapping[str, Check],
        deliver: t.Callable[[Outcome], None],
        now: float,
        writes: Writes,
    ) -> None:
        self._deliver = deliver
        self._watched = {c.name: _Watched(c, last.get(c.name), _dwell(writes), now) for c in configs}

    def configure(self, configs: t.Sequence[CheckConfig], now: float, writes: Writes) -> None:
        """Take another configuration: what keeps its name keeps its status."""
        watched = {}
        for config in configs:
            old = self._watched.get(config.name)
            if old is None:
                old = _Watched(config, None, _dwell(writes), now)
            elif old.config != config:
                old.configure(config, None if old.counted.fresh else old.published, _dwell(writes), now)
                old.waiting, old.changed = False, True  # what is under way looks at something else
            watched[config.name] = old
        self._watched = watched

    @property
    def published(self) -> t.Tuple[Check, ...]:
        """What the registry is to say of each check."""
        return tuple(watched.published for watched in self._watched.values())

    @property
    def health(self) -> str:
        """The worst status of all; passing without checks."""
        return worst(check.status for check in self.published)

    @property
    def removed(self) -> t.FrozenSet[str]:
        """The services that shall not be in the registry, critical for too long; "" stands for the whole node."""
        return frozenset(watched.config.service for watched in self._watched.values() if watched.removed)

    @property
    def superseded(self) -> int:
        """How many changes of status were held back until the next one came, so that nobody was told of them."""
        return sum(watched.superseded for watched in self._watched.values())

    @property
    def settled(self) -> bool:
        """Whether every check has been looked at, so that one write can tell of all."""
        return not any(watched.counted.fresh for watched in self._watched.values())

    def turn(self, now: float) -> bool:
        """Do what is due: start looks, fail what hangs, tell what was held back. True where others are to know."""
        changed = False
        for watched in self._watched.values():
            if watched.waiting and now >= watched.started + watched.config.timeout + _GRACE:
                watched.waiting = False
                changed |= watched.count(Result(CRITICAL, f"no result within {watched.config.timeout:g} s"), now)
            if now >= watched.due:
                changed |= self._look(watched, now)
            changed |= watched.tell(now)
        return changed

    def take(self, outcome: Outcome, now: float) -> bool:
        """Count what a probe delivered. True where others are to know."""
        watched = self._watched.get(outcome.name)
        if watched is None or watched.run != outcome.run:
            return False  # of a check that is no more
        watched.busy = False
        in_time, watched.waiting = watched.waiting, False
        return in_time and watched.count(outcome.result, now)

    def next_due(self) -> float:
        """When `turn` has something to do again; infinity without checks."""
        return min((watched.next_due() for watched in self._watched.values()), default=float("inf"))

    def _look(self, watched: _Watched, now: float) -> bool:
        """Start a look; where the last one still hangs, that is the result."""
        watched.due = now + jittered(watched.config.interval, 0.1)
        if watched.waiting:
            return False  # its timeout is longer than the interval
        if watched.busy:
            seconds = now - watched.started
            return watched.count(Result(CRITICAL, f"no result for {seconds:.0f} s"), now)
        watched.started, watched.waiting, watched.busy = now, True, True
        watched.run += 1
        work = threading.Thread(
            target=self._probe, args=(watched.config, watched.run), name=f"check {watched.config.name}", daemon=True
        )
        work.start()
        return False

    def _probe(self, config: CheckConfig, run: int) -> None:
        try:
            result = config.probe(config.timeout)
        except Exception as exc:  # whatever it is, a check without a result would hang for ever
            result = Result(CRITICAL, f"the check itself failed: {type(exc).__name__}: {exc}")
        self._deliver(Outcome(config.name, run, result))


def _dwell(writes: Writes) -> Dwell:
    return Dwell(writes.dwell, writes.dwell_max)


def _clean(output: str) -> str:
    """One short line of what can be printed."""
    line = " ".join("".join(char if char.isprintable() else " " for char in output).split())
    return line if len(line) <= _OUTPUT else line[: _OUTPUT - 3] + "..."
