# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The process behind `rollcall register`.

Internal to the collection: no promise is made to other users of this file.

One loop in the main thread: signals and results of threads come in through one queue, everything else happens when its
time has come. Requests to etcd have deadlines; checks, reading the configuration again, writing files and logging run
in threads of their own, so the loop always comes round. The lease does not depend on that: see `lease`.
"""

from __future__ import annotations

import os
import signal
import threading
import typing as t

from ..._etcd.inbox import Inbox
from ..._registry.errors import RegistryError
from ..checking.checks import CheckResult, Checks
from ..config import ConfigError
from ..host import log
from ..host.clock import boottime
from ..host.shortage import patiently
from ..host.systemd import STOP, Notifier, why_ended
from ..version import version
from . import addresses
from .lease import LeaseKeeper
from .register_config import RegisterConfig, load
from .registrar import Registrar
from .run_directory import Json, RunDirectory

if t.TYPE_CHECKING:
    from .metrics import MetricsFile

_RENEWED = "renewed"  # the keeper has something to tell

_LOOP_PATIENCE = 10  # times the watchdog's, for which the loop may be held up: its lease lives on without it
_PAUSE = 1.0  # seconds after a turn that failed
_LAST_WRITES = 2.0  # seconds at the end for a disk or the reader of our log to take the rest


class Reading(t.NamedTuple):
    """The configuration as it was read again, or why it cannot be used."""

    config: t.Optional[RegisterConfig]
    problem: str


Message = t.Union[CheckResult, addresses.Candidates, signal.Signals, Reading, str]


class Agent:
    """Registers this host as the file `config` says, until SIGTERM or SIGINT. Raises ConfigError and RollcallError."""

    def __init__(self, config: str, files: RunDirectory) -> None:
        self._file = config
        self._files = files
        self._inbox: Inbox[Message] = Inbox()
        self._notifier = Notifier()
        self._turned = boottime()
        self._shown: Json = {}
        self._stops = 0
        self._reload_wanted = False
        self._reading = False
        self._stumbled = ""
        self._config_problem = ""
        self._config = load(config)
        if self._config.settings.warning:
            log.warning(self._config.settings.warning, "RC-E-INSECURE")
        memory = files.recall()
        last = {check.name: check for check in memory.checks}
        self._checks = Checks(
            self._config.checks, last, self._inbox.put, boottime(), self._config.writes, memory.joined > 0
        )
        self._locator = addresses.Locator(self._config.address, self._config.allowed, self._inbox.put)
        self._keeper = LeaseKeeper(self._interval, self._renewer_alive, lambda: self._inbox.put(_RENEWED))
        self._registrar = Registrar(
            self._config, self._checks, self._locator, files, self._keeper,
            self._live, self._loop_alive, self._renewer_alive,
        )  # fmt: skip
        self._metrics: t.Optional[MetricsFile] = None
        self._open_metrics()

    def run(self) -> None:
        """Go on until SIGTERM or SIGINT. Being ready means that the process is up: etcd may come later."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda signum, _frame: self._inbox.put(signal.Signals(signum)))
        patiently(self._keeper.start, "start the thread of the keepalives")
        self._notifier.ready()
        while not self._stops:
            try:
                self._wait(self.turn())
                if self._reload_wanted and not self._reading:
                    self._reload()
            except Exception as exc:  # the host has run out of something, or there is a mistake in here
                self._stumble(exc)
        self._end()

    def renew(self) -> float:
        """Renew the lease if it is time; returns when (boottime) to come again. The keeper's thread calls this."""
        return self._keeper.turn()

    def turn(self) -> float:
        """Do what is due, waiting for nothing but etcd's answers; returns when (boottime) to come again."""
        self._locator.turn(boottime())
        self._registrar.turn()
        return self._look(self._registrar.next_due)

    def _live(self, seconds: float) -> None:
        """Let `seconds` pass, with checks going on. Ends early on another signal to stop."""
        end, stops = boottime() + seconds, self._stops
        while boottime() < end and self._stops == stops:
            self._locator.turn(boottime())
            self._wait(self._look(end))

    def _look(self, until: float) -> float:
        """Start the checks that are due and show how it goes; returns when to come again, at latest `until`."""
        news = self._checks.turn(boottime())
        self._show()
        now = boottime()
        if news:
            return now  # it is published first
        return min(until, self._checks.next_due(), self._locator.next_due)

    def _wait(self, until: float) -> None:
        """Wait for the first thing to happen, at most until then or until the watchdog is due."""
        self._loop_alive()
        for message in self._inbox.take(max(0.0, min(until - boottime(), self._interval))):
            self._handle(message)

    def _stumble(self, exc: Exception) -> None:
        problem = f"{type(exc).__name__}: {exc}"
        if problem != self._stumbled:
            log.error(f"Going on after an unexpected error: {problem}", "RC-E-BUG")
        self._stumbled = problem
        self._wait(boottime() + _PAUSE)

    @property
    def _interval(self) -> float:
        """Seconds between two notifications of the watchdog."""
        return (self._notifier.watchdog or 3600.0) / 3

    def _loop_alive(self) -> None:
        self._turned = boottime()

    def _renewer_alive(self) -> None:
        """Systemd's watchdog follows the thread that renews the lease, and the loop with much more patience.

        To kill a process that renews its lease, for a disk that stalls, would be the end of the lease.
        """
        if boottime() - self._turned <= _LOOP_PATIENCE * self._notifier.watchdog:
            self._notifier.alive()

    def _handle(self, message: Message) -> None:
        if isinstance(message, CheckResult):
            self._checks.take(message, boottime())
        elif isinstance(message, addresses.Candidates):
            self._locator.take(message, boottime())
        elif isinstance(message, Reading):
            self._reloaded(message)
        elif message == signal.SIGHUP:
            self._reload_wanted = True
        elif message != _RENEWED:
            self._stops += 1

    def _reload(self) -> None:
        """Read the configuration again, in a thread: the disk may stall."""
        self._notifier.reloading()
        try:
            threading.Thread(target=self._read, name="configuration", daemon=True).start()
        except RuntimeError as exc:  # no process or memory left
            self._reloaded(Reading(None, str(exc)))
        else:
            self._reading = True
        self._reload_wanted = False

    def _read(self) -> None:
        try:
            reading = Reading(load(self._file), "")
        except (ConfigError, RegistryError) as exc:
            reading = Reading(None, str(exc))
        except Exception as exc:  # without an answer no configuration would ever be read again
            reading = Reading(None, f"{self._file}: {type(exc).__name__}: {exc}")
        self._inbox.put(reading)

    def _reloaded(self, reading: Reading) -> None:
        """Take the configuration that was read; go on with the one in use where it has mistakes."""
        self._reading = False
        config, problem = reading
        if config is not None:
            try:
                self._registrar.configure(config)
            except RegistryError as exc:
                config, problem = None, str(exc)
        self._config_problem = problem
        if config is None:
            log.error(f"Going on with the configuration in use: {problem}", "RC-E-CONFIG")
        else:
            log.info(f"Read {self._file} again")
            self._config = config
            self._checks.configure(config.checks, boottime(), config.writes)
            self._locator.configure(config.address, config.allowed)
            self._open_metrics()
        self._notifier.ready()

    def _end(self) -> None:
        """Leave, or make way for the next process."""
        self._notifier.stopping()
        if why_ended() == STOP:
            if self._registrar.drain():
                self._live(self._config.drain_time)
            self._registrar.leave()
        else:
            self._registrar.hand_over()
        self._show()
        self._files.flush(_LAST_WRITES)
        if self._metrics is not None:
            self._metrics.flush(_LAST_WRITES)

    def _show(self) -> None:
        status = {**self._registrar.status(), "config_problem": self._config_problem}
        status["security_warning"] = self._config.settings.warning
        if status == self._shown:
            return
        self._shown = status
        self._notifier.status(f"{status['phase'].capitalize()}: {status['message']}")
        shown = {**status, "pid": os.getpid(), "version": version()}
        self._files.show(shown)
        if self._metrics is not None:
            self._metrics.write(shown)

    def _open_metrics(self) -> None:
        """Where metrics are wanted; without them the module is not even imported."""
        path = self._config.metrics_file
        if not path:
            self._metrics = None
        elif self._metrics is None or self._metrics.path != path:
            from .metrics import MetricsFile

            self._metrics = MetricsFile(path)
        self._shown = {}
