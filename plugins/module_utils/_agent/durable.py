# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that are whole after a crash: written beside, synced, renamed.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import os
import typing as t


class Attributes(t.NamedTuple):
    """Owner, group (ids) and permissions of a file."""

    uid: int
    gid: int
    mode: int

    @classmethod
    def of(cls, path: str) -> t.Optional[Attributes]:
        """Those of a file; None where there is none."""
        try:
            found = os.stat(path)
        except FileNotFoundError:
            return None
        return cls(found.st_uid, found.st_gid, found.st_mode & 0o7777)


def read(path: str) -> t.Optional[bytes]:
    """The content of a file; None where there is none. Raises OSError."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def write_candidate(path: str, content: bytes, attributes: t.Optional[Attributes] = None) -> None:
    """Write and sync a file that nobody else knows of yet; owner, group and mode are right before it can be seen.

    Without `attributes` only its owner can read it. Raises OSError, and then leaves nothing.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(os.open(path, flags, 0o600), "wb") as file:
            os.fchmod(file.fileno(), 0o600)  # it may be there from a crash, with other permissions
            if attributes is not None:
                os.fchown(file.fileno(), attributes.uid, attributes.gid)
                os.fchmod(file.fileno(), attributes.mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        remove(path)
        raise


def replace(candidate: str, path: str) -> None:
    """Put `candidate` in the place of `path`, for good: the directory is synced, too. Raises OSError."""
    os.replace(candidate, path)
    sync_directory(os.path.dirname(path))


def write(path: str, content: bytes, attributes: t.Optional[Attributes] = None) -> None:
    """Write a file at once or not at all. Missing directories are made. Raises OSError."""
    directory, name = os.path.split(path)
    os.makedirs(directory, mode=0o700, exist_ok=True)
    candidate = os.path.join(directory, f".{name}.new")
    write_candidate(candidate, content, attributes)
    replace(candidate, path)


def remove(path: str) -> None:
    """Remove a file if it is there. Raises OSError."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def sync_directory(path: str) -> None:
    """Make renames in a directory last. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
