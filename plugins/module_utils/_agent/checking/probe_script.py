# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A check of type `script`: what the exit status of a program says, as with Consul and Nagios.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import typing as t

from ..._registry.model import CRITICAL, PASSING, WARNING
from ..config import Section
from ..host.programs import run_program
from ..host.shortage import is_shortage
from .probe import Host, Probe, Result

_VERDICTS = {0: PASSING, 1: WARNING}


class Script(t.NamedTuple):
    """Passing for exit status 0, a warning for 1, critical for all else; what it prints is the output."""

    argv: t.Tuple[str, ...]

    def __call__(self, timeout: float) -> Result:
        try:
            ended = run_program(self.argv, timeout)
        except (OSError, ValueError) as exc:
            if is_shortage(exc):
                raise
            why = exc.strerror if isinstance(exc, OSError) else exc
            return Result(CRITICAL, f"cannot run {self.argv[0]}: {why}")
        if ended.status is None:
            return Result(CRITICAL, f"{ended.how(timeout)}: {ended.output}")
        return Result(_VERDICTS.get(ended.status, CRITICAL), ended.output.strip() or ended.how(timeout))


def configure(section: Section, host: Host) -> Probe:
    """From the key `command`: a list is a program and its arguments, a text is a line for /bin/sh.

    Raises ConfigError.
    """
    command = section.required("command")
    if isinstance(command, list) and command and command[0] == "":
        raise section.error("command", "the program, its first word, is empty")
    if isinstance(command, str) and command.strip():
        return Script(("/bin/sh", "-c", section.text("command")))
    if not isinstance(command, list) or not command or not all(isinstance(word, str) for word in command):
        raise section.error("command", "wanted is a line for the shell, or a list: a program and its arguments")
    return Script(tuple(section.texts("command")))
