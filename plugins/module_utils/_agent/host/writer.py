# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writing files without waiting for the disk.

Internal to the collection: no promise is made to other users of this file.

A disk that stalls (a server of NFS that is gone, a frozen file system, a broken controller) holds up every writer to
it, without an error and for as long as it likes. Here that is a thread that does nothing else.
"""

from __future__ import annotations

import os
import threading
import time
import typing as t

from ..._etcd.attributes import Attributes
from ..._etcd.files import private_directory, reach
from . import log
from .threads import start_rounds

_PAUSE = 1.0  # seconds until the next attempt to write what could not be written
_GLANCE = 0.01  # seconds between two looks at whether all is written


class Writer:
    """Replaces and removes the files of one directory, in a thread of its own.

    Of several contents of one file only the newest is written: what waits is bounded by the number of files. A file
    that cannot be written is logged once, and tried again until it works or newer content takes its place.

    `private`: only root and the user of this process may read the files, in a directory that is made if needed.
    """

    def __init__(self, name: str, private: bool = False) -> None:
        self._name = name
        self._replace = _replace_private if private else _replace
        self._waiting: t.Dict[str, t.Optional[bytes]] = {}
        self._changed = threading.Condition()
        self._busy = False
        self._failing: t.Set[str] = set()
        self._started = False

    def put(self, path: str, content: t.Optional[bytes]) -> None:
        """Write the file, or with None delete it."""
        with self._changed:
            self._waiting.pop(path, None)  # the order is that of the last changes
            self._waiting[path] = content
            self._changed.notify()
        self._start()

    def flush(self, seconds: float) -> bool:
        """Whether all was written, for which it waits at most so long."""
        end = time.monotonic() + seconds
        while self._waiting or self._busy:
            if time.monotonic() > end:
                return False
            time.sleep(_GLANCE)
        return True

    def _start(self) -> None:
        if self._started:
            return
        try:
            start_rounds(self._name, self._round)
        except RuntimeError as exc:  # no process or memory left: the next content tries again
            self._tell(self._name, str(exc))
        else:
            self._started = True

    def _round(self) -> None:
        """Write one file."""
        with self._changed:
            while not self._waiting:
                self._changed.wait()
            path = next(iter(self._waiting))
            content = self._waiting.pop(path)
            self._busy = True
        problem = ""
        try:
            self._replace(path, content)
        except OSError as exc:
            problem = exc.strerror or str(exc)
        except ValueError as exc:  # a locale that has no such characters
            problem = str(exc)
        finally:
            with self._changed:
                if problem:
                    self._waiting.setdefault(path, content)
                self._busy = False
        if problem:
            self._tell(path, problem)
            time.sleep(_PAUSE)
        elif path in self._failing:
            self._failing.discard(path)
            log.info(f"{path} is written again")

    def _tell(self, path: str, problem: str) -> None:
        if path not in self._failing:
            self._failing.add(path)
            log.warning(f"Cannot write {path}: {problem}", "RC-E-WRITE")


def _replace(path: str, content: t.Optional[bytes]) -> None:
    """Make the file this, as a whole or not at all; None removes it. Raises OSError.

    It is not synced: it says how a process is, which a power failure ends.
    """
    directory, name = reach(path, follow=False)
    with directory:
        if content is None:
            directory.remove(name)
        else:
            readable = Attributes(os.geteuid(), os.getegid(), 0o644)
            directory.replace(name, content, readable, sole=True, sync=False)


def _replace_private(path: str, content: t.Optional[bytes]) -> None:
    """As `_replace`, for a file that nobody else may read. Raises OSError."""
    with private_directory(os.path.dirname(path), make=0o700) as directory:
        if content is None:
            directory.remove(os.path.basename(path))
        else:
            directory.replace(os.path.basename(path), content, sole=True)
