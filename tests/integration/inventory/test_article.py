# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The article's own registration, run literally: article/*.service are its units, letter by letter.

sh runs their commands as systemd would. What is put in for the article's are the endpoint, the paths of the programs,
the name and the address of the host, and the values of TTL and DISCOVER_FILE.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.fixtures import programs_of
from tests.support.inventory import write_config
from tests.support.real_etcd import Cluster
from tests.support.waiting import wait_for

ADDRESS = "10.0.0.5"
HOSTNAME = "production-k8s-master"


class Unit:
    """One of the article's units on a host of its own, with etcdctl at hand as `ctl`."""

    def __init__(self, name: str, programs: Path, directory: Path, **environment: str) -> None:
        lines = (Path(__file__).parent / "article" / f"{name}.service").read_text().splitlines()
        settings = [line.partition("=")[::2] for line in lines if "=" in line]
        given = dict(shlex.split(value)[0].split("=", 1) for key, value in settings if key == "Environment")
        self._commands = [(key, value) for key, value in settings if key.startswith("Exec")]
        self._etcdctl = str(programs / "etcdctl")
        stub = directory / "hostname"
        stub.write_text(f"#!/bin/sh\necho {HOSTNAME}\n")
        stub.chmod(0o755)
        clean = {key: value for key, value in os.environ.items() if not key.startswith("ETCDCTL_")}
        self.environment = {**clean, **given, **environment, "PATH": f"{directory}:{os.environ['PATH']}"}

    def run(self, kind: str) -> None:
        """Run the commands of ExecStartPre, ExecStart or ExecStartPost, one after the other."""
        for command in self._of(kind):
            subprocess.run(command, env=self.environment, check=True, timeout=30, stdout=subprocess.DEVNULL)

    def start(self, kind: str) -> subprocess.Popen[str]:
        """Start the one command of a kind that goes on."""
        [command] = self._of(kind)
        return subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, text=True, start_new_session=True
        )

    def ctl(self, *arguments: str) -> str:
        """Run etcdctl as the unit does. Returns what it prints, nothing where it fails."""
        done = subprocess.run(
            [self._etcdctl, *arguments], env=self.environment, capture_output=True, text=True, check=False
        )
        return done.stdout

    def _of(self, kind: str) -> list[list[str]]:
        found = [value for key, value in self._commands if key == kind]
        for theirs, ours in (
            ("/usr/bin/etcdctl", self._etcdctl),
            ("/opt/bin/etcdctl-etcd3", self._etcdctl),
            ("$private_ipv4", ADDRESS),  # put in by cloud-config, before systemd sees the unit
        ):
            found = [value.replace(theirs, ours) for value in found]
        return [shlex.split(value) for value in found]


def listed(run, path):
    """The hosts of `ansible-inventory --list` with their addresses, and the groups of the roles."""
    found = run("ansible-inventory", "-i", path, "--list").inventory
    hosts = {name: variables["ansible_host"] for name, variables in found["_meta"]["hostvars"].items()}
    return hosts, sorted(group for group in found if group.startswith("role_"))


@pytest.fixture(scope="module")
def etcd_v2():
    """An etcd with the API of the article's first part. From 3.5 on no etcd can refresh the TTL of a directory."""
    with Cluster(programs_of("3.4"), flags=["--enable-v2=true"]) as cluster:
        yield cluster


def test_the_unit_for_v2_makes_a_host_until_its_ttl_has_passed(run, etcd_v2, tmp_path):
    [endpoint] = etcd_v2.endpoints
    unit = Unit("etcd-v2", programs_of("3.4"), tmp_path, ETCDCTL_ENDPOINT=endpoint, ETCDCTL_API="2")
    assert unit.environment["TTL"] == "121"
    path = write_config(tmp_path, endpoints=[endpoint], api="v2", allow_empty=True)
    unit.run("ExecStart")
    unit.run("ExecStartPost")
    assert listed(run, path) == ({HOSTNAME: ADDRESS}, ["role_k8s_master"])

    # As for spot instances: without updatedir the directory stays, as the history of a host that is gone.
    directory = f"/infrastructure/k8s-master/{HOSTNAME}"
    unit.environment["TTL"] = "1"
    unit.run("ExecStart")
    wait_for(lambda: not unit.ctl("get", f"{directory}/ip"), "etcd to delete the key")
    assert directory in unit.ctl("ls", "/infrastructure/k8s-master")
    assert listed(run, path) == ({}, [])

    unit.run("ExecStartPost")
    wait_for(lambda: not unit.ctl("ls", "/infrastructure/k8s-master"), "etcd to delete the directories")
    assert listed(run, path) == ({}, [])


def test_the_unit_for_v3_makes_a_host_for_as_long_as_its_keep_alive_runs(run, etcd, etcd_programs, tmp_path):
    lease = tmp_path / "discover_lease"
    unit = Unit(
        "etcd-v3", etcd_programs, tmp_path, ETCDCTL_ENDPOINTS=etcd.endpoints[0], DISCOVER_FILE=str(lease), TTL="4"
    )
    del unit.environment["ETCDCTL_ENDPOINT"]  # of v2: etcdctl's name for it in v3 is another one
    path = write_config(tmp_path, endpoints=etcd.endpoints, allow_empty=True)
    unit.run("ExecStartPre")
    keep_alive = unit.start("ExecStart")
    try:
        unit.run("ExecStartPost")
        for _keepalive in range(4):  # one each third of the TTL: it would have passed by now
            assert f"lease {lease.read_text().strip()} keepalived with TTL(4)" in keep_alive.stdout.readline()
        assert listed(run, path) == ({HOSTNAME: ADDRESS}, ["role_registry"])
    finally:
        os.killpg(keep_alive.pid, signal.SIGKILL)
        keep_alive.communicate()
    wait_for(lambda: not unit.ctl("get", "--prefix", "/infrastructure/"), "the lease to end")
    assert listed(run, path) == ({}, [])
