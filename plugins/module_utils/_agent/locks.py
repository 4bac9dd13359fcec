# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Locks that keep a second process away from the same files for as long as this one lives.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import fcntl
import os
import typing as t

from .._etcd.errors import RollcallError


class Locks:
    """Takes locks with flock(2); the kernel gives them back when the process ends, however it ends."""

    def __init__(self) -> None:
        self._held: t.List[int] = []

    def take(self, path: str) -> None:
        """Lock `path`, a file of no other use. Raises RollcallError where another process has it."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise RollcallError(f"Cannot make the lock {path}: {exc.strerror}") from exc
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise RollcallError(f"Another rollcall render is at work here (process {holder} holds {path})") from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, b"%d\n" % os.getpid())
        self._held.append(descriptor)
