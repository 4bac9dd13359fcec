# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One rendered file on this host: checked before it takes its place, taken back where the reload fails.

Internal to the collection: no promise is made to other users of this file.

Under the state directory, each with the path of the file below it:

    versions/….1 to .5   what the file was before, the newest first
    failed/…             the last candidate that was refused, and in ….output what the command said
    dirty/…              a mark: the service may not have read the file as it is; from its replacement to a good reload
"""

from __future__ import annotations

import difflib
import os
import shlex
import tempfile
import typing as t

from ..._etcd.errors import RollcallError
from .. import durable, log
from ..durable import Attributes
from ..host.programs import run_command
from .render_config import CANDIDATE, File

VERSIONS = 5

_DEFAULT_MODE = 0o644


class ApplyFailed(RollcallError):
    """The file could not be brought up to date; what was there before is there still."""


class CommandFailed(ApplyFailed):
    """A command said no. `output` is the end of what it printed."""

    def __init__(self, message: str, output: str) -> None:
        super().__init__(message)
        self.output = output


class Target:
    """Brings one file to the content it should have."""

    def __init__(self, file: File, state_dir: str) -> None:
        self.file = file
        self.dest = file.dest
        self._versions = state_dir + "/versions" + self.dest
        self._failed = state_dir + "/failed" + self.dest
        self._dirty = state_dir + "/dirty" + self.dest

    @property
    def dirty(self) -> bool:
        """Whether a reload is owed for the file as it is."""
        return os.path.exists(self._dirty)

    def differs(self, content: bytes) -> bool:
        """Whether the file is not as it should be, in content, owner or permissions. Raises OSError."""
        return durable.read(self.dest) != content or Attributes.of(self.dest) != self._attributes()

    def diff(self, content: bytes) -> str:
        """The way from the file as it is to `content`, for people; "" where nothing differs. Raises OSError."""
        old = (durable.read(self.dest) or b"").decode("utf-8", "replace").splitlines(keepends=True)
        new = content.decode("utf-8", "replace").splitlines(keepends=True)
        lines = difflib.unified_diff(old, new, f"{self.dest} (now)", f"{self.dest} (rendered)")
        return "".join(line if line.endswith("\n") else line + "\n" for line in lines)

    def apply(self, content: bytes) -> bool:
        """Make the file be `content` and have it read; returns whether anything was to be done. Raises ApplyFailed."""
        if not content.strip():
            raise ApplyFailed(f"The template {self.file.src} gave nothing: {self.dest} is left as it is")
        try:
            return self._apply(content)
        except CommandFailed as exc:
            self._keep_refused(content, exc)
            raise
        except OSError as exc:
            raise ApplyFailed(f"Cannot bring {self.dest} up to date: {exc}") from exc

    def check(self, content: bytes) -> None:
        """Run the check command on a copy of `content` that is nowhere near the file. Raises ApplyFailed."""
        with tempfile.TemporaryDirectory(prefix="rollcall-") as directory:
            candidate = os.path.join(directory, os.path.basename(self.dest))
            durable.write_candidate(candidate, content)
            self._check(candidate)

    def _apply(self, content: bytes) -> bool:
        differs = self.differs(content)
        if not differs and not self.dirty:
            return False
        attributes = Attributes.of(self.dest)
        if differs:
            previous = durable.read(self.dest)
            self._replace(content, previous)
        else:  # the last process ended between the replacement and the reload
            previous = durable.read(f"{self._versions}.1")
        try:
            self._run("The reload failed", self.file.reload_cmd, self.file.reload_timeout)
        except CommandFailed:
            self._restore(previous, attributes)
            raise
        durable.remove(self._dirty)
        return True

    def _replace(self, content: bytes, previous: t.Optional[bytes]) -> None:
        directory, name = os.path.split(self.dest)
        candidate = os.path.join(directory, f".{name}.rollcall")
        durable.write_candidate(candidate, content, self._attributes())
        try:
            self._check(candidate)
            if previous is not None:
                self._keep_version(previous)
            durable.write(self._dirty, b"")
            durable.replace(candidate, self.dest)
        finally:
            durable.remove(candidate)

    def _check(self, candidate: str) -> None:
        command = self.file.check_cmd
        for word in CANDIDATE:
            command = command.replace(word, shlex.quote(candidate))
        self._run("The check refused it", command, self.file.check_timeout)

    def _run(self, verdict: str, command: str, timeout: float) -> None:
        """Run a command if there is one."""
        if command:
            ended = run_command(command, timeout)
            if not ended.ok:
                raise CommandFailed(f"{self.dest}: {verdict}: {ended.story(command, timeout)}", ended.output)

    def _restore(self, previous: t.Optional[bytes], attributes: t.Optional[Attributes]) -> None:
        """Put the old file back if there was one. The mark stays: nobody knows what the service has read."""
        if previous is None:
            return
        try:
            durable.write(self.dest, previous, attributes)
        except OSError as exc:
            log.error(f"Cannot put the old {self.dest} back: {exc}; it is kept in {self._versions}.1")

    def _attributes(self) -> Attributes:
        """What the configuration says, else what the file has, else what a new file of ours gets."""
        now = Attributes.of(self.dest) or Attributes(os.geteuid(), os.getegid(), _DEFAULT_MODE)
        uid = now.uid if self.file.uid is None else self.file.uid
        gid = now.gid if self.file.gid is None else self.file.gid
        return Attributes(uid, gid, now.mode if self.file.mode is None else self.file.mode)

    def _keep_version(self, content: bytes) -> None:
        if durable.read(f"{self._versions}.1") == content:
            return
        for number in range(VERSIONS - 1, 0, -1):
            try:
                os.replace(f"{self._versions}.{number}", f"{self._versions}.{number + 1}")
            except FileNotFoundError:
                pass
        durable.write(f"{self._versions}.1", content)

    def _keep_refused(self, content: bytes, failure: CommandFailed) -> None:
        """For the operator: what was refused, and what the command said."""
        try:
            durable.write(self._failed, content)
            durable.write(f"{self._failed}.output", f"{failure}\n\n{failure.output}".encode("utf-8", "replace"))
        except OSError as exc:
            log.warning(f"Cannot keep what was refused for {self.dest}: {exc}")
