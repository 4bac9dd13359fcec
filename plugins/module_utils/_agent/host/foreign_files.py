# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading files that belong to others, as root, without being led elsewhere.

Internal to the collection: no promise is made to other users of this file.

A user who may write a directory can put a link to a secret, a pipe or a device where a file is expected. So the path is
walked from the root directory, one name at a time: a link is followed only in a directory that root alone may write, as
/var/run is, and only a plain file is opened.
"""

from __future__ import annotations

import errno
import os
import stat
import typing as t

_MOST_LINKS = 40  # as the kernel follows
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY


def read_foreign(path: str, limit: int) -> t.Tuple[bytes, os.stat_result]:
    """The first `limit` bytes of a plain file, and what stat(2) says of it. `path` is absolute. Raises OSError."""
    descriptor = _open(path)
    try:
        return os.read(descriptor, limit), os.fstat(descriptor)
    finally:
        os.close(descriptor)


def _open(path: str) -> int:
    names = _names(path)
    links = 0
    place = _Place()
    try:
        while True:
            name = names.pop(0)
            target = place.link(name)
            if target is not None:
                links += 1
                if not place.trusts(name):
                    raise OSError(errno.ELOOP, "it leads through a symbolic link in a directory that others may write")
                if links > _MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                names = _names(target) + names
                if target.startswith("/"):
                    place.leave()
                    place = _Place()
            elif names:
                place.enter(name)
            else:
                return place.file(name)
            if not names:
                raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    finally:
        place.leave()


def _names(path: str) -> t.List[str]:
    return [name for name in path.split("/") if name not in ("", ".")] or ["."]


class _Place:
    """A directory on the way.

    It is ours if root (or we) alone can change what a name in it stands for, here and in every directory above. In one
    that is sticky, as /tmp is, that holds for names that belong to root.
    """

    def __init__(self) -> None:
        self._descriptor = os.open("/", _DIRECTORY)
        self._ours, self._sticky, self._owner = True, False, 0
        self._judge()

    def trusts(self, name: str) -> bool:
        """Whether nobody else can have put `name` here. Raises OSError."""
        owner = os.stat(name, dir_fd=self._descriptor, follow_symlinks=False).st_uid
        return self._ours or (self._sticky and owner in (0, os.geteuid()))

    def enter(self, name: str) -> None:
        """Go into a directory that is no link. Raises OSError."""
        below = os.open(name, _DIRECTORY, dir_fd=self._descriptor)
        self.leave()
        self._descriptor = below
        self._judge()

    def link(self, name: str) -> t.Optional[str]:
        """Where a symbolic link leads; None if it is another kind of file. Raises OSError."""
        if not stat.S_ISLNK(os.stat(name, dir_fd=self._descriptor, follow_symlinks=False).st_mode):
            return None
        return os.readlink(name, dir_fd=self._descriptor)

    def file(self, name: str) -> int:
        """A descriptor of a plain file. Raises OSError."""
        descriptor = os.open(name, _FILE, dir_fd=self._descriptor)
        found = os.fstat(descriptor)
        problem = ""
        if not stat.S_ISREG(found.st_mode):
            problem = "it is not a plain file"
        elif not self._ours and found.st_nlink > 1 and found.st_uid != self._owner:
            problem = "it is a second name of another user's file, in a directory that others may write"
        if problem:
            os.close(descriptor)
            raise OSError(errno.EINVAL, problem)
        return descriptor

    def leave(self) -> None:
        """Close the directory."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _judge(self) -> None:
        found = os.fstat(self._descriptor)
        self._owner = found.st_uid
        safe = (self._ours or self._sticky) and found.st_uid in (0, os.geteuid())
        self._ours = safe and not found.st_mode & _OTHERS_WRITE
        self._sticky = safe and bool(found.st_mode & stat.S_ISVTX)
