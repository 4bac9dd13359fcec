# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible's own programs, as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

Json = dict[str, Any]


class Done(NamedTuple):
    """A program that has ended."""

    rc: int
    stdout: str
    stderr: str

    @property
    def messages(self) -> str:
        """What it said on stderr, in one line."""
        return " ".join(self.stderr.split())

    @property
    def inventory(self) -> Json:
        """The output of `ansible-inventory --list`."""
        assert self.rc == 0, self.stderr
        listed: Json = json.loads(self.stdout)
        return listed


Programs = Callable[..., Done]


@pytest.fixture
def run(ansible_bin: Path, tmp_path: Path) -> Programs:
    """`run("ansible-inventory", "-i", path, "--list", NAME="of the environment")`, in an empty directory."""
    foreign = ("ANSIBLE_", "ETCDCTL_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}

    def program(name: str, *arguments: str | Path, **environment: str) -> Done:
        done = subprocess.run(
            [str(ansible_bin / name), *map(str, arguments)], cwd=tmp_path, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=60,
            env={**clean, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_HOME": str(tmp_path / "home"), **environment}, check=False,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)

    return program
