# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host for the role register: this machine, with directories and a systemd that are not its own."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Any

from tests.support.playbook import Run, run_tasks

CHANGED = ("/etc", "/opt", "/usr/local", "/var/lib")  # what the role writes to

# Its answers are those that the module systemd_service looks for; it notes what else it is asked.
SYSTEMCTL = """\
#!/bin/sh
here=$(dirname "$0")
case "$*" in
    "show --property=MainPID --value rollcall-render.service") cat "$here/renderer" 2>/dev/null ;;
    show*) cat "$here/status" ;;
    is-enabled*) echo enabled ;;
    *) echo "$@" >>"$here/asked" ;;
esac
"""


class Host:
    """This machine as the role sees it: what is written to CHANGED is in memory, and gone with the test."""

    def __init__(self, directory: Path, ansible_bin: Path) -> None:
        self._directory = directory
        self._bin = directory / "bin"
        self._bin.mkdir()
        memory = directory / "memory"
        memory.mkdir()
        mounts = [f"mount -t tmpfs tmpfs {memory}"]
        for number, place in enumerate(CHANGED):
            layers = f"lowerdir={place},upperdir={memory}/{number}/upper,workdir={memory}/{number}/work"
            mounts += [f"mkdir -p {memory}/{number}/upper {memory}/{number}/work"]
            mounts += [f"mount -t overlay overlay -o {layers} {place}"]
        command = ["unshare", "--mount", "sh", "-ec", "\n".join([*mounts, "echo ready", "exec sleep infinity"])]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        assert self._process.stdout.readline() == "ready\n"
        self.root = Path(f"/proc/{self._process.pid}/root")
        (self._bin / "systemctl").write_text(SYSTEMCTL)
        self.say("ActiveState=active", "StatusText=Registered: web/web1")
        enter = shlex.join(
            ["nsenter", f"--mount=/proc/{self._process.pid}/ns/mnt", str(ansible_bin / "ansible-playbook")]
        )
        (self._bin / "ansible-playbook").write_text(f'#!/bin/sh\nPATH={self._bin}:$PATH exec {enter} "$@"\n')
        for program in self._bin.iterdir():
            if program.name != "status":
                program.chmod(0o755)

    def say(self, *properties: str) -> None:
        """What systemd says of the service from now on."""
        (self._bin / "status").write_text("\n".join(["LoadState=loaded", *properties, ""]))

    def start_renderer(self, *command: str) -> subprocess.Popen[bytes]:
        """Start this host's command `rollcall`; systemd takes it for the renderer from now on."""
        enter = ["nsenter", f"--mount=/proc/{self._process.pid}/ns/mnt", "/usr/local/bin/rollcall"]
        process = subprocess.Popen([*enter, *command], stderr=subprocess.PIPE)
        (self._bin / "renderer").write_text(f"{process.pid}\n")
        return process

    @property
    def asked(self) -> list[str]:
        """What systemctl was asked to do since the last look."""
        file = self._bin / "asked"
        asked = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return asked

    def play(self, *arguments: str, **options: Any) -> Run:
        """Give the role to this host."""
        variables = {
            "rollcall_etcd_endpoints": ["http://127.0.0.1:1"],
            "register_role": "web",
            "register_name": "web1",
            "register_timeout": 2,
            **options,
        }
        return run_tasks(
            self._bin, self._directory, [], *arguments, roles=["rollcall.discovery.register"], vars=variables
        )

    def path(self, name: str) -> Path:
        """A file of the host."""
        return self.root / name.lstrip("/")

    def end(self) -> None:
        """Forget all."""
        self._process.kill()
        self._process.wait()
