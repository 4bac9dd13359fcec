# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One set of files and its templates, and when to try again what has failed.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import hashlib
import typing as t

from ..._etcd.errors import RollcallError
from .file_set import Change, FileSet
from .render_config import Timing
from .templates import Template
from .view import View

Json = t.Dict[str, t.Any]


class Job:
    """Renders the files of a set.

    `error` is "" or the last failure, `error_id` the id of that message, `retry_at` when to try again, else None.
    `changed` names the files that the last run replaced, or whose service it reloaded, and `diff` shows how if
    `show_diff` asks for it.
    """

    def __init__(self, files: FileSet, timing: Timing, show_diff: bool = False) -> None:
        self.files = files
        self.error = ""
        self.error_id = ""
        self.retry_at: t.Optional[float] = None
        self.changed: t.List[str] = []
        self.diff = ""
        self._templates = [Template(target.file.src, target.file.prefix) for target in files.targets]
        self._hashes = [""] * len(files.targets)
        self._timing = timing
        self._pause = timing.retry
        self._show_diff = show_diff

    @property
    def title(self) -> str:
        """How to name it in a message."""
        return self.files.title

    def open(self, view: View) -> Change:
        """Render, and compare with the files as they are. Raises RollcallError, OSError, or what Python is short of."""
        self.changed, self.diff = [], ""
        contents = [template.render(view) for template in self._templates]
        change = self.files.open(contents)
        if self._show_diff:
            self.diff = "".join(draft.diff() for draft in change.drafts)
        self.changed = [
            draft.target.dest for draft in change.drafts if draft.differs or (change.owed and draft.target.dirty)
        ]
        return change

    def succeeded(self, change: Change) -> None:
        """The files are up to date."""
        self._hashes = [hashlib.sha256(draft.content).hexdigest() for draft in change.drafts]
        self.error, self.retry_at, self._pause = "", None, self._timing.retry

    def failed(self, exc: Exception, now: float) -> None:
        """The files are not up to date."""
        if isinstance(exc, RollcallError):
            self.error, self.error_id = str(exc), exc.id
        else:
            self.error, self.error_id = f"Cannot render {self.title}: {exc or type(exc).__name__}", "RC-E-RENDER"
        self.retry_at = now + self._pause
        self._pause = min(self._pause * 2, self._timing.retry_max)
        self.changed = []

    def status(self) -> t.List[Json]:
        """For the status file: an entry for each file."""
        return [
            {"dest": target.dest, "hash": digest, "dirty": target.dirty, "error": self.error}
            for target, digest in zip(self.files.targets, self._hashes)
        ]
