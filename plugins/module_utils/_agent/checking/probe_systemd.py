# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A check of type `systemd`: whether a unit is active.

Internal to the collection: no promise is made to other users of this file.

`systemctl show` and not D-Bus by hand: some milliseconds of CPU in each interval weigh less than a client for D-Bus
would in code and memory, and for root it needs no bus, only systemd.
"""

from __future__ import annotations

import re
import typing as t

from ..._etcd.text import shown
from ..._registry.model import CRITICAL, PASSING
from ..config import Section
from ..host.programs import run_program
from ..host.shortage import is_shortage
from .probe import Host, Probe, Result

# A unit that starts, even again and again, serves nobody yet; one that reloads does.
_PASSING = frozenset({"active", "reloading", "refreshing"})
_UNIT = re.compile(r"[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]*")
_LONGEST = 255  # bytes, systemd.unit(5)
_TYPES = (
    ".automount",
    ".device",
    ".mount",
    ".path",
    ".scope",
    ".service",
    ".slice",
    ".socket",
    ".swap",
    ".target",
    ".timer",
)


class Systemd(t.NamedTuple):
    """Passing while the unit is active."""

    unit: str

    def __call__(self, timeout: float) -> Result:
        command = ("systemctl", "show", "--property=LoadState,ActiveState,SubState", self.unit)
        try:
            ended = run_program(command, timeout)
        except OSError as exc:
            if is_shortage(exc):
                raise
            return Result(CRITICAL, f"cannot run systemctl: {exc.strerror}")
        if ended.status != 0:
            took = f"no answer within {timeout:g} s" if ended.status is None else ended.output
            return Result(CRITICAL, f"asking systemd for {self.unit}: {took}")
        said = dict(line.split("=", 1) for line in ended.output.splitlines() if "=" in line)
        active = said.get("ActiveState", "")
        if said.get("LoadState") == "not-found":
            return Result(CRITICAL, f"there is no unit {self.unit}")
        return Result(
            PASSING if active in _PASSING else CRITICAL, f"{self.unit} is {active} ({said.get('SubState', '')})"
        )


def configure(section: Section, host: Host) -> Probe:
    """From the key `unit`, which is a service if it has no suffix. Raises ConfigError."""
    unit = section.required_text("unit")
    if not unit.endswith(_TYPES):
        unit += ".service"  # as systemctl does, also for my.app
    if not _UNIT.fullmatch(unit) or len(unit) > _LONGEST or unit.startswith("."):
        raise section.error("unit", f"expected the name of a unit such as nginx.service, got {shown(unit)}")
    if "@." in unit:
        raise section.error("unit", f"{unit} is a template, which never runs. Name one of its instances")
    return Systemd(unit)
