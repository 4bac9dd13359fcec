# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running out of descriptors, processes or memory: it passes, and a daemon waits for that.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import errno
import os
import time
import typing as t

from . import log

_T = t.TypeVar("_T")

# EAGAIN is fork(2)'s: too many processes.
_ERRNOS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EAGAIN)
_PROBED = 4  # descriptors that a small job needs at once: a socket or file, a pipe, a library's own
_PAUSE = 1.0  # seconds between two attempts


def is_shortage(exc: t.Optional[BaseException]) -> bool:
    """Whether `exc`, or what caused it, says that this process or its host has run out of something."""
    while exc is not None:
        if isinstance(exc, MemoryError) or (isinstance(exc, OSError) and exc.errno in _ERRNOS):
            return True
        if isinstance(exc, RuntimeError) and "start new thread" in str(exc):  # threading says no more than that
            return True
        exc = exc.__cause__
    return False


def shortage_here() -> str:
    """Why this process cannot open the few descriptors that a small job needs; "" if it can.

    For work whose own error does not tell: without a descriptor getaddrinfo(3) says that a name does not exist.
    """
    opened = []
    try:
        for _count in range(_PROBED):
            opened.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as exc:
        return (exc.strerror or str(exc)) if is_shortage(exc) else ""
    finally:
        for descriptor in opened:
            os.close(descriptor)
    return ""


def patiently(make: t.Callable[[], _T], what: str) -> _T:
    """The result of `make`. While the host has run out of something it is called again and again.

    `what` says for the log what cannot be done. Raises what `make` raises for another reason.
    """
    told = False
    while True:
        try:
            return make()
        except Exception as exc:
            if not is_shortage(exc):
                raise
            if not told:
                told = True
                log.error(f"Cannot {what} yet, trying again every second: {exc}", "RC-E-SHORTAGE")
            time.sleep(_PAUSE)
