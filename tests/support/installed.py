# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection as users have it, built and installed, and Ansible's programs that run from there."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

CHECKOUT = Path(__file__).resolve().parents[2]

# The lab's inventories: what the demo's hosts are to become, and who answers the roll call.
PROVISIONING = CHECKOUT / "tests/lab/hosts.yml"
DISCOVERED = CHECKOUT / "tests/lab/etcd.yml"

_RECAP = re.compile(r"^(\S+)\s+: (ok=\d+.*)$", re.MULTILINE)


class Played(NamedTuple):
    """What came of a playbook. `recap` has each host's counts, as {"web1": {"ok": 12, "changed": 0, …}}."""

    rc: int
    output: str
    recap: dict[str, dict[str, int]]

    def total(self, count: str) -> int:
        """The sum of a count over all hosts."""
        return sum(counts[count] for counts in self.recap.values())


class Installed:
    """The collection, installed below `directory`; the checkout is not what runs."""

    def __init__(self, directory: Path, bin_directory: Path) -> None:
        self._bin = bin_directory
        self._environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(directory / "collections"),
            "ANSIBLE_FORKS": "10",
            "ANSIBLE_INJECT_FACT_VARS": "false",  # as it will be by default: roles use ansible_facts
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_NOCOLOR": "1",
        }
        self._galaxy("build", "--force", "--output-path", directory)
        (archive,) = directory.glob("*.tar.gz")
        # By force: the link in the virtual environment makes the checkout the installed collection.
        self._galaxy("install", "--offline", "--force", "--collections-path", directory / "collections", archive)
        self.root = directory / "collections/ansible_collections/rollcall/discovery"

    def _galaxy(self, verb: str, *arguments: str | Path) -> None:
        done = self.run("ansible-galaxy", "collection", verb, *map(str, arguments))
        assert done.returncode == 0, done.stdout + done.stderr

    def run(
        self, program: str, *arguments: str, timeout: float = 120, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run one of Ansible's programs from the checkout's root, with `environment` added to the usual one."""
        return subprocess.run(
            [str(self._bin / program), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            env={**self._environment, **environment},
            cwd=CHECKOUT,
            check=False,
        )

    def play(
        self, playbook: str, *arguments: str, inventory: Path = PROVISIONING, check: bool = True, **environment: str
    ) -> Played:
        """Run a playbook; with `check` it must succeed on every host."""
        command = ["ansible-playbook", "-i", str(inventory), playbook, *arguments]
        done = self.run(*command, timeout=1200, **environment)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        recap = {
            host: {name: int(count) for name, count in (word.split("=") for word in counts.split())}
            for host, counts in _RECAP.findall(done.stdout)
        }
        return Played(done.returncode, done.stdout + done.stderr, recap)

    def inventory(self, source: Path, **environment: str) -> dict[str, Any]:
        """What ansible-inventory says; it must succeed."""
        done = self.run("ansible-inventory", "-i", str(source), "--list", **environment)
        assert done.returncode == 0, done.stderr
        listed: dict[str, Any] = json.loads(done.stdout)
        return listed
