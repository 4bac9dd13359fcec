# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One rendered file on this host: what it is, what it should be, and the way back.

Internal to the collection: no promise is made to other users of this file.

Under the state directory, each with the path of the file below it:

    versions/….1 to .5   what the file was before, the newest first
    failed/…             the last candidate that was refused, and in ….output what the command said
    dirty/…              a mark: the service may not have read the file as it is; from its replacement to a good reload

The marks on disk are for the next process; this one remembers them.
"""

from __future__ import annotations

import difflib
import os
import typing as t

from ..._etcd.attributes import Attributes
from ..._etcd.errors import RollcallError
from ..._etcd.files import Candidate, Directory, UnsafePath, reach
from ..host import log
from ..host.disk_work import Stalled
from .render_config import File
from .state_directory import StateDirectory

VERSIONS = 5

_DEFAULT_MODE = 0o644


class ApplyFailed(RollcallError):
    """A file could not be brought up to date. The former content stays."""

    id = "RC-E-APPLY"


class CommandFailed(ApplyFailed):
    """A command failed. `output` is the end of what it printed."""

    id = "RC-E-COMMAND"

    def __init__(self, message: str, output: str) -> None:
        super().__init__(message)
        self.output = output


class Target:
    """Where a file belongs, and what is kept about it. `dest` is the path in the configuration."""

    def __init__(self, file: File, state: StateDirectory) -> None:
        self.file = file
        self.dest = file.dest
        self._state = state
        self._versions = "versions" + self.dest
        self._failed = "failed" + self.dest
        self._mark = "dirty" + self.dest
        self._dirty: t.Optional[bool] = None  # not looked yet

    @property
    def dirty(self) -> bool:
        """Whether a reload is owed for the file as it is; also if that cannot be found out."""
        if self._dirty is None:
            try:
                self._dirty = self._state.exists(self._mark)
            except OSError:
                return True
        return self._dirty

    def mark_dirty(self) -> None:
        """From now on a reload is owed. Raises OSError, though not for a disk that stalls."""
        try:
            self._state.write(self._mark, b"")
        except Stalled:
            pass  # if this process ends before the reload, the next one does not know of it
        self._dirty = True

    def mark_clean(self) -> None:
        """The service has read the file as it is. Raises OSError, though not for a disk that stalls."""
        if self._dirty is False:
            return
        try:
            self._state.remove(self._mark)
        except Stalled:
            pass  # the next process reloads once more
        self._dirty = False

    def open(self, content: bytes) -> Draft:
        """Find the file and compare it with `content`. Links on the way may have moved since the last time.

        Raises OSError if the directory is missing or another user can replace files in it.
        """
        directory, name = reach(self.dest, self.file.uid)
        try:
            self._require_private(directory)
            return Draft(self, directory, name, content)
        except OSError:
            directory.close()
            raise

    def last_version(self) -> t.Optional[bytes]:
        """The content before the last replacement. Raises OSError."""
        return self._state.read(f"{self._versions}.1")

    def keep_version(self, content: bytes) -> None:
        """Add `content` to the former versions. Raises OSError, though not for a disk that stalls."""
        try:
            self._state.add_version(self._versions, content, VERSIONS)
        except Stalled:
            pass

    def _require_private(self, directory: Directory) -> None:
        try:
            directory.require_private(self.file.uid)
        except UnsafePath as exc:
            if self.file.uid is None:
                raise UnsafePath(f"{exc}, or name the user of the directory as owner of the file") from exc
            raise

    def keep_refused(self, content: bytes, failure: CommandFailed) -> None:
        """For the operator: what was refused, and what the command said."""
        try:
            self._state.write(self._failed, content)
            self._state.write(f"{self._failed}.output", f"{failure}\n\n{failure.output}".encode("utf-8", "replace"))
        except OSError as exc:
            log.warning(f"Cannot keep what was refused for {self.dest}: {exc}", "RC-E-WRITE")


class Draft:
    """A file as it is, in its open directory, and what it should be."""

    def __init__(self, target: Target, directory: Directory, name: str, content: bytes) -> None:
        self.target = target
        self.directory = directory
        self.name = name
        self.content = content
        self.previous = directory.read(name)
        self._former = directory.attributes(name)
        self.wanted = self._wanted()
        self.differs = self.previous != content or self._former != self.wanted
        self.replaced = False
        self._candidate: t.Optional[Candidate] = None

    def close(self) -> None:
        """Forget the candidate if it was not committed."""
        if self._candidate is not None:
            self._candidate.discard()
        self.directory.close()

    def diff(self) -> str:
        """The way from the file as it is to its content, for people; "" if nothing differs."""
        old = (self.previous or b"").decode("utf-8", "replace").splitlines(keepends=True)
        new = self.content.decode("utf-8", "replace").splitlines(keepends=True)
        lines = difflib.unified_diff(old, new, f"{self.target.dest} (now)", f"{self.target.dest} (rendered)")
        return "".join(line if line.endswith("\n") else line + "\n" for line in lines)

    def prepare(self) -> None:
        """Write the candidate. Raises OSError."""
        self._candidate = self.directory.prepare(self.name, self.content, self.wanted, sole=True)

    def commit(self) -> None:
        """Put the candidate in the place of the file. Raises OSError."""
        if self._candidate is not None:
            self._candidate.commit()
            self._candidate = None
            self.replaced = True

    def restore(self, former: t.Optional[bytes], remove: bool) -> None:
        """Put the old file back. Without one, `remove` says whether the new one goes. Raises OSError."""
        if former is not None:
            self.directory.replace(self.name, former, self._former or self.wanted, sole=True)
        elif remove:
            self.directory.remove(self.name)

    def _wanted(self) -> Attributes:
        """The attributes of the configuration, otherwise those of the file, otherwise those of a new file."""
        now = self._former or Attributes(os.geteuid(), os.getegid(), _DEFAULT_MODE)
        file = self.target.file
        return now._replace(
            uid=now.uid if file.uid is None else file.uid,
            gid=now.gid if file.gid is None else file.gid,
            mode=now.mode if file.mode is None else file.mode,
        )
