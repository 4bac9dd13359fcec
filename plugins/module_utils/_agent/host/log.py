# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Words for the operator: lines on standard error, which systemd puts into the journal.

Internal to the collection: no promise is made to other users of this file.

A pipe that nobody reads, or a journal on a disk that stalls, holds up every writer. So a daemon's lines are
written by a thread that does nothing else (`in_background`).
"""

from __future__ import annotations

import collections
import contextlib
import os
import sys
import threading
import time
import typing as t

from ..._etcd.text import printable, with_id

# sd-daemon(3): the journal reads a priority from the start of a line. A terminal would only show it.
_ERROR, _WARNING, _INFO = ("<3>", "<4>", "<6>") if "JOURNAL_STREAM" in os.environ else ("", "", "")

_MOST_WAITING = 1000  # lines; of more the oldest are dropped, and counted
_LAST_LINES = 1.0  # seconds
_STANDARD_ERROR = 2
_GLANCE = 0.01  # seconds between two looks at whether a line can be, or has been, written


def error(text: str, message_id: str) -> None:
    """Log a problem that a person must solve. `message_id` names its entry in the troubleshooting guide."""
    _write(_ERROR, with_id(text, message_id))


def warning(text: str, message_id: str) -> None:
    """Log a problem that may pass by itself."""
    _write(_WARNING, with_id(text, message_id))


def info(text: str) -> None:
    """Something that happened."""
    _write(_INFO, text)


@contextlib.contextmanager
def in_background() -> t.Iterator[None]:
    """In the block no line holds up the thread that logs it. At its end the last lines have a second to be written."""
    global _lines
    _lines = lines = _Lines()
    try:
        yield
    finally:
        _lines = None
        lines.finish(_LAST_LINES)


class _Lines:
    """Lines that wait for standard error to take them."""

    def __init__(self) -> None:
        self._queue: t.Deque[t.Optional[str]] = collections.deque()  # None: there will be no more
        self._changed = threading.Condition()
        self._dropped = 0
        self._started = False
        self._written = False  # all of them

    def put(self, line: t.Optional[str]) -> None:
        """Add a line, without waiting for anything."""
        with self._changed:
            self._queue.append(line)
            if len(self._queue) > _MOST_WAITING:
                self._queue.popleft()
                self._dropped += 1
            self._changed.notify()
            if not self._started:
                try:
                    threading.Thread(target=self._write_all, name="log", daemon=True).start()
                    self._started = True
                except RuntimeError:
                    pass  # no process or memory left: the next line tries again

    def finish(self, seconds: float) -> None:
        """Let what waits be written, at most for so long."""
        self.put(None)
        end = time.monotonic() + seconds
        while not self._written and time.monotonic() < end:
            time.sleep(_GLANCE)

    def _write_all(self) -> None:
        while True:
            with self._changed:
                while not self._queue:
                    self._changed.wait()
                line, dropped, self._dropped = self._queue.popleft(), self._dropped, 0
            if dropped:
                _put_through(f"{_WARNING}{dropped} lines were dropped while nobody took them\n")
            if line is None:
                self._written = True
                return
            try:
                _put_through(line)
            except MemoryError:
                pass  # this line is lost, those to come are not


_lines: t.Optional[_Lines] = None


def _write(priority: str, text: str) -> None:
    joined = text.replace("\n", " | ")  # the journal takes each line for an entry of its own
    line = f"{priority}{printable(joined)}\n"
    if _lines is not None:
        _lines.put(line)
        return
    try:
        sys.stderr.write(line)
        sys.stderr.flush()
    except (OSError, ValueError):
        pass  # there is nobody to tell that nobody listens


def _put_through(text: str) -> None:
    """Write all of it, however long that takes; what cannot be written is lost."""
    data = text.encode("utf-8", "backslashreplace")
    while data:
        try:
            data = data[os.write(_STANDARD_ERROR, data) :]
        except BlockingIOError:  # another process that shares it has made it so
            time.sleep(_GLANCE)
        except OSError:
            return
