# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The process behind `rollcall render`.

Internal to the collection: no promise is made to other users of this file.

One loop in the main thread applies what has changed; following etcd and publishing what is applied have threads of
their own, so that neither waits for an etcd that is away.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
import typing as t

from ..._etcd.client import Client
from ..._etcd.inbox import Inbox
from ..._registry.errors import NODE_NOTE, REJECTED, RegistryError
from ..._registry.following.follower import Follower
from ..._registry.following.mirror import State
from ..host import log
from ..host.clock import boottime
from ..host.systemd import STOP, Notifier, why_ended
from ..host.writer import Writer
from ..version import version
from .applying import apply, make_jobs
from .coalesce import Coalescer
from .commands import Commands
from .consumer import Applied, Consumer
from .guard import Guard
from .render_config import RenderConfig
from .snapshot import Snapshot
from .view import View, ViewBuilder

Json = t.Dict[str, t.Any]

_PAUSE = 1.0  # seconds after a step that failed
_LAST_WRITES = 1.0  # seconds at the end for a disk to take the last of it
_STOP, _AGAIN, _NEWS = "stop", "again", "news"


class Renderer:
    """Keeps the files of `config` up to date until SIGTERM or SIGINT. Its locks must be held already."""

    def __init__(self, config: RenderConfig, run_dir: str) -> None:
        self._config = config
        self._status_file = os.path.join(run_dir, "render.json")
        self._writer = Writer("status")
        self._inbox: Inbox[str] = Inbox()
        self._notifier = Notifier()
        self._coalescer = Coalescer(config.timing.quiet, config.timing.max_wait)
        self._snapshot = Snapshot(config.state_dir)
        self._views = ViewBuilder(config.layout, config.admission)
        self._guard = Guard(config.layout, config.allow_empty)
        self._jobs = make_jobs(config, run_dir)
        self._commands = Commands(self._notifier)
        if config.settings.warning:
            log.warning(config.settings.warning, "RC-E-INSECURE")
        client = Client(config.settings)
        self._follower = Follower(
            client,
            config.selectors,
            config.layout,
            lambda: self._inbox.put(_NEWS),
            config.intervals,
            warn=log.warning,
            inform=log.info,
        )
        self._consumer = Consumer(client.clone(), config.layout.consumer(config.name), config.consumer_ttl)
        self._good: t.Optional[t.Tuple[State, View]] = None  # the last that the guard let through
        self._ends = float("inf")  # when the next maintenance of a node is over
        self._held = ""  # why the newest state is not rendered
        self._applied = 0  # the revision that every file is up to date with
        self._seen = 0  # the follower's serial
        self._failure = ""
        self._stumbled = ""
        self._ready = False
        self._stopping = False
        self._shown: Json = {}

    def run(self) -> None:
        """Go on until SIGTERM or SIGINT; SIGHUP reads and renders everything again."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda signum, _frame: self._inbox.put(_AGAIN if signum == signal.SIGHUP else _STOP))
        self._consumer.start()
        saved = self._snapshot.load(self._config.selectors)
        if saved is not None:
            log.info(f"Rendering from the snapshot of revision {saved.revision}")
            self._take(saved)
            self._apply()
        self._follower.start()
        while not self._stopping:
            try:
                self._step()
            except Exception as exc:  # the host has run out of something, or there is a mistake in here
                self._stumble(exc)
        self._notifier.stopping()
        self._follower.stop()
        self._consumer.stop(leave=why_ended() == STOP)
        self._writer.flush(_LAST_WRITES)
        self._snapshot.flush(_LAST_WRITES)

    def _step(self) -> None:
        """Wait for the first thing to happen or to be due, and do it."""
        self._notifier.alive()
        now = boottime()
        due = [now + (self._notifier.watchdog or 3600.0) / 3, *(job.retry_at for job in self._jobs if job.retry_at)]
        due.append(self._ends)
        if self._coalescer.due is not None:
            due.append(self._coalescer.due)
        for message in self._inbox.take(min(due) - now):
            self._handle(message)
        if self._stopping:
            return
        now = boottime()
        if self._coalescer.due is not None and self._coalescer.due <= now:
            self._take(self._follower.state())
            self._apply()
            self._coalescer.applied(boottime())
        elif self._ends <= now and self._good is not None:
            self._take(self._good[0])
            self._apply()
        elif any(job.retry_at and job.retry_at <= now for job in self._jobs):
            self._apply()
        self._show()

    def _stumble(self, exc: Exception) -> None:
        """Tell once what went wrong, and go on: with everything read again, since it may have come to nothing."""
        problem = f"{type(exc).__name__}: {exc}"
        if problem != self._stumbled:
            log.error(f"Going on after an unexpected error: {problem}", "RC-E-BUG")
        self._stumbled = problem
        self._coalescer.changed(boottime())
        time.sleep(_PAUSE)

    def _handle(self, message: str) -> None:
        if message == _STOP:
            self._stopping = True
        elif message == _AGAIN:
            self._follower.resync()
        else:
            report = self._follower.report()
            if report.serial != self._seen:
                self._seen = report.serial
                self._coalescer.changed(boottime())
            if report.failure and not self._failure:
                log.warning(f"Cut off from etcd; the files stay as they are: {report.failure}", "RC-E-CUT-OFF")
            elif self._failure and not report.failure:
                log.info(f"Following etcd at {report.endpoint} again")
            self._failure = report.failure

    def _take(self, state: State) -> None:
        """Make `state` what is rendered from, unless the guard objects."""
        try:
            seen = self._views.build(state)
            held = self._guard.refusal(seen)
        except RegistryError as exc:
            held = str(exc)
        if held:
            if not self._held:
                log.error(f"ALARM: the last good state is kept: {held}", "RC-E-HELD")
        else:
            if self._held:
                log.info(f"The registry is good again at revision {state.revision}")
            self._tell_rejected(seen)
            self._good = (state, seen)
            self._ends = _next_end(seen)
        self._held = held

    def _apply(self) -> None:
        """Bring every file up to date with the last good state; then keep that and publish it."""
        if self._good is not None:
            state, seen = self._good
            self._render(seen)
            if not any(job.error for job in self._jobs):
                self._applied = seen.revision
            self._snapshot.save(state)
            self._publish(state)
        self._show()
        if not self._ready:
            self._ready = True
            self._notifier.ready()

    def _render(self, seen: View) -> None:
        """Bring all files up to date, and tell what is new about it."""
        former = {job: job.error for job in self._jobs}
        apply(self._jobs, seen, self._commands, boottime)
        for job in self._jobs:
            if job.changed:
                log.info(f"{job.title} is up to date with revision {seen.revision}")
            elif job.error:
                log.error(job.error, job.error_id)
            elif former[job]:
                log.info(f"{job.title} is good again")

    def _tell_rejected(self, seen: View) -> None:
        """Log each rejected node once, even if other faults follow, and each note about nodes."""
        left_out = {rejected.path for rejected in self._good[1].rejected} if self._good else set()
        for rejected in seen.rejected:
            if rejected.path not in left_out:
                log.warning(f"Rejected: {rejected}", REJECTED)
        for note in seen.notes:
            if not self._good or note not in self._good[1].notes:
                log.warning(note, NODE_NOTE)

    def _publish(self, state: State) -> None:
        hashes = json.dumps([file["hash"] for job in self._jobs for file in job.status()]).encode()
        error = next((job.error for job in self._jobs if job.error), "")
        current = not (error or self._held)
        self._consumer.publish(
            Applied(
                hash=hashlib.sha256(hashes).hexdigest(),
                stale=bool(self._held),
                error=error,
                revision=state.revision,
                pulses=state.pulses() if current else None,
            )
        )

    def _show(self) -> None:
        """Write the status for operators where it has changed."""
        seen = self._good[1] if self._good else None
        status: Json = {
            "version": version(),
            "pid": os.getpid(),
            "name": self._config.name,
            "security_warning": self._config.settings.warning,
            "watch_cuts": self._follower.report().cuts,
            "revision": self._applied,
            "nodes": len(seen.nodes) if seen else 0,
            "left_out": [str(rejected) for rejected in seen.rejected] if seen else [],
            "held": self._held,
            "cut_off": self._failure,
            "files": [file for job in self._jobs for file in job.status()],
        }
        if status == self._shown:
            return
        self._shown = status
        self._notifier.status(self._summary())
        self._writer.put(self._status_file, json.dumps(status, indent=2, sort_keys=True).encode() + b"\n")

    def _summary(self) -> str:
        """One line: what is wrong first."""
        errors = [file["error"] for job in self._jobs for file in job.status() if file["error"]]
        count = len(self._config.files)
        if self._held:
            return f"ALARM: the last good state is kept: {self._held}"
        if errors:
            return f"{len(errors)} of {count} files not up to date: {errors[0]}"
        if self._failure:
            have = f"Files of revision {self._applied}" if self._good else "Nothing is rendered yet"
            return f"{have}, cut off from etcd: {self._failure}"
        if not self._good:
            return "Reading the registry"
        return f"{count} files up to date with revision {self._applied}"


def _next_end(seen: View) -> float:
    """When the next maintenance is over, by `boottime`; infinity if none ends by itself."""
    return float("inf") if seen.next_end is None else boottime() + seen.next_end - time.time()
