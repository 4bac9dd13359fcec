# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting for a disk only so long.

Internal to the collection: no promise is made to other users of this file.

A disk that stalls (a server of NFS that is gone, a frozen file system) holds up every user of it, without an error. So
the work is done by a thread that is left alone when its time is over.
"""

from __future__ import annotations

import errno
import threading
import typing as t

from ..._etcd.inbox import Inbox

_T = t.TypeVar("_T")
Answer = t.Tuple[t.Optional[_T], t.Optional[BaseException]]
Nothing = t.Callable[[], None]


class Stalled(OSError):
    """A disk does not answer. The work that waits for it may still be done later."""

    def __init__(self, path: str) -> None:
        super().__init__(errno.ETIMEDOUT, "its disk does not answer", path)


class Aside:
    """Work that uses the disk of `path`, one piece at a time. While a piece is stuck, others fail at once."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()  # never held while anything is waited for
        self._busy = False
        self._later: t.List[Nothing] = []

    def do(self, work: t.Callable[[], _T], seconds: float, late: t.Callable[[_T], None] = lambda _result: None) -> _T:
        """The result of `work`. Raises its exceptions, or Stalled if it takes longer; `late` then gets the result."""
        with self._lock:
            if self._busy:
                raise Stalled(self._path)
            self._busy = True
        answers: Inbox[Answer[_T]] = Inbox()
        waited_for = [True]

        def run() -> None:
            answer = _answer(work)
            with self._lock:
                if waited_for[0]:
                    answers.put(answer)
                later, self._later, self._busy = self._later, [], False
            if not waited_for[0] and answer[1] is None:
                late(t.cast(_T, answer[0]))
            for each in later:
                each()

        try:
            threading.Thread(target=run, name=f"use of {self._path}", daemon=True).start()
        except RuntimeError:  # no process or memory left for a thread
            run()
        for answer in answers.take(seconds):
            return _result(answer)
        with self._lock:
            waited_for[0] = False
        for answer in answers.take(0.0):  # it came at the last moment
            return _result(answer)
        raise Stalled(self._path)

    def afterwards(self, work: Nothing) -> None:
        """Do `work` now, or when the piece that is stuck has ended: it needs no thread, and may not fail."""
        with self._lock:
            if self._busy:
                self._later.append(work)
                return
        work()


def _answer(work: t.Callable[[], _T]) -> Answer[_T]:
    try:
        return work(), None
    except BaseException as exc:  # raised again where it is waited for
        return None, exc


def _result(answer: Answer[_T]) -> _T:
    result, failure = answer
    if failure is not None:
        raise failure
    return t.cast(_T, result)
