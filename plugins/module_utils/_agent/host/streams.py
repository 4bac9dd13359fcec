# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The standard streams, as every command may use them: open, and able to take any text.

Internal to the collection: no promise is made to other users of this file.

What is printed comes from other hosts and from programs, in any alphabet; the terminal, or the monitoring that runs us,
may know only ASCII. A character that it does not know is printed as its number (`\\u2192`), never an error.
"""

from __future__ import annotations

import io
import os
import sys
import typing as t

from ..._etcd.text import printable

_NAMES = ("stdin", "stdout", "stderr")


def set_up() -> None:
    """Make the streams usable, even if the parent process closed them. Call this before anything is opened."""
    for descriptor, name in enumerate(_NAMES):
        if not _is_open(descriptor):
            # Or the next file that is opened would be written to. Opened the wrong way round: a reader or writer
            # gets the error that a closed one gives. The lowest number that is free is this one.
            os.open(os.devnull, os.O_RDONLY if descriptor else os.O_WRONLY)
        if getattr(sys, name) is None:
            file = io.FileIO(descriptor, "w" if descriptor else "r", closefd=False)
            setattr(sys, name, io.TextIOWrapper(io.BufferedWriter(file) if descriptor else file, encoding="utf-8"))
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def silence(stream: t.TextIO) -> None:
    """Have Python's own flush at the end of the process succeed: what it would write was reported already."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), stream.fileno())
    except (OSError, ValueError):
        pass  # not a file: of a test


def complain(text: str) -> None:
    """Write a line to standard error, as far as there is one."""
    try:
        sys.stderr.write(f"rollcall: {printable(text)}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        silence(sys.stderr)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
