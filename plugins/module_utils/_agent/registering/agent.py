# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The process behind `rollcall register`.

Internal to the collection: no promise is made to other users of this file.

One loop in the main thread: signals and results of checks come in through one queue, everything else happens when its
time has come. Requests to etcd have deadlines, and checks run in threads of their own, so the loop always comes round.
"""

from __future__ import annotations

import os
import signal
import typing as t

from ..._registry.errors import RegistryError
from .. import log
from ..checking.checks import Checks, Outcome
from ..config import ConfigError
from ..notify import Notifier
from ..pacing import boottime
from ..version import version
from . import addresses
from .inbox import Inbox
from .register_config import load
from .registrar import Registrar
from .run_directory import Json, RunDirectory
from .unit import STOP, why_ended

if t.TYPE_CHECKING:
    from .metrics import MetricsFile

Message = t.Union[Outcome, addresses.Found, signal.Signals]


class Agent:
    """Registers this host as the file `config` says, until it is told to stop. Raises ConfigError and RollcallError."""

    def __init__(self, config: str, files: RunDirectory) -> None:
        self._file = config
        self._files = files
        self._inbox: Inbox[Message] = Inbox()
        self._notifier = Notifier()
        self._shown: Json = {}
        self._stops = 0
        self._reload_wanted = False
        self._config_problem = ""
        self._config = load(config)
        memory = files.recall()
        last = {check.name: check for check in memory.checks}
        self._checks = Checks(
            self._config.checks, last, self._inbox.put, boottime(), self._config.writes, memory.joined > 0
        )
        self._locator = addresses.Locator(self._config.address, self._config.allowed, self._inbox.put)
        self._registrar = Registrar(self._config, self._checks, self._locator, files, self._live, self._notifier.alive)
        self._metrics: t.Optional[MetricsFile] = None
        self._open_metrics()

    def run(self) -> None:
        """Go on until SIGTERM or SIGINT. Being ready means that the process is up: etcd may come later."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda signum, _frame: self._inbox.put(signal.Signals(signum)))
        self._notifier.ready()
        while not self._stops:
            self._wait(self.turn())
            if self._reload_wanted:
                self._reload()
        self._end()

    def turn(self) -> float:
        """Do what is due, waiting for nothing but etcd's answers; returns when (boottime) to come again."""
        self._locator.turn(boottime())
        self._registrar.turn()
        return self._look(self._registrar.next_due)

    def _live(self, seconds: float) -> None:
        """Let `seconds` pass, with checks and keepalives going on. Ends early on another signal to stop."""
        end, stops = boottime() + seconds, self._stops
        while boottime() < end and self._stops == stops:
            self._locator.turn(boottime())
            self._registrar.renew()
            self._wait(self._look(min(end, self._registrar.renewal_due)))

    def _look(self, until: float) -> float:
        """Start the checks that are due and show how it goes; returns when to come again, at latest `until`."""
        news = self._checks.turn(boottime())
        self._show()
        self._notifier.alive()
        now = boottime()
        if news:
            return now  # to be told first
        return min(
            until, self._checks.next_due(), self._locator.next_due, now + (self._notifier.watchdog or float("inf")) / 3
        )

    def _wait(self, until: float) -> None:
        """Wait for the first thing to happen, at most until then."""
        for message in self._inbox.take(max(0.0, until - boottime())):
            self._handle(message)

    def _handle(self, message: Message) -> None:
        if isinstance(message, Outcome):
            self._checks.take(message, boottime())
        elif isinstance(message, addresses.Found):
            self._locator.take(message, boottime())
        elif message == signal.SIGHUP:
            self._reload_wanted = True
        else:
            self._stops += 1

    def _reload(self) -> None:
        """Take the configuration as it is now; go on with the one in use where it has mistakes."""
        self._reload_wanted = False
        self._notifier.reloading()
        try:
            config = load(self._file)
            self._registrar.configure(config)
        except (ConfigError, RegistryError) as exc:
            self._config_problem = str(exc)
            log.error(f"Going on with the configuration in use: {exc}")
        else:
            log.info(f"Read {self._file} again")
            self._config, self._config_problem = config, ""
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

    def _show(self) -> None:
        status = {**self._registrar.status(), "config_problem": self._config_problem}
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
        self._metrics = None
        if self._config.metrics_file:
            from .metrics import MetricsFile

            self._metrics = MetricsFile(self._config.metrics_file)
