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

import threading
import time
import typing as t

from .._registry.model import CRITICAL, HEALTHS, PASSING, Check, worst
from .pacing import jittered
from .probes import Probe, Result

NOT_YET = "not checked yet"

_FIRST_WITHIN = 1.0  # seconds over which the first looks are spread
_GRACE = 0.5  # seconds beyond its timeout in which a probe may still tell itself what went wrong
_OUTPUT = 200  # characters of output that are kept


class CheckConfig(t.NamedTuple):
    """One check. `service` is "" for a check of the node itself; `interval` and `timeout` are seconds.

    A status changes for the better after `rise` results in a row, for the worse after `fall`.
    """

    name: str
    service: str
    interval: float
    timeout: float
    rise: int
    fall: int
    probe: Probe


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
    """One check and what is known of it."""

    def __init__(self, config: CheckConfig, last: t.Optional[Check], now: float) -> None:
        self.configure(config, last)
        self.due = now + jittered(min(_FIRST_WITHIN, config.interval) / 2, 1.0)
        self.started = 0.0
        self.run = 0  # number of the look under way, or of the last one
        self.waiting = False  # for the result of that look
        self.busy = False  # its thread has not come back

    def configure(self, config: CheckConfig, last: t.Optional[Check]) -> None:
        """Go on from the last known status: a restart or another setting is no reason to call something broken."""
        known = last or Check(config.name, CRITICAL, NOT_YET, int(time.time()))
        self.config = config
        self.published = Check(config.name, known.status, known.output, known.since, config.service)
        self.counted = Hysteresis(known.status, last is None, config.rise, config.fall)

    def count(self, result: Result) -> bool:
        """Count a result. True where what is published changed: the status, or the first words on it."""
        first = self.counted.fresh
        if not self.counted.feed(result.status) and not first:
            return False
        since = int(time.time()) if self.counted.status != self.published.status else self.published.since
        output = _clean(result.output)
        self.published = Check(self.config.name, self.counted.status, output, since, self.config.service)
        return True


class Checks:
    """Runs the checks of `configs`, each from its status in `last` on. `now` is of the clock that `turn` gets."""

    def __init__(
        self,
        configs: t.Sequence[CheckConfig],
        last: t.Mapping[str, Check],
        deliver: t.Callable[[Outcome], None],
        now: float,
    ) -> None:
        self._deliver = deliver
        self._watched = {config.name: _Watched(config, last.get(config.name), now) for config in configs}

    def configure(self, configs: t.Sequence[CheckConfig], now: float) -> None:
        """Take another configuration: what keeps its name keeps its status."""
        watched = {}
        for config in configs:
            old = self._watched.get(config.name)
            if old is None:
                old = _Watched(config, None, now)
            elif old.config != config:
                old.configure(config, None if old.counted.fresh else old.published)
                old.waiting = False  # what is under way looks at something else
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
    def settled(self) -> bool:
        """Whether every check has been looked at, so that one write can tell of all."""
        return not any(watched.counted.fresh for watched in self._watched.values())

    def turn(self, now: float) -> bool:
        """Start what is due and fail what hangs. True where `published` changed."""
        changed = False
        for watched in self._watched.values():
            if watched.waiting and now >= watched.started + watched.config.timeout + _GRACE:
                watched.waiting = False
                changed |= watched.count(Result(CRITICAL, f"no result within {watched.config.timeout:g} s"))
            if now >= watched.due:
                changed |= self._look(watched, now)
        return changed

    def take(self, outcome: Outcome) -> bool:
        """Count what a probe delivered. True where `published` changed."""
        watched = self._watched.get(outcome.name)
        if watched is None or watched.run != outcome.run:
            return False  # of a check that is no more
        watched.busy = False
        in_time, watched.waiting = watched.waiting, False
        return in_time and watched.count(outcome.result)

    def next_due(self) -> float:
        """When `turn` has something to do again; infinity without checks."""
        times = [watched.due for watched in self._watched.values()]
        times += [w.started + w.config.timeout + _GRACE for w in self._watched.values() if w.waiting]
        return min(times, default=float("inf"))

    def _look(self, watched: _Watched, now: float) -> bool:
        """Start a look; where the last one still hangs, that is the result."""
        watched.due = now + jittered(watched.config.interval, 0.1)
        if watched.waiting:
            return False  # its timeout is longer than the interval
        if watched.busy:
            seconds = now - watched.started
            return watched.count(Result(CRITICAL, f"no result for {seconds:.0f} s"))
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


def _clean(output: str) -> str:
    """One short line of what can be printed."""
    line = " ".join("".join(char if char.isprintable() else " " for char in output).split())
    return line if len(line) <= _OUTPUT else line[: _OUTPUT - 3] + "..."
