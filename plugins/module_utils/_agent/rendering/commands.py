# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running the check and reload commands, while the watchdog is notified.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import typing as t

from ..host.programs import CommandResult, run_command
from ..host.systemd import Notifier

_GRACE = 10.0  # seconds that the end of a command may take after its timeout


class Commands:
    """Runs one command at a time."""

    def __init__(self, notifier: t.Optional[Notifier] = None) -> None:
        self._notifier = notifier or Notifier()

    def alive(self) -> None:
        """Notify the watchdog between two files: a template may wait for DNS."""
        self._notifier.alive()

    def run(self, command: str, timeout: float) -> CommandResult:
        """Run a line for /bin/sh. Raises OSError if the host has nothing left to start it with."""
        self._notifier.work(timeout + _GRACE)
        try:
            return run_command(command, timeout)
        finally:
            self._notifier.work(0.0)
