# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A check of type `ttl`: another program touches a file as long as all is well.

Internal to the collection: no promise is made to other users of this file.

The clock of the wall may jump, and the time of a file with it. So it is read only once, at the first look; from then on
what counts is how long ago, by a clock that does not jump, the file was last seen to change.
"""

from __future__ import annotations

import dataclasses
import os
import time
import typing as t

from ..._etcd.text import printable
from ..._registry.model import CRITICAL, PASSING, WARNING
from ..config import Section
from ..host.clock import boottime
from ..host.foreign_files import read_foreign
from .probe import Host, Probe, Result

_MOST = 1024  # bytes of the first line
_STATUSES = (PASSING, WARNING, CRITICAL)


@dataclasses.dataclass
class Ttl:
    """Critical if `file` was not touched for `ttl` seconds. Its first line may begin with a status, and say why.

    A line that begins with anything else is not shown: it may be the line of another file.
    """

    file: str
    ttl: float
    _stamp: t.Optional[t.Tuple[int, int]] = dataclasses.field(default=None, compare=False, repr=False)
    _touched: float = dataclasses.field(default=0.0, compare=False, repr=False)  # of boottime

    def __call__(self, timeout: float) -> Result:
        try:
            content, info = read_foreign(self.file, _MOST)
        except OSError as exc:
            return Result(CRITICAL, f"reading {self.file}: {(exc.strerror or str(exc)).lower()}")
        self._notice(info)
        age = boottime() - self._touched
        if age > self.ttl:
            return Result(CRITICAL, f"{self.file} was not touched for {age:.0f} s, the limit is {self.ttl:g} s")
        line = content.decode("utf-8", "replace").strip().partition("\n")[0]
        status = line.partition(" ")[0].rstrip(":").lower()
        if status not in _STATUSES:  # no word of ours, so none of it is shown: it may be another file
            return Result(PASSING, f"{self.file} was touched {age:.0f} s ago")
        return Result(status, printable(line, 200))

    def _notice(self, info: os.stat_result) -> None:
        stamp = (info.st_mtime_ns, info.st_ino)
        if stamp == self._stamp:
            return
        first, self._stamp = self._stamp is None, stamp
        self._touched = boottime() - (max(0.0, time.time() - info.st_mtime) if first else 0.0)


def configure(section: Section, host: Host) -> Probe:
    """From the keys `file` and `ttl` (seconds). Raises ConfigError."""
    file = section.required_text("file")
    if not os.path.isabs(file):
        raise section.error("file", f"{file!r} is not an absolute path")
    section.required("ttl")
    return Ttl(file, section.seconds("ttl", 0.0, 0.1))
