# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parses times as users write them: durations such as 2h, and points in time such as 06:30.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import datetime
import re

from .._etcd.durations import seconds_of
from .._etcd.text import shown
from .errors import InvalidTime


def parse_duration(text: str) -> int:
    """The seconds of `90s`, `30m`, `2h`, `1d`, `1w` or a combination such as `1h30m`. Raises InvalidTime.

    A number without a unit is an error, since many users would mean minutes.
    """
    try:
        seconds = int(seconds_of(text.strip()))
    except ValueError:
        seconds = 0
    if not seconds:
        raise InvalidTime(f"duration: expected a value such as 30m, 2h, 1d or 1h30m, got {shown(text)}")
    return seconds


def parse_moment(text: str, now: float) -> int:
    """The Unix time of `2026-11-23T06:30`, `2026-11-23 06:30:00+01:00`, `2026-11-23`, `06:30` (the next) or Unix time.

    A time without an offset is in this machine's time zone. Raises InvalidTime.
    """
    stripped = text.strip()
    if re.fullmatch(r"[0-9]{9,11}", stripped):
        return int(stripped)
    try:
        if re.fullmatch(r"[0-9]{1,2}:[0-9]{2}", stripped):
            hour, minute = stripped.split(":")
            return _next(datetime.time(int(hour), int(minute)), now)
        return int(datetime.datetime.fromisoformat(re.sub("[Zz]$", "+00:00", stripped)).timestamp())
    except (ValueError, OverflowError, OSError):
        raise InvalidTime(
            f"time: expected a value such as 06:30 or 2026-11-23T06:30, optionally with an offset such as +01:00 or Z, "
            f"got {shown(text)}"
        ) from None


def _next(clock: datetime.time, now: float) -> int:
    """The Unix time at which it is `clock` next, in this machine's time zone."""
    today = datetime.datetime.fromtimestamp(now).date()
    moments = (datetime.datetime.combine(today + datetime.timedelta(days=days), clock).timestamp() for days in (0, 1))
    return next(int(moment) for moment in moments if moment > now)
