# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Locks that keep a second process away for as long as this one lives.

Internal to the collection: no promise is made to other users of this file.

They lie in the run directory, where nobody else can replace them: root must not open what another user has put there.
"""

from __future__ import annotations

import errno
import fcntl
import os
import typing as t

from ..._etcd.errors import RollcallError
from ..._etcd.files import private_directory


class AlreadyRunning(RollcallError):
    """Another process of ours does this work."""

    id = "RC-E-ALREADY-RUNNING"


class RunDirectoryError(RollcallError):
    """The run directory cannot be used."""

    id = "RC-E-RUN-DIRECTORY"


class Locked(RollcallError):
    """Another process holds the lock at `path`; `holder` is its process id, as it wrote it."""

    id = "RC-E-LOCKED"

    def __init__(self, path: str, holder: str) -> None:
        super().__init__(f"process {holder} holds {path}")
        self.path = path
        self.holder = holder


class Locks:
    """Takes locks with flock(2). The kernel gives them back when the process ends, however it ends."""

    def __init__(self, run_dir: str) -> None:
        self._path = run_dir
        self._held: t.List[str] = []

    def take(self, name: str, or_directory: bool = False) -> None:
        """Lock the file `name` in the run directory, which is made if needed, unless this object has done so before.

        Raises Locked or OSError. With `or_directory` the directory is locked instead if its disk is full or read-only:
        the host must register.
        """
        if name in self._held:
            return
        with private_directory(self._path, make=0o755, sticky=True) as directory:
            try:
                descriptor = directory.lock_file(name)
            except OSError as exc:
                if not or_directory or exc.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
                    raise
                descriptor = os.dup(directory.descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(descriptor)
            os.close(descriptor)
            raise Locked(os.path.join(self._path, name), holder) from None
        self._held.append(name)
        _note_holder(descriptor)


def _holder(descriptor: int) -> str:
    try:
        holder = os.read(descriptor, 20).decode("ascii", "replace").strip()
    except OSError:  # a directory
        holder = ""
    return holder if holder.isdigit() else "unknown"


def _note_holder(descriptor: int) -> None:
    """Write the process id, for the message of the next one. The lock itself is open for reading only, so that it does
    not keep the file system from being mounted read-only."""
    try:
        writer = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
        try:
            os.write(writer, b"%d\n" % os.getpid())
        finally:
            os.close(writer)
    except OSError:
        pass  # a disk that is full or read-only: the lock holds nevertheless
