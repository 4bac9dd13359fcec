# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs tasks with the real ansible-playbook, on this host, from this checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

Json = dict[str, Any]

_CALLBACKS = Path(__file__).parent / "callback"


class Run(NamedTuple):
    """What came of it. `results` are those of the tasks, in their order, each with the task's name as `task`."""

    rc: int
    results: list[Json]
    output: str

    def __getitem__(self, task: Any) -> Any:
        """The result of the task of that name; where it is not there, the test fails with all that was printed."""
        found = [result for result in self.results if result["task"] == task]
        assert found, f"no task {task!r} ran:\n{self.output}"
        return found[0]

    @property
    def changed(self) -> list[str]:
        """The names of the tasks that changed something."""
        return [result["task"] for result in self.results if result.get("changed")]


def run_tasks(
    bin_directory: Path, directory: Path, tasks: list[Json], *arguments: str, python: str = sys.executable, **play: Any
) -> Run:
    """Run `tasks` on localhost. `arguments` are for ansible-playbook, `play` adds keywords to the play."""
    book, results = directory / "play.yml", directory / "results.jsonl"
    book.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks, **play}]))
    results.write_text("")
    foreign = ("ANSIBLE_ROLLCALL_", "ETCDCTL_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    environment.update(
        ANSIBLE_CALLBACK_PLUGINS=str(_CALLBACKS),
        ANSIBLE_CALLBACKS_ENABLED="results",
        ANSIBLE_NOCOLOR="1",
        ANSIBLE_PIPELINING="1",  # a process less for each task
        ROLLCALL_TEST_RESULTS=str(results),
    )
    command = [str(bin_directory / "ansible-playbook"), "-i", "localhost,", "-c", "local", str(book), *arguments]
    command += ["-e", f"ansible_python_interpreter={python}"]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, env=environment, check=False
    )
    lines = results.read_text().splitlines()
    return Run(done.returncode, [json.loads(line) for line in lines], done.stdout + done.stderr)
