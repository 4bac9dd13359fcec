# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A check of type `process`: whether a process runs, as /proc has it.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import os
import typing as t

from ..._registry.model import CRITICAL, PASSING
from ..config import Section
from ..host.foreign_files import read_foreign
from ..host.searching import SEARCHED, SearchFailed, first_match
from ..host.shortage import is_shortage
from .probe import Host, Probe, Result, pattern, reason

_NAME = 15  # bytes of a process's name that the kernel keeps
_DEAD = frozenset("ZXx")  # states: ended, and only not yet fetched by its parent
_HIDDEN = "this process cannot see those of others: /proc is mounted with hidepid, or the unit has ProtectProc"


class Process(t.NamedTuple):
    """Passing while there is a process of this name and command line, or id in `pidfile`. Each may be empty."""

    name: str = ""
    cmdline: t.Optional[t.Pattern[str]] = None
    pidfile: str = ""

    def __call__(self, timeout: float) -> Result:
        try:
            found = self._find(timeout)
        except SearchFailed as exc:
            return Result(CRITICAL, str(exc))
        except (OSError, ValueError) as exc:
            if is_shortage(exc):
                raise
            return Result(CRITICAL, f"reading {self.pidfile or '/proc'}: {reason(exc, timeout)}")
        if found:
            return Result(PASSING, f"{self} runs, process {found}")
        hidden = not _read("/proc/1/stat")
        return Result(CRITICAL, _HIDDEN if hidden else f"{self} does not run")

    def __str__(self) -> str:
        cmdline = self.cmdline.pattern if self.cmdline else ""
        words = (("", self.name), ("command line ", cmdline), ("process of ", self.pidfile))
        return ", ".join(what + text for what, text in words if text)

    def _find(self, timeout: float) -> str:
        """The process id; "" if no process matches. Raises OSError, ValueError and SearchFailed."""
        named = filter(self._is_named, self._candidates())
        if self.cmdline is None:
            return next(named, "")
        return first_match(self.cmdline, ((pid, _command_line(pid)) for pid in named), timeout)

    def _candidates(self) -> t.Iterable[str]:
        if not self.pidfile:
            return (entry for entry in os.listdir("/proc") if entry.isdigit() and entry != str(os.getpid()))
        content = read_foreign(self.pidfile, 32)[0].strip()
        if not content.isdigit():
            raise ValueError("it holds no process id")
        return [str(int(content))]

    def _is_named(self, pid: str) -> bool:
        stat = _read(f"/proc/{pid}/stat")  # "1234 (name) S ...", and a name may have spaces and parentheses
        name, _end, rest = stat.partition(" (")[2].rpartition(") ")
        return bool(rest) and rest[0] not in _DEAD and (not self.name or name == _kept(self.name))


def _kept(name: str) -> str:
    """A name as the kernel keeps it, and as `_read` reads it: it may end within a character."""
    return name.encode("utf-8")[:_NAME].decode("utf-8", "replace")


def _command_line(pid: str) -> str:
    """The words of a process, with spaces between them; of a long line its start and its end.

    The middle is most often the class path of Java, and the end has the name of the program.
    """
    line, half = _read(f"/proc/{pid}/cmdline").replace("\0", " ").rstrip(), SEARCHED // 2
    return line if len(line) <= SEARCHED else f"{line[:half]} ... {line[-half:]}"


def _read(path: str) -> str:
    """The content of a file of /proc; "" if the process has ended."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(65536).decode("utf-8", "replace")
    except OSError:
        return ""


def configure(section: Section, host: Host) -> Probe:
    """From the keys `process` (its name), `cmdline` (a regular expression) and `pidfile`. Raises ConfigError."""
    probe = Process(section.text("process"), pattern(section, "cmdline"), section.text("pidfile"))
    if probe.pidfile and not os.path.isabs(probe.pidfile):
        raise section.error("pidfile", f"expected an absolute path, got {probe.pidfile!r}")
    if probe.name.startswith("/"):
        name = probe.name.rpartition("/")[2]
        raise section.error("process", f"a name has no directory. Write {name}, or use cmdline for the path")
    if not any(probe):
        raise section.error("", "one of process, cmdline and pidfile is wanted")
    return probe
