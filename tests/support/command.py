# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program `rollcall` as an operator calls it, and a watch that goes on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.registrant import PATIENCE, wait_for


class Command:
    """The program `rollcall` as an operator calls it."""

    def __init__(self, package: Path, directory: Path, python: str = sys.executable) -> None:
        self._command = [python, "-B", "-m", "rollcall._agent.cli"]
        self.environment = {"PYTHONPATH": str(package), "PATH": os.environ["PATH"], "TZ": "UTC", "LANG": "C.UTF-8"}
        self._directory = directory
        self.followers: list[Follower] = []

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            [*self._command, *arguments],
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    def follow(self, *arguments: str) -> Follower:
        """Start `rollcall watch`, and wait until it follows."""
        self.followers.append(Follower([*self._command, "watch", *arguments], self.environment, self._directory))
        follower = self.followers[-1]
        wait_for(lambda: "following" in follower.notes, "the watch to begin")
        return follower

    def end(self) -> None:
        """End what still runs."""
        for follower in self.followers:
            follower.process.kill()
            follower.process.wait()


class Follower:
    """A `rollcall watch` that runs."""

    def __init__(self, command: list[str], environment: dict[str, str], directory: Path) -> None:
        self._out, self._err = directory / "watch.out", directory / "watch.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(command, env=environment, stdout=out, stderr=err)

    @property
    def notes(self) -> str:
        """What it said of itself."""
        return self._err.read_text()

    @property
    def lines(self) -> list[str]:
        """The events that it told."""
        return self._out.read_text().splitlines()

    def wait_for(self, words: str, within: float = PATIENCE) -> str:
        """Wait for an event that matches the expression `words`; returns its line."""

        def found() -> list[str]:
            return [line for line in self.lines if re.search(words, line)]

        wait_for(found, f"{words!r} in {self.lines}, {self.notes}", within)
        return found()[0]
