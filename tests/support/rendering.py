# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files rendered in this process, by the way that the daemon takes, from templates that are plain text."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering import applying
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.commands import Commands
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.file_set import FileSet
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.job import Job
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.keystore import KeyTable
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.render_config import File, Timing
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.state_directory import StateDirectory
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.target import ApplyFailed
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.view import View

VIEW = View(1, [], KeyTable({}), 0, [])


class Rendering:
    """The state of a renderer, and templates beside it. Each call is a process of its own: nothing is remembered."""

    def __init__(self, directory: Path) -> None:
        self.state, self.run, self.templates = directory / "state", directory / "run", directory / "templates"
        self.templates.mkdir()

    def job(self, *files: File) -> Job:
        """The job of a set."""
        return Job(FileSet(files, StateDirectory(str(self.state)), str(self.run)), Timing(), show_diff=True)

    def file(self, dest: Path, content: bytes, **options: Any) -> File:
        """A file of the configuration that will be `content`."""
        template = self.templates / f"{len(list(self.templates.iterdir()))}.j2"
        template.write_bytes(content)
        return File(src=str(template), dest=str(dest), **options)

    def apply(self, *jobs: Job) -> None:
        """Bring all files up to date."""
        applying.apply(jobs, VIEW, Commands(), time.monotonic)

    def preview(self, *jobs: Job) -> None:
        """Only look."""
        applying.preview(jobs, VIEW, Commands())


def require_good(*jobs: Job) -> list[str]:
    """The files that were changed. Raises ApplyFailed if something went wrong."""
    for job in jobs:
        if job.error:
            raise ApplyFailed(job.error)
    return [dest for job in jobs for dest in job.changed]
