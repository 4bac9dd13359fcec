# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Times as people say them: durations such as 2h, and moments such as 06:30.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import datetime
import re

from .._etcd.text import shown
from .errors import InvalidTime

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_PART = re.compile(r"([0-9]+)([smhdw])")


def parse_duration(text: str) -> int:
    """Seconds of `90s`, `30m`, `2h`, `1d`, `1w` or several of these, as `1h30m`. Raises InvalidTime.

    A number without a unit is refused: half of the world would take it for minutes.
    """
    words = text.strip()
    parts = _PART.findall(words)
    seconds = sum(int(number) * _UNITS[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != words or not seconds:
        raise InvalidTime(f"{shown(text)} is not a duration: say 30m, 2h, 1d or 1h30m")
    return seconds


def parse_moment(text: str, now: float) -> int:
    """Unix time of `2026-11-23T06:30`, `2026-11-23 06:30:00+01:00`, `2026-11-23`, `06:30` (the next one) or Unix time.

    Without an offset it is the time of this machine's zone. Raises InvalidTime.
    """
    words = text.strip()
    if re.fullmatch(r"[0-9]{9,11}", words):
        return int(words)
    try:
        if re.fullmatch(r"[0-9]{1,2}:[0-9]{2}", words):
            hour, minute = words.split(":")
            return _next(datetime.time(int(hour), int(minute)), now)
        return int(datetime.datetime.fromisoformat(re.sub("[Zz]$", "+00:00", words)).timestamp())
    except (ValueError, OverflowError, OSError):
        raise InvalidTime(
            f"{shown(text)} is not a time: say 06:30 or 2026-11-23T06:30, with an offset such as +01:00 or Z if need be"
        ) from None


def _next(clock: datetime.time, now: float) -> int:
    """When it is `clock` for the next time, in this machine's zone."""
    today = datetime.datetime.fromtimestamp(now).date()
    moments = (datetime.datetime.combine(today + datetime.timedelta(days=days), clock).timestamp() for days in (0, 1))
    return next(int(moment) for moment in moments if moment > now)
