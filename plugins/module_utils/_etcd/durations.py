# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one grammar of durations: `500ms`, `90s`, `30m`, `2h`, `1d`, `1w`, or several of them, such as `1h30m`.

Internal to the collection: no promise is made to other users of this file.

Go writes durations so (https://pkg.go.dev/time#ParseDuration), and with it etcdctl; days and weeks are ours.
"""

from __future__ import annotations

import re

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"([0-9]*\.?[0-9]+)(ms|[smhdw])")


_LONGEST = 40  # characters: the time that the expression takes grows with the cube of the digits


def seconds_of(text: str) -> float:
    """The seconds of a duration. A number without a unit is not one. Raises ValueError, whose text callers replace."""
    parts = _PART.findall(text) if len(text) <= _LONGEST else []
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(text)
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
