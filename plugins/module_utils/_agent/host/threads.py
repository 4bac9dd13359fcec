# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Threads of a daemon that go on for as long as the process does.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import threading
import time
import typing as t

from . import log

_PAUSE = 1.0  # seconds after a round that failed


def start_rounds(name: str, work: t.Callable[[], None]) -> None:
    """Call `work` again and again in a thread of its own. An exception is logged once, and the next round begins.

    So no thread of a daemon ends alone while the others take it for alive. Raises RuntimeError if the host has no
    process or memory left for a thread.
    """
    threading.Thread(target=_go_on, args=(name, work), name=name, daemon=True).start()


def _go_on(name: str, work: t.Callable[[], None]) -> None:
    told = ""
    while True:
        try:
            work()
        except Exception as exc:
            text = f"{type(exc).__name__}: {exc}"
            if text != told:
                log.error(f"The thread {name} goes on after an unexpected error: {text}", "RC-E-BUG")
            told = text
            time.sleep(_PAUSE)
