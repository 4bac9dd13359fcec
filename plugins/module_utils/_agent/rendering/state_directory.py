# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of the renderer, on a disk that may stall.

Internal to the collection: no promise is made to other users of this file.

The state directory serves the operator, and the next process. It is not worth a late rendering: code that uses
it waits for two seconds at most, and from then on not at all until the disk answers again.
"""

from __future__ import annotations

import os
import typing as t

from ..._etcd.files import private_directory
from ..host import log
from ..host.disk_work import Aside, Stalled

_PATIENCE = 2.0  # seconds

_T = t.TypeVar("_T")


class StateDirectory:
    """Names are paths below the directory. Only root and the user of this process can read what is in it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._aside = Aside(path)
        self._told = False

    def exists(self, name: str) -> bool:
        """Whether there is such a file. Raises OSError."""
        return self._wait(lambda: os.path.exists(self._of(name)))

    def read(self, name: str) -> t.Optional[bytes]:
        """The content of a file, None if it does not exist. Raises OSError."""
        return self._wait(lambda: self._read(name))

    def write(self, name: str, content: bytes) -> None:
        """Replace a file. Raises OSError."""
        self._wait(lambda: self._write(name, content))

    def remove(self, name: str) -> None:
        """Remove a file if it exists. Raises OSError."""
        self._wait(lambda: self._remove(name))

    def add_version(self, name: str, content: bytes, most: int) -> None:
        """Have `content` as NAME.1, and what was in its place as NAME.2 and so on up to `most`. Raises OSError."""
        self._wait(lambda: self._add_version(name, content, most))

    def _of(self, name: str) -> str:
        return f"{self.path}/{name}"

    def _read(self, name: str) -> t.Optional[bytes]:
        path = self._of(name)
        try:
            with private_directory(os.path.dirname(path)) as directory:
                return directory.read(os.path.basename(path))
        except FileNotFoundError:
            return None

    def _write(self, name: str, content: bytes) -> None:
        path = self._of(name)
        with private_directory(os.path.dirname(path), make=0o700) as directory:
            directory.replace(os.path.basename(path), content, sole=True)

    def _remove(self, name: str) -> None:
        try:
            os.unlink(self._of(name))
        except FileNotFoundError:
            pass

    def _add_version(self, name: str, content: bytes, most: int) -> None:
        if self._read(f"{name}.1") == content:
            return
        for number in range(most - 1, 0, -1):
            try:
                os.replace(self._of(f"{name}.{number}"), self._of(f"{name}.{number + 1}"))
            except FileNotFoundError:
                pass
        self._write(f"{name}.1", content)

    def _wait(self, work: t.Callable[[], _T]) -> _T:
        """The result of `work`. Raises Stalled or the exceptions of `work`."""
        try:
            result = self._aside.do(work, _PATIENCE)
        except Stalled:
            self._tell(True)
            raise
        self._tell(False)
        return result

    def _tell(self, stalled: bool) -> None:
        if stalled and not self._told:
            log.warning(f"Going on without the state directory {self.path}: its disk does not answer", "RC-E-SNAPSHOT")
        elif self._told and not stalled:
            log.info(f"The state directory {self.path} is used again")
        self._told = stalled
