# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One host of the lab: a folder with its own layer over the base image, a cable, and what can be done to it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import shlex
import shutil
import subprocess
import time
import typing as t
import uuid
from pathlib import Path

from . import apt, image, network, processes
from .place import Place
from .system import POLL, LabError, mounts, run, summary, unmount_below, write

NAME = re.compile(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?")  # a host name, and with "vb-" an interface name of at most 15
BOOT = 60.0  # seconds from power on to "running"; measured: 2 alone, 10 with six at once on two cores
STOP = 60.0  # seconds for an orderly shutdown
DEAD = 30.0  # seconds for the kernel to clear away a killed host; measured: 2

SSH = (
    "-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "LogLevel=ERROR",
    "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "GlobalKnownHostsFile=/dev/null",
    "-o", "ConnectTimeout=3", "-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3",
)  # fmt: skip
SSH_FAILED = 255  # ssh(1), EXIT STATUS: its own error, not the command's


@dataclasses.dataclass(frozen=True)
class Host:
    """A host of the lab; its folder holds everything of it, and is the only record there is.

    Everything here is safe to do twice. All of it raises LabError when it does not come to be within its time.
    """

    name: str
    address: str
    suite: str
    place: Place = dataclasses.field(repr=False)

    @property
    def folder(self) -> Path:
        """All there is of it: the layer, the record, the log of its console."""
        return self.place.hosts / self.name

    @property
    def root(self) -> Path:
        """Where its file system is mounted on the outer machine, from its creation to its end."""
        return self.folder / "root"

    @property
    def layer(self) -> Path:
        """What it has written over the base image."""
        return self.folder / "upper"

    @property
    def console_log(self) -> Path:
        """What its console said, all boots in one file."""
        return self.folder / "console.log"

    def is_up(self) -> bool:
        """Tell whether the host has power; `wait` tells when it also answers."""
        return processes.running(self.root)

    def is_cut(self) -> bool:
        """Tell whether the host runs without the network."""
        return self.is_up() and not network.plugged(self.name)

    def boot(self, wait: bool = True) -> None:
        """Power the host on, its cable plugged in, and, with *wait*, wait until it is up and running."""
        with self.place.lock():
            self.power_on()
        if wait:
            self.wait()

    def power_on(self) -> None:
        """Start the host without waiting; the caller holds the lab's lock."""
        if self.is_up():
            return
        self.place.network.up()
        self.mount()
        network.remove_port(self.name)
        processes.start(self.name, self.root, network.BRIDGE, self.console_log)

    def kill(self) -> None:
        """Pull the plug: every process ends at once, nothing is told, no connection is closed.

        What the host had written stays, synced or not: the outer machine's kernel lives on.
        """
        with self.place.lock():
            processes.kill(self.root)
            self.clear()

    def stop(self) -> None:
        """Shut the host down in order; its services get the time they ask for."""
        with self.place.lock():
            processes.power_off(self.root)
            processes.wait_gone(self.name, self.root, STOP)
            network.remove_port(self.name)

    def clear(self, timeout: float = DEAD) -> None:
        """Return when a killed host is gone from the outer machine, so that it can boot again."""
        processes.wait_gone(self.name, self.root, timeout)
        network.remove_port(self.name)

    def cut(self) -> None:
        """Cut the host off from the network: nothing reaches it, nothing leaves it, and no one is told."""
        self._require_up("cut off")
        network.unplug(self.name)

    def rejoin(self) -> None:
        """Undo `cut`."""
        self._require_up("rejoined")
        network.plug(self.name)

    def exec(
        self, command: str | t.Sequence[str], *, check: bool = True, stdin: str | None = None, timeout: float = 120.0
    ) -> subprocess.CompletedProcess[str]:
        """Run *command* on the host as root over SSH: a string for its shell, or a list of words.

        Raises LabError when it fails (and *check* is set), or takes longer than *timeout* seconds.
        """
        done = run(self.ssh(command), check=False, stdin=stdin, timeout=timeout)
        if check and done.returncode:
            words = command if isinstance(command, str) else shlex.join(command)
            output = summary(f"{done.stdout}\n{done.stderr}")
            raise LabError(f"{self.name}: `{words}` failed ({done.returncode}): {output}")
        return done

    def ssh(self, command: str | t.Sequence[str] = "", *options: str) -> list[str]:
        """Return the SSH command line that runs *command* on the host, or a shell without one."""
        words = command if isinstance(command, str) else shlex.join(command)
        return ["ssh", *SSH, *options, "-i", str(self.place.key), f"root@{self.address}", *([words] if words else [])]

    def wait(self, timeout: float = BOOT) -> None:
        """Return when the host answers over SSH and its systemd has brought up everything.

        Raises LabError, with what its console said last, when that takes more than *timeout* seconds, when a unit
        has failed, or when the host has died.
        """
        deadline = time.monotonic() + timeout
        asked = subprocess.CompletedProcess([], SSH_FAILED, "", "")
        while asked.returncode == SSH_FAILED:
            if not self.is_up():
                raise LabError(f"{self.name} is not running; its console said last:\n{self.console()}")
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise LabError(f"{self.name} is not up {timeout:.0f} s after its boot:\n{self._troubles()}")
            with contextlib.suppress(LabError):  # of the outer machine: no answer in time
                asked = run(self.ssh("systemctl is-system-running --wait"), check=False, timeout=remaining)
            if asked.returncode == SSH_FAILED:
                time.sleep(POLL)
        if asked.stdout.strip() != "running":
            raise LabError(f"{self.name} is {asked.stdout.strip()}:\n{self._troubles()}")

    def console(self, lines: int = 20) -> str:
        """Return the last *lines* lines of the host's console, this boot's and earlier ones'."""
        with contextlib.suppress(FileNotFoundError):
            return summary(self.console_log.read_text(encoding="utf-8", errors="replace"), lines)
        return "it has never been on"

    def make(self, base: Path) -> None:
        """Lay the host's folder out over the image *base*, with the packages in store; the record comes last."""
        for part in ("upper", "work", "root"):
            (self.folder / part).mkdir(parents=True)
        (self.folder / "base").symlink_to(base)
        apt.hand_out(self.place.packages(self.suite), self.layer)
        self.mount()
        self._configure()
        write(self.folder / "host.json", json.dumps({"address": self.address, "suite": self.suite}))

    def mount(self) -> None:
        """Mount the host's file system, unless it is mounted already; a reboot of the outer machine ends a mount."""
        if not (self.folder / "base").exists():
            raise LabError(f"{self.name}: its base image is gone from the cache; destroy it and create it again")
        if (str(self.root), str(self.root)) not in mounts():
            # Relative paths, because a comma or a colon in this checkout's path would end a mount option.
            layers = "lowerdir=base,upperdir=upper,workdir=work"
            run(["mount", "-t", "overlay", self.root, "-o", layers, self.root], cwd=self.folder)

    def store_packages(self) -> None:
        """Put what the host has downloaded in store, for those made after it."""
        apt.collect(self.place.packages(self.suite), self.layer)

    def remove(self) -> None:
        """Remove the dead host's folder."""
        unmount_below(self.folder)
        going = self.folder.with_name(f".{self.name}")  # in one step, so that no half of a host is ever seen
        if going.exists():
            shutil.rmtree(going)
        self.folder.rename(going)
        shutil.rmtree(going)

    def _configure(self) -> None:
        """Make the copy of the image this host, and no other."""
        etc = self.root / "etc"
        write(etc / "hostname", f"{self.name}\n")
        write(etc / "hosts", f"127.0.0.1 localhost\n::1 localhost ip6-localhost\n{self.address} {self.name}\n")
        write(etc / "machine-id", f"{uuid.uuid4().hex}\n", 0o444)
        write(
            etc / "systemd/network/10-host0.network",
            f"[Match]\nName=host0\n\n[Network]\nAddress={self.address}/{network.SUBNET.prefixlen}\n"
            f"Gateway={network.GATEWAY}\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n",
        )
        image.carry_over(self.root)
        apt.configure(self.root, self.suite)
        apt.empty_lists(self.root)
        ssh = self.root / "root/.ssh"
        ssh.mkdir(mode=0o700, exist_ok=True)
        write(ssh / "authorized_keys", self.place.key.with_suffix(".pub").read_text(encoding="utf-8"), 0o600)
        keygen(etc / "ssh/ssh_host_ed25519_key", self.name)

    def _require_up(self, what: str) -> None:
        if not self.is_up():
            raise LabError(f"{self.name} is not running, so it cannot be {what}: boot it first")

    def _troubles(self) -> str:
        """Return what a person would look at first: failed units, jobs still waiting, the end of the console's log."""
        units = "systemctl list-units --failed --plain --no-legend; systemctl list-jobs --no-legend"
        try:
            found = self.exec(units, check=False, timeout=10)
            said = summary(f"{found.stdout}\n{found.stderr}")
        except LabError as silent:
            said = str(silent)
        return f"{said}\nits console said last:\n{self.console()}"


def keygen(path: Path, comment: str) -> None:
    """Make an SSH key pair at *path*, unless there is one."""
    if not path.exists():
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", draft])
        draft.with_suffix(f"{draft.suffix}.pub").rename(path.with_suffix(".pub"))
        draft.rename(path)
