# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One pass over all files: each set checked and replaced, then each reload command once.

Internal to the collection: no promise is made to other users of this file.

The daemon, `--once` and `--check` take this one way.
"""

from __future__ import annotations

import typing as t

from ..._etcd.errors import RollcallError
from ..host import log
from .commands import Commands
from .file_set import Change, FileSet
from .job import Job
from .render_config import File, RenderConfig
from .state_directory import StateDirectory
from .target import CommandFailed
from .view import View

# Shortages of the host, besides the errors that are raised on purpose.
_FORESEEN = (RollcallError, OSError, RuntimeError, MemoryError)


def make_jobs(config: RenderConfig, run_dir: str, show_diff: bool = False) -> t.List[Job]:
    """The jobs of a configuration, in its order; a set stands where its first file does."""
    sets: t.Dict[str, t.List[File]] = {}
    for number, file in enumerate(config.files):
        sets.setdefault(file.set or f"/{number}", []).append(file)  # no name of a set has a slash
    state = StateDirectory(config.state_dir)
    return [Job(FileSet(files, state, run_dir), config.timing, show_diff) for files in sets.values()]


def apply(jobs: t.Sequence[Job], view: View, commands: Commands, now: t.Callable[[], float]) -> None:
    """Bring the files of all jobs up to date. Reload commands that are equal run once. The job holds its failure.

    A set that cannot be checked or replaced holds up no other. Sets that share a reload that fails are all taken back.
    """
    replaced: t.List[t.Tuple[Job, Change]] = []
    try:
        for job in jobs:
            commands.alive()
            change = _replace(job, view, commands, now)
            if change is not None:
                replaced.append((job, change))
        for command in dict.fromkeys(command for job, _change in replaced for command in job.files.reloads):
            _reload(command, replaced, commands, now)
        for job, change in replaced:
            if not job.error:
                _finish(job, change, now)
    finally:
        for _job, change in replaced:
            change.close()


def preview(jobs: t.Sequence[Job], view: View, commands: Commands) -> None:
    """Do as `apply` up to the check, with the same objects. Nothing is replaced or kept."""
    for job in jobs:
        try:
            change = job.open(view)
            try:
                if job.changed:
                    change.check(commands, sole=False)
                job.succeeded(change)
            finally:
                change.close()
        except _FORESEEN as exc:
            job.failed(exc, 0.0)


def _replace(job: Job, view: View, commands: Commands, now: t.Callable[[], float]) -> t.Optional[Change]:
    """The change, if a reload is to follow. Its job has no error then."""
    try:
        change = job.open(view)
    except _FORESEEN as exc:
        job.failed(exc, now())
        return None
    try:
        if change.differs:
            change.check(commands)
            change.replace()
        if change.differs or change.owed:
            job.error = ""
            return change
        job.succeeded(change)
    except _FORESEEN as exc:
        _fail(job, change, exc, now())
    change.close()
    return None


def _reload(
    command: str, replaced: t.Sequence[t.Tuple[Job, Change]], commands: Commands, now: t.Callable[[], float]
) -> None:
    """Run a reload command for all that need it; if it fails, their old files come back."""
    waiting = [(job, change) for job, change in replaced if command in job.files.reloads and not job.error]
    if not waiting:
        return
    timeout = max(job.files.reload_timeout(command) for job, _change in waiting)
    try:
        result = commands.run(command, timeout)
    except _FORESEEN as exc:
        for job, change in waiting:
            _take_back(job, change, exc, now())
        return
    if result.ok:
        return
    for job, change in waiting:
        failure = f"{job.title}: The reload failed: {result.story(command, timeout)}"
        _take_back(job, change, CommandFailed(failure, result.output), now())


def _take_back(job: Job, change: Change, exc: Exception, now: float) -> None:
    try:
        change.restore()
    except _FORESEEN as trouble:  # the job's title names it, and the reason for the roll-back
        log.error(f"The old files are not back: {trouble}", "RC-E-ROLL-BACK")
    _fail(job, change, exc, now)


def _fail(job: Job, change: Change, exc: Exception, now: float) -> None:
    if isinstance(exc, CommandFailed):
        change.keep_refused(exc)
    job.failed(exc, now)


def _finish(job: Job, change: Change, now: t.Callable[[], float]) -> None:
    try:
        change.mark_clean()
    except _FORESEEN as exc:
        job.failed(exc, now())
    else:
        job.succeeded(change)
