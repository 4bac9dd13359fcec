# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One template and its file, and when to try again what has failed.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import hashlib
import typing as t

from .keystore import TemplateFailed
from .render_config import File, Timing
from .target import ApplyFailed, Target
from .templates import Template
from .view import View

Json = t.Dict[str, t.Any]


class Job:
    """Renders one file. `error` is "" or what went wrong last; `retry_at` is when to try that again, else None."""

    def __init__(self, file: File, state_dir: str, timing: Timing) -> None:
        self.template = Template(file.src, file.prefix)
        self.target = Target(file, state_dir)
        self.error = ""
        self.retry_at: t.Optional[float] = None
        self.hash = ""
        self._timing = timing
        self._pause = timing.retry

    def run(self, view: View, now: t.Callable[[], float]) -> bool:
        """Render and apply; returns whether the file or the service was changed. Never raises for what may go wrong."""
        try:
            content = self.template.render(view)
            changed = self.target.apply(content)
        except (TemplateFailed, ApplyFailed, OSError, RuntimeError, MemoryError) as exc:
            told = isinstance(exc, (TemplateFailed, ApplyFailed))
            self.error = str(exc) if told else f"Cannot render {self.target.dest}: {exc}"
            self.retry_at = now() + self._pause
            self._pause = min(self._pause * 2, self._timing.retry_max)
            return False
        self.error, self.retry_at, self._pause = "", None, self._timing.retry
        self.hash = hashlib.sha256(content).hexdigest()
        return changed

    def status(self) -> Json:
        """For the status file."""
        return {"dest": self.target.dest, "hash": self.hash, "dirty": self.target.dirty, "error": self.error}
