# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab: the hosts that were made, the key to them, and their making and unmaking."""

from __future__ import annotations

import contextlib
import json
import shutil
import typing as t
from pathlib import Path

from . import image, processes
from .hosts import NAME, SSH, Host, keygen
from .network import address
from .place import Place
from .system import LabError, Say, require_machine, say

DEMO = ("etcd1", "etcd2", "etcd3", "web1", "web2", "lb1")


class Lab:
    """The lab of this checkout: its hosts live in build/lab/, its images and packages in /var/cache/rollcall-lab/.

    Several programs may use it at once: what changes it is done under one lock. *tell* receives lines of progress.
    Raises LabError where the machine cannot carry a lab: no root, or tools missing.
    """

    def __init__(self, tell: Say = say) -> None:
        require_machine()
        self.place = Place.usual()
        self.tell = tell

    def create(self, names: t.Iterable[str] = DEMO, suite: str = "trixie", wait: bool = True) -> list[Host]:
        """Make the hosts *names* as far as they do not exist, boot those that are off, and wait until all are running.

        Raises LabError for a name that cannot be one, or that exists with another suite.
        """
        names = list(names)
        for name in names:
            if not NAME.fullmatch(name):
                raise LabError(f"{name!r} is no name for a host: 1 to 12 of a-z, 0-9 and -, the first a letter")
        if any(self._read(name) is None for name in names):
            self._image(suite)  # before the lock, as it may take minutes
        with self.place.lock():
            self.place.hosts.mkdir(parents=True, exist_ok=True)
            keygen(self.place.key, "rollcall lab")
            self.place.network.up()
            hosts = [self._made(name, suite) for name in names]
            for host in hosts:
                host.power_on()
        if wait:
            for host in hosts:
                host.wait()
                self.tell(f"{host.name} ({host.address}, {host.suite}) is running")
        return hosts

    def host(self, name: str) -> Host:
        """Return the host *name*; raises LabError when there is none."""
        host = self._read(name)
        if host is None:
            raise LabError(f"there is no host {name!r}; `python3 -m tests.lab list` shows those there are")
        return host

    def hosts(self) -> list[Host]:
        """Return every host there is, by address."""
        found = [host for host in map(self._read, self._folders()) if host is not None]
        return sorted(found, key=lambda host: [int(part) for part in host.address.split(".")])

    def destroy(self, names: t.Iterable[str] | None = None) -> list[str]:
        """End the hosts *names*, by default all, and remove all there is of them; return the names of those removed.

        With the last host goes the rest: bridge, rules, forwarding, key. Images and packages stay in the cache.
        """
        with self.place.lock():
            there = self._folders()
            wanted = there if names is None else dict.fromkeys(names)
            going = [self._read(name) or self._remains(name) for name in wanted if name in there]
            _remove(going)
            if not self._folders():
                self.place.network.down()
                shutil.rmtree(self.place.state, ignore_errors=True)
        return [host.name for host in going]

    def inventory(self) -> dict[str, t.Any]:
        """Return an Ansible inventory of all hosts that works from any folder; web1 and web2 are in a group web."""
        hosts: dict[str, t.Any] = {}
        groups: dict[str, t.Any] = {}
        for host in self.hosts():
            hosts[host.name] = {"ansible_host": host.address}
            kind = host.name.rstrip("0123456789")
            if kind != host.name:
                groups.setdefault(kind.replace("-", "_"), {"hosts": {}})["hosts"][host.name] = {}
        settings = {
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(self.place.key),
            "ansible_ssh_common_args": " ".join(SSH),
            "ansible_python_interpreter": "/usr/bin/python3",
        }
        return {"all": {"vars": settings, "hosts": hosts, "children": groups}}

    def _image(self, suite: str) -> Path:
        return image.image(suite, self.place.cache, self.tell)

    def _made(self, name: str, suite: str) -> Host:
        host = self._read(name)
        if host is not None:
            if host.suite != suite:
                raise LabError(f"{name} exists, with {host.suite} and not {suite}: destroy it first")
            return host
        if name in self._folders():
            _remove([self._remains(name)])
        others = self.hosts()
        for other in others:
            other.store_packages()
        host = Host(name, address(name, {other.address for other in others}), suite, self.place)
        host.make(self._image(suite))
        return host

    def _read(self, name: str) -> Host | None:
        """Return the host whose folder has a record."""
        with contextlib.suppress(OSError, ValueError):
            record = json.loads((self.place.hosts / name / "host.json").read_text(encoding="utf-8"))
            return Host(name, record["address"], record["suite"], self.place)
        return None

    def _remains(self, name: str) -> Host:
        """Return a host without a record: half made, or its record lost, and good for nothing but to be removed."""
        return Host(name, "", "", self.place)

    def _folders(self) -> list[str]:
        with contextlib.suppress(FileNotFoundError):
            return sorted(path.name for path in self.place.hosts.iterdir() if NAME.fullmatch(path.name))
        return []


def _remove(hosts: list[Host]) -> None:
    """End *hosts*, all at once, and remove them; the caller holds the lab's lock."""
    for host in hosts:
        processes.kill(host.root)
    for host in hosts:
        host.clear()
        if host.suite:
            host.store_packages()
        host.remove()
