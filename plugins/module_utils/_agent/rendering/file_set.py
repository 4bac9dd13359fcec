# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that are one configuration: checked together, replaced together, taken back together.

Internal to the collection: no promise is made to other users of this file.

A file for itself is a set of one.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import typing as t

from ..._etcd.files import UnsafePath, name_beside, open_directory, private_directory
from ..host import log
from ..host.disk_work import Aside, Stalled
from .commands import Commands
from .render_config import CANDIDATE, DIRECTORY, File
from .state_directory import StateDirectory
from .target import ApplyFailed, CommandFailed, Draft, Target

_PATIENCE = 5.0  # seconds for the disk of the files

_T = t.TypeVar("_T")


class FileSet:
    """The files of one set. `run_dir` is where candidates are checked whose own directory belongs to another user."""

    def __init__(self, files: t.Sequence[File], state: StateDirectory, run_dir: str) -> None:
        self.targets = [Target(file, state) for file in files]
        self.reloads = _distinct(file.reload_cmd for file in files)
        self.run_dir = run_dir
        self._aside = Aside(files[0].dest)
        dests = [file.dest for file in files]
        self.title = dests[0] if len(dests) == 1 else f"set {files[0].set} ({', '.join(dests)})"

    @property
    def reversible(self) -> bool:
        """Whether something may fail once a file is in its place: then the next process, too, must know the way back.

        One file that nothing is reloaded for is done when it is there: what it was before is kept afterwards.
        """
        return bool(self.reloads) or len(self.targets) > 1

    @property
    def dirty(self) -> bool:
        """Whether a reload is owed."""
        return any(target.dirty for target in self.targets)

    def reload_timeout(self, command: str) -> float:
        """Seconds that this reload command may take."""
        return max(each.file.reload_timeout for each in self.targets if each.file.reload_cmd == command)

    def open(self, contents: t.Sequence[bytes]) -> Change:
        """Compare the files with what they should be. Raises ApplyFailed."""
        for target, content in zip(self.targets, contents):
            if not content.strip():
                raise ApplyFailed(f"The template {target.file.src} gave nothing: {target.dest} is left as it is")
        return self.patiently(lambda: self._open(contents), late=Change.close)

    def patiently(self, work: t.Callable[[], _T], late: t.Callable[[_T], None] = lambda _result: None) -> _T:
        """The result of `work` with these files, in a bounded time. Raises ApplyFailed if it stalls; see `Aside`.

        One file on a disk that stalls must not hold up the others.
        """
        try:
            return self._aside.do(work, _PATIENCE, late)
        except Stalled as exc:
            raise ApplyFailed(f"Cannot bring {self.title} up to date: {exc}") from exc

    def afterwards(self, work: t.Callable[[], None]) -> None:
        """Do `work` when nothing that stalls uses the files any more."""
        self._aside.afterwards(work)

    def _open(self, contents: t.Sequence[bytes]) -> Change:
        drafts: t.List[Draft] = []
        try:
            for target, content in zip(self.targets, contents):
                drafts.append(target.open(content))
        except OSError as exc:
            for draft in drafts:
                draft.close()
            raise ApplyFailed(f"Cannot bring {target.dest} up to date: {exc}") from exc
        return Change(self, drafts)


class Change:
    """The way of a set from what it is to what it should be. Close it in any case."""

    def __init__(self, files: FileSet, drafts: t.Sequence[Draft]) -> None:
        self.files = files
        self.drafts = drafts
        self.differs = any(draft.differs for draft in drafts)
        self.owed = files.dirty

    def close(self) -> None:
        """Leave nothing but files that are in their place."""
        self.files.afterwards(self._close)

    def _close(self) -> None:
        for draft in self.drafts:
            draft.close()

    def check(self, commands: Commands, sole: bool = True) -> None:
        """Run the check commands on copies of all candidates. Raises ApplyFailed.

        `sole`: no other process checks this set now, so what an interrupted one left behind is removed.
        """
        checked = [draft for draft in self.drafts if draft.target.file.check_cmd]
        if not checked:
            return
        stage = _Stage(self.drafts, self.files.run_dir, sole)
        try:
            self.files.patiently(stage.make)
            done: t.List[str] = []
            for draft in checked:
                command = stage.command(draft)
                if command not in done:
                    self._check(command, draft.target.file.check_timeout, commands)
                done.append(command)
        except OSError as exc:
            raise ApplyFailed(f"Cannot check {self.files.title}: {exc}") from exc
        finally:
            with contextlib.suppress(ApplyFailed):  # the next check removes it
                self.files.patiently(stage.remove)

    def replace(self) -> None:
        """Put all candidates in their places. Raises ApplyFailed."""
        self.files.patiently(self._replace)

    def _replace(self) -> None:
        changing = [draft for draft in self.drafts if draft.differs]
        try:
            for draft in changing:
                draft.prepare()
            if self.files.reversible:
                self._keep_versions(changing)
                for draft in self.drafts:  # all, so that the next process reloads after a crash between two of them
                    draft.target.mark_dirty()
        except OSError as exc:
            raise ApplyFailed(f"Cannot bring {self.files.title} up to date: {exc}") from exc
        try:
            for draft in changing:
                draft.commit()
        except OSError as exc:
            self._restore()
            raise ApplyFailed(f"Cannot bring {self.files.title} up to date: {exc}") from exc
        if not self.files.reversible:
            try:
                self._keep_versions(changing)
            except OSError as exc:
                log.warning(f"Cannot keep the former version of {self.files.title}: {exc}", "RC-E-WRITE")

    def restore(self) -> None:
        """Put all old files back. The marks stay: nobody knows what the service has read.

        A file that did not exist goes again if others of the set did exist. If none did, a service that could not be
        reloaded, perhaps since it has not been started yet, finds its first configuration. Raises ApplyFailed if their
        disk stalls.
        """
        self.files.patiently(self._restore)

    def _restore(self) -> None:
        former = {draft: self._former(draft) for draft in self.drafts}
        remove = any(content is not None for content in former.values())
        for draft, content in former.items():
            try:
                if draft.replaced or (self.owed and not draft.differs):
                    draft.restore(content, remove)
            except OSError as exc:
                log.error(
                    f"Cannot put the old {draft.target.dest} back: {exc}. Its former versions are kept",
                    "RC-E-ROLL-BACK",
                )

    def keep_refused(self, failure: CommandFailed) -> None:
        """Keep all candidates for the operator."""
        for draft in self.drafts:
            draft.target.keep_refused(draft.content, failure)

    def mark_clean(self) -> None:
        """The service has read all files. Raises ApplyFailed."""
        try:
            for draft in self.drafts:
                draft.target.mark_clean()
        except OSError as exc:
            raise ApplyFailed(f"Cannot bring {self.files.title} up to date: {exc}") from exc

    @staticmethod
    def _keep_versions(changing: t.Iterable[Draft]) -> None:
        for draft in changing:
            if draft.previous is not None:
                draft.target.keep_version(draft.previous)

    def _check(self, command: str, timeout: float, commands: Commands) -> None:
        result = commands.run(command, timeout)
        if not result.ok:
            raise CommandFailed(
                f"{self.files.title}: The check refused it: {result.story(command, timeout)}", result.output
            )

    def _former(self, draft: Draft) -> t.Optional[bytes]:
        """The content before this change, or before the one that an earlier process did not finish."""
        if draft.differs or not draft.target.dirty:
            return draft.previous
        try:
            return draft.target.last_version()
        except OSError:
            return draft.previous  # not known: it stays as it is


class _Stage:
    """A directory with copies of all candidates, under their own names and as they lie to each other."""

    def __init__(self, drafts: t.Sequence[Draft], run_dir: str, sole: bool) -> None:
        self._drafts = drafts
        self._top = os.path.commonpath([os.path.dirname(draft.target.dest) for draft in drafts])
        self._run_dir = run_dir
        self._sole = sole
        self.path = ""

    def make(self) -> None:
        """Write the copies. Raises OSError."""
        self.path = _place(self._drafts[0], self._run_dir, self._sole)
        shutil.rmtree(self.path, ignore_errors=True)
        try:
            _make_directory(self.path)
            for draft in self._drafts:
                path = self.of(draft)
                self._make_parents(path)
                with open_directory(os.path.dirname(path)) as directory:
                    directory.create(os.path.basename(path), draft.content, draft.wanted._replace(extended={}))
        except BaseException:
            self.remove()
            raise

    def remove(self) -> None:
        """Remove what was made."""
        if self.path:
            shutil.rmtree(self.path, ignore_errors=True)

    def of(self, draft: Draft) -> str:
        """The path of the copy."""
        return os.path.join(self.path, os.path.relpath(draft.target.dest, self._top))

    def command(self, draft: Draft) -> str:
        """The check command of a file, with the paths in it."""
        command = draft.target.file.check_cmd
        for word in CANDIDATE:
            command = command.replace(word, shlex.quote(self.of(draft)))
        return command.replace(DIRECTORY, shlex.quote(self.path))

    def _make_parents(self, path: str) -> None:
        parents = os.path.relpath(os.path.dirname(path), self.path)
        here = self.path
        for name in parents.split("/"):
            here = os.path.join(here, name)
            if name != "." and not os.path.isdir(here):
                _make_directory(here)


def _place(draft: Draft, run_dir: str, sole: bool) -> str:
    """Beside the file, where confined programs may read, unless another user could exchange what is checked."""
    name = name_beside(draft.name, ".rollcall-check")
    unique = name_beside(draft.name, f".rollcall-check-{os.urandom(6).hex()}")
    try:
        draft.directory.require_private()
    except UnsafePath:
        with private_directory(run_dir, make=0o755) as directory:
            return os.path.join(directory.path, unique)
    return os.path.join(draft.directory.path, name if sole else unique)


def _make_directory(path: str) -> None:
    """One that a check may enter as another user. The files in it have their own permissions."""
    os.mkdir(path, 0o700)
    os.chmod(path, 0o755)


def _distinct(commands: t.Iterable[str]) -> t.List[str]:
    return list(dict.fromkeys(command for command in commands if command))
