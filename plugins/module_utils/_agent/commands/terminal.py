# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Output for operators: columns, colours on a terminal, times in words.

Internal to the collection: no promise is made to other users of this file.

Some of the text comes from other hosts. None of it can move the cursor or begin a new line.
"""

from __future__ import annotations

import os
import sys
import time
import typing as t

from ..._etcd.text import printable, with_id
from ..host.streams import complain

_COLOURS = {
    "passing": "32",
    "warning": "33",
    "critical": "31",
    "drain": "36",
    "joined": "32",
    "left": "36",
    "lost": "31",
    "invalid": "33",
    "OK": "32",
    "WARNING": "33",
    "CRITICAL": "31",
    "UNKNOWN": "35",
}


def coloured(word: str, stream: t.Optional[t.TextIO] = None) -> str:
    """`word`, which may be padded, in its colour if `stream` (standard output) is a terminal that takes colours.

    NO_COLOR is that of https://no-color.org.
    """
    colour = _COLOURS.get(word.strip())
    terminal = (stream or sys.stdout).isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")
    return f"\033[{colour}m{word}\033[0m" if colour and terminal else word


def table(header: t.Sequence[str], rows: t.Sequence[t.Sequence[str]], colours: t.Collection[str] = ()) -> t.List[str]:
    """Lines of aligned columns; those that are named in `colours` are coloured. Columns without any value are omitted,
    and `-` stands where one is missing."""
    kept = [number for number in range(len(header)) if any(row[number] for row in rows)]
    cells = [[header[number] for number in kept], *([printable(row[number]) or "-" for number in kept] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells)]
    lines = []
    for row in cells:
        padded = [cell.ljust(width) for cell, width in zip(row, widths)]
        if row is not cells[0]:
            padded = [coloured(cell) if name in colours else cell for name, cell in zip(cells[0], padded)]
        lines.append("  ".join(padded).rstrip())
    return lines


def span(seconds: float) -> str:
    """A length of time, with the two units that matter."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if minutes < 60:
        return f"{minutes} min"
    return f"{hours} h {minutes % 60} min" if hours < 24 else f"{days} d {hours % 24} h"


def moment(unix: float) -> str:
    """A time in this machine's zone."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(unix))
    except (OverflowError, ValueError, OSError):
        return str(unix)  # a number that is not a time


def maintenance(fields: t.Mapping[str, t.Any]) -> str:
    """The reason of a maintenance, its author and its end."""
    words = ": ".join(filter(None, (printable(fields.get(name) or "") for name in ("by", "reason"))))
    return f"{words} (until {moment(fields['until'])})" if fields.get("until") else words or "yes"


def say(line: str) -> None:
    """Write a line, at once: who follows a pipe does not want to wait for it. Foreign text in it must be printable."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def note(line: str) -> None:
    """Write a line about the work itself to standard error."""
    complain(line)


def warn(text: str, message_id: str) -> None:
    """A warning on standard error. `message_id` names its entry in the troubleshooting guide."""
    note(with_id(text, message_id))
