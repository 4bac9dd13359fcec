# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads and replaces files, safely even in directories that other users can write.

Internal to the collection: no promise is made to other users of this file.

No other code replaces files. This module is in the lowest layer, beside `text`, because the daemons on a host and the
plugins on the controller both use it, and neither may import the other.

A process that runs as root must not follow the links of other users. So it opens, writes and renames files relative to
the descriptor of their directory, and never through a link. `reach` opens that directory component by component. It
follows a link only if no one except root, the user of this process, or the given owner can have created it. Real
directories in the path may belong to any user, since no user can move a directory of root into their own.
"""

from __future__ import annotations

import binascii
import errno
import os
import pwd
import stat
import typing as t

from .attributes import Attributes, extended_of, set_attributes

_LARGEST = 64 * 2**20  # bytes; the limit of a file to read, so that a sparse file does not exhaust the memory
_MOST_LINKS = 40  # the kernel's limit: path_resolution(7)
_LONGEST_NAME = 255  # bytes


class UnsafePath(OSError):
    """A file or directory is rejected, since another user may have created it. The text says how to repair that."""


class Candidate(t.NamedTuple):
    """A complete file with a name of its own, ready to replace the file `name`."""

    directory: Directory
    draft: str
    name: str
    sync: bool = True

    def commit(self) -> None:
        """Rename it to `name`. If the file is synced, the directory is synced as well. Raises OSError."""
        descriptor = self.directory.descriptor
        try:
            os.replace(self.draft, self.name, src_dir_fd=descriptor, dst_dir_fd=descriptor)
        except OSError as exc:
            path = os.path.join(self.directory.path, self.name)
            if exc.errno == errno.EBUSY:
                raise OSError(exc.errno, "it is a mount point. Mount its directory instead", path) from exc
            raise OSError(exc.errno, exc.strerror, path) from exc
        if self.sync:
            os.fsync(descriptor)

    def discard(self) -> None:
        """Remove it if it was not committed."""
        try:
            os.unlink(self.draft, dir_fd=self.directory.descriptor)
        except OSError:
            pass


class Directory:
    """An open directory. `name` arguments are names of files directly in it."""

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor

    def __enter__(self) -> Directory:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.descriptor)

    def read(self, name: str, own: bool = False, largest: int = _LARGEST) -> t.Optional[bytes]:
        """The content of a regular file, or None if it does not exist. Raises OSError; never blocks on a pipe.

        With `own`, the file must belong to root or the user of this process. It may have at most `largest` bytes.
        """
        try:
            descriptor = self._open(name, os.O_RDONLY)
        except FileNotFoundError:
            return None
        return _content(descriptor, os.path.join(self.path, name), own, largest)

    def attributes(self, name: str) -> t.Optional[Attributes]:
        """The attributes of a regular file, or None if it does not exist. Raises OSError.

        Omits the set-user-ID and set-group-ID bits: the files that are replaced here are not programs.
        """
        try:
            descriptor = self._open(name, os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            status = os.fstat(descriptor)
            _require_regular(status, os.path.join(self.path, name))
            return Attributes(status.st_uid, status.st_gid, status.st_mode & 0o777, extended_of(descriptor))
        finally:
            os.close(descriptor)

    def prepare(
        self,
        name: str,
        content: bytes,
        attributes: t.Optional[Attributes] = None,
        sole: bool = False,
        sync: bool = True,
    ) -> Candidate:
        """Write a candidate for `name`. Without `attributes`, only its owner can read it. Raises OSError.

        With `sole`, no other process replaces this file, so the remains of an interrupted process are removed. With
        `sync`, the file survives a power failure.
        """
        draft = name_beside(name, ".rollcall" if sole else f".{os.urandom(6).hex()}.rollcall")
        if sole:
            self.remove(draft)
        self.create(draft, content, attributes, sync)
        return Candidate(self, draft, name, sync)

    def create(self, name: str, content: bytes, attributes: t.Optional[Attributes] = None, sync: bool = False) -> None:
        """Write a new file. Without `attributes`, only its owner can read it. Raises OSError, also if it exists."""
        descriptor = self._open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            with open(descriptor, "wb") as file:
                if attributes is not None:
                    set_attributes(descriptor, attributes)
                file.write(content)
                file.flush()
                if sync:
                    os.fsync(descriptor)
        except BaseException:
            self.remove(name)
            raise

    def replace(
        self,
        name: str,
        content: bytes,
        attributes: t.Optional[Attributes] = None,
        sole: bool = False,
        sync: bool = True,
    ) -> None:
        """Replace `name` atomically. Raises OSError. See `prepare`."""
        candidate = self.prepare(name, content, attributes, sole, sync)
        try:
            candidate.commit()
        except BaseException:
            candidate.discard()
            raise

    def remove(self, name: str) -> None:
        """Remove a file if it exists. Raises OSError."""
        try:
            os.unlink(name, dir_fd=self.descriptor)
        except FileNotFoundError:
            pass

    def lock_file(self, name: str) -> int:
        """The descriptor of a file to lock, which is created if it does not exist. Raises OSError."""
        descriptor = self._open(name, os.O_RDONLY | os.O_CREAT)
        try:
            _require_own(os.fstat(descriptor), os.path.join(self.path, name))
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def require_private(self, owner: t.Optional[int] = None, sticky: bool = False) -> None:
        """Raises UnsafePath if users other than root, the user of this process and `owner` can replace files in it.

        With `sticky`, other users may add files of their own, as in /tmp.
        """
        status = os.fstat(self.descriptor)
        if status.st_uid not in _trusted(owner):
            raise UnsafePath(
                f"{self.path} belongs to {user_name(status.st_uid)}, who can replace files in it. "
                f"Give the directory to root (chown root {self.path})"
            )
        if status.st_mode & 0o022 and not (sticky and status.st_mode & stat.S_ISVTX):
            raise UnsafePath(
                f"other users can write to {self.path} (mode {status.st_mode & 0o7777:04o}) and replace files in it. "
                f"Revoke that (chmod go-w {self.path})"
            )

    def _open(self, name: str, flags: int) -> int:
        flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        path = os.path.join(self.path, name)
        try:
            return os.open(name, flags, 0o600, dir_fd=self.descriptor)
        except OSError as exc:
            if exc.errno == errno.ELOOP:
                raise UnsafePath(f"{path} is a symbolic link, which is not followed") from exc
            if exc.errno == errno.ENXIO:  # a socket, or a named pipe without a reader
                raise UnsafePath(f"{path} is not a regular file") from exc
            exc.filename = path
            raise


def name_beside(name: str, end: str) -> str:
    """A hidden name for something that belongs to the file `name`, as long as names may be: NAME_MAX of <limits.h>."""
    beside = f".{name}{end}"
    if len(os.fsencode(beside)) <= _LONGEST_NAME:
        return beside
    return f".{binascii.crc32(os.fsencode(name)):08x}{end}"


def open_directory(path: str, make: t.Optional[int] = None) -> Directory:
    """Open a directory that belongs to this user, following all links. Raises OSError.

    Missing directories are created with mode `make`.
    """
    if make is not None:
        make_directories(path, make)
    return Directory(path, os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))


def make_directories(path: str, mode: int) -> None:
    """Create the missing directories of a path with this mode, regardless of the umask. Raises OSError."""
    missing = []
    while path and not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path.rstrip("/"))
    for directory in reversed(missing):
        try:
            os.mkdir(directory, 0o700)
        except FileExistsError:  # another process was faster
            continue
        os.chmod(directory, mode)


def private_directory(path: str, make: t.Optional[int] = None, sticky: bool = False) -> Directory:
    """Open a directory that only root and the user of this process can write or replace.

    Missing directories are created with mode `make`. For `sticky` see `require_private`. Raises OSError.
    """
    directory, _name = reach(os.path.join(path, "."), make=make)
    try:
        directory.require_private(sticky=sticky)
    except OSError:
        os.close(directory.descriptor)
        raise
    return directory


def reach(
    path: str, owner: t.Optional[int] = None, make: t.Optional[int] = None, follow: bool = True
) -> t.Tuple[Directory, str]:
    """The directory of the file `path`, and the name of the file in it, which need not exist. Raises OSError.

    Only root, the user of this process and `owner` may be able to change links in the path; after a link of `owner`,
    the path must end in a directory of `owner`. With `follow`, a link at the end of the path is followed, too. Missing
    directories are created with mode `make`.
    """
    walk = _Walk(owner, make)
    try:
        name = walk.go(path, follow)
        walk.require_end()
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        return Directory(walk.path, os.open(".", flags, dir_fd=walk.descriptor)), name
    finally:
        walk.close()


def read_regular(path: str) -> bytes:
    """The content of a regular file that an operator names, following all links. Raises OSError; never blocks."""
    return _content(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC), path)


def user_name(uid: int) -> str:
    """The description of a user in a message."""
    try:
        return f'user "{pwd.getpwuid(uid).pw_name}"'
    except KeyError:
        return f"user {uid}"


class _Walk:
    """Resolves a path from the root, one directory after the other."""

    def __init__(self, owner: t.Optional[int], make: t.Optional[int]) -> None:
        self.path = "/"
        self.descriptor = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._owner = owner
        self._make = make
        self._led_by_owner = False
        self._links = 0

    def close(self) -> None:
        os.close(self.descriptor)

    def go(self, path: str, follow: bool) -> str:
        """Enter the directory of `path`; returns the last component."""
        parts = [part for part in path.split("/") if part]
        while len(parts) > 1 or (follow and parts and self._is_link(parts[0])):
            name = parts.pop(0)
            if name == ".":
                continue
            if not self._is_link(name):
                self._enter(name)
                continue
            self._links += 1
            if self._links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            self._require_own_link(name)
            target = os.readlink(name, dir_fd=self.descriptor)
            if target.startswith("/"):
                self._move("/", os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
            parts = [part for part in target.split("/") if part] + parts
        return parts[0] if parts else "."

    def require_end(self) -> None:
        """Raises UnsafePath if a link of the owner led to a directory of another user."""
        uid = os.fstat(self.descriptor).st_uid
        if self._led_by_owner and uid != self._owner:
            raise UnsafePath(
                f"a symbolic link of {user_name(t.cast(int, self._owner))} leads to {self.path}, which belongs to "
                f"{user_name(uid)}. Use the path without that link"
            )

    def _is_link(self, name: str) -> bool:
        try:
            return stat.S_ISLNK(os.stat(name, dir_fd=self.descriptor, follow_symlinks=False).st_mode)
        except FileNotFoundError:
            return False

    def _enter(self, name: str) -> None:
        path = os.path.normpath(os.path.join(self.path, name))
        flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        if name != ".." and self._make is not None:
            self._make_directory(name, path)
        try:
            self._move(path, os.open(name, flags, dir_fd=self.descriptor))
        except OSError as exc:
            exc.filename = path
            raise

    def _make_directory(self, name: str, path: str) -> None:
        try:
            os.mkdir(name, 0o700, dir_fd=self.descriptor)
            os.chmod(name, t.cast(int, self._make), dir_fd=self.descriptor)  # regardless of the umask
        except FileExistsError:
            pass
        except OSError as exc:
            if not os.access(name, os.F_OK, dir_fd=self.descriptor):  # a read-only file system can hide "exists"
                exc.filename = path
                raise

    def _move(self, path: str, descriptor: int) -> None:
        os.close(self.descriptor)
        self.path, self.descriptor = path, descriptor

    def _require_own_link(self, name: str) -> None:
        """Raises UnsafePath if another user can have created the link `name` in the current directory."""
        here = os.fstat(self.descriptor)
        link = os.path.join(self.path, name)
        if here.st_uid not in _trusted(self._owner):
            raise UnsafePath(
                f"{link} is a symbolic link in a directory of {user_name(here.st_uid)}, who can change it. "
                f"Use the path without the link, or give the directory to root (chown root {self.path})"
            )
        self._led_by_owner |= here.st_uid not in _trusted(None)
        if not here.st_mode & 0o022:
            return
        maker = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False).st_uid
        if not here.st_mode & stat.S_ISVTX or maker not in _trusted(self._owner):
            raise UnsafePath(
                f"{link} is a symbolic link in a directory that other users can write (mode "
                f"{here.st_mode & 0o7777:04o}), so they can change it. Use the path without the link, or revoke that "
                f"(chmod go-w {self.path})"
            )


def _trusted(owner: t.Optional[int]) -> t.Set[int]:
    return {0, os.geteuid()} | ({owner} if owner is not None else set())


def _require_regular(status: os.stat_result, path: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnsafePath(f"{path} is not a regular file")


def _require_own(status: os.stat_result, path: str) -> None:
    _require_regular(status, path)
    if status.st_uid not in _trusted(None) or status.st_nlink > 1:
        raise UnsafePath(f"{path} belongs to {user_name(status.st_uid)} or has other hard links. Remove it")


def _content(descriptor: int, path: str, own: bool = False, largest: int = _LARGEST) -> bytes:
    try:
        (_require_own if own else _require_regular)(os.fstat(descriptor), path)
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(largest + 1)
    finally:
        os.close(descriptor)
    if len(content) > largest:
        raise OSError(errno.EFBIG, f"it is larger than {largest >> 20} MiB", path)
    return content
