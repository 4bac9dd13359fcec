# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host that registers with nothing but a shell and etcdctl: the very script of the role, on every etcd we support."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.fixtures import programs_of
from tests.support.real_etcd import Cluster
from tests.support.registrant import KEYS, leases, values, wait_for

SCRIPT = Path(__file__).resolve().parents[3] / "roles/register/files/etcdctl-register.sh"
TTL = 3
ADMIN = "root:r00t"


class Member:
    """The script as a host's service runs it."""

    def __init__(self, directory: Path, programs: Path, etcd: Cluster, **environment: str) -> None:
        self.directory = directory
        settings = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "ETCDCTL_ENDPOINTS": ",".join(etcd.endpoints),
            "ROLLCALL_PREFIX": "/infrastructure/",
            "ROLLCALL_ROLES": "web",
            "ROLLCALL_NAME": "web1",
            "ROLLCALL_ADDRESS": "10.0.0.5",
            "ROLLCALL_ROUTE": "8.8.8.8",
            "ROLLCALL_TTL": str(TTL),
            "ROLLCALL_LOOK": "1",
            "RUNTIME_DIRECTORY": str(directory),
            **environment,
        }
        self.environment = {name: value for name, value in settings.items() if value}  # as the role writes them
        self.log = directory / "log"
        self.start()

    def start(self) -> None:
        """Start the script, in a session of its own as systemd does."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                ["/bin/sh", str(SCRIPT)], stdout=log, stderr=log, env=self.environment, start_new_session=True
            )

    def kill(self) -> None:
        """Kill it with all its children, as a crash under systemd ends."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """What `systemctl stop` does; returns the exit status."""
        self.process.terminate()
        return self.process.wait(15)

    def story(self) -> str:
        """What it said."""
        return self.log.read_text()

    def wait_said(self, words: str) -> None:
        """Wait until it has said something."""
        wait_for(lambda: words in self.story(), f"{words!r}: {self.story()}")


@pytest.fixture(params=["3.4", "3.5", "3.6"])
def programs(request: pytest.FixtureRequest) -> Path:
    """etcd and etcdctl of one version."""
    return programs_of(request.param)


@pytest.fixture
def own_etcd(programs: Path) -> Iterator[Cluster]:
    """An etcd of that version, for this test alone."""
    with Cluster(programs) as cluster:
        yield cluster


@pytest.fixture
def member(tmp_path: Path) -> Iterator[Callable[..., Member]]:
    """Starts members; all are killed after the test."""
    made: list[Member] = []

    def make(programs: Path, etcd: Cluster, **environment: str) -> Member:
        directory = tmp_path / f"host{len(made)}"
        directory.mkdir()
        made.append(Member(directory, programs, etcd, **environment))
        return made[-1]

    yield make
    for one in made:
        if one.process.poll() is None:
            one.kill()


def test_a_lease_with_a_key_of_somebody_else_is_given_up_for_another(member: Callable[..., Member]) -> None:
    """On etcd 3.6: before, a transaction does not ask for permission to the other keys of a lease."""
    programs = programs_of("3.6")
    with Cluster(programs, flags=["--bcrypt-cost=4"]) as etcd:
        etcd.require_auth(root="r00t", web1="s3cret", evil="3v1l")
        etcd.permit("web1", KEYS)
        etcd.permit("evil", "/infrastructure/web/evil/")
        host = member(programs, etcd, ETCDCTL_USER="web1", ETCDCTL_PASSWORD="s3cret", ROLLCALL_TTL="10")
        host.wait_said("Registered: /infrastructure/web/web1/ip, address 10.0.0.5, lease ")
        (stolen,) = leases(etcd, user=ADMIN)
        etcd.ctl("del", "--prefix", KEYS, user=ADMIN)
        etcd.ctl("put", "/infrastructure/web/evil/x", "y", f"--lease={stolen}", user="evil:3v1l")
        wait_for(lambda: values(etcd, user=ADMIN) == {"ip": "10.0.0.5"}, f"the key to be back: {host.story()}", 30)
        assert leases(etcd, user=ADMIN).isdisjoint({stolen})


def test_it_registers_keeps_repairs_and_leaves(
    own_etcd: Cluster, programs: Path, member: Callable[..., Member]
) -> None:
    host = member(programs, own_etcd, ROLLCALL_ROLES="web api")
    host.wait_said("Registered: /infrastructure/web/web1/ip /infrastructure/api/web1/ip, address 10.0.0.5, lease ")
    (lease,) = leases(own_etcd, "/infrastructure/")
    assert values(own_etcd, "/infrastructure/") == {"web/web1/ip": "10.0.0.5", "api/web1/ip": "10.0.0.5"}

    own_etcd.ctl("del", KEYS + "ip")
    wait_for(lambda: values(own_etcd) == {"ip": "10.0.0.5"}, "the deleted key")
    assert leases(own_etcd, "/infrastructure/") == {lease}

    own_etcd.ctl("lease", "revoke", lease)
    wait_for(lambda: values(own_etcd) == {"ip": "10.0.0.5"}, "another lease")
    assert leases(own_etcd).isdisjoint({lease})

    begun = time.monotonic()
    assert host.stop() == 0
    assert values(own_etcd, "/infrastructure/") == {}
    assert time.monotonic() - begun < TTL, "it did not wait for the lease to end"
    assert own_etcd.ctl("lease", "list").split()[1] == "0"


def test_it_outlives_etcd(own_etcd: Cluster, programs: Path, member: Callable[..., Member]) -> None:
    host = member(programs, own_etcd)
    host.wait_said("Registered: ")
    (lease,) = leases(own_etcd)
    own_etcd.members[0].kill()
    own_etcd.mend()
    wait_for(lambda: host.process.poll() is None and leases(own_etcd) == {lease}, "the same lease after a short pause")

    own_etcd.members[0].kill()
    host.wait_said("Waiting: the lease is lost")
    own_etcd.mend()
    wait_for(lambda: values(own_etcd) == {"ip": "10.0.0.5"} and leases(own_etcd) != {lease}, "a new lease", 40)
    assert host.stop() == 0
    assert values(own_etcd) == {}


def test_stopping_while_etcd_is_away_ends_in_time(
    own_etcd: Cluster, programs: Path, member: Callable[..., Member]
) -> None:
    host = member(programs, own_etcd)
    host.wait_said("Registered: ")
    own_etcd.members[0].kill()
    assert host.stop() == 0
    assert f"Left: not deregistered, so the lease ends by itself within {TTL} s: " in host.story()


def test_a_killed_one_that_comes_back_is_no_event(
    etcd: Cluster, etcd_programs: Path, member: Callable[..., Member]
) -> None:
    host = member(etcd_programs, etcd)
    host.wait_said("Registered: ")
    before = etcd.ctl("get", KEYS + "ip", "-w", "json").split('"kvs"')[1]
    host.kill()
    host.log.unlink()
    host.start()
    host.wait_said("Registered: ")
    assert etcd.ctl("get", KEYS + "ip", "-w", "json").split('"kvs"')[1] == before


def test_a_rebooted_one_takes_its_name_back_at_once(
    etcd: Cluster, etcd_programs: Path, member: Callable[..., Member]
) -> None:
    host = member(etcd_programs, etcd, ROLLCALL_TTL="60")
    host.wait_said("Registered: ")
    (lease,) = leases(etcd)
    host.kill()
    (host.directory / "lease").unlink()  # /run is empty after a boot
    host.start()
    wait_for(lambda: leases(etcd) != {lease}, "its name under another lease")


def test_somebody_elses_name_is_left_alone(etcd: Cluster, etcd_programs: Path, member: Callable[..., Member]) -> None:
    etcd.ctl("put", "/infrastructure/api/web1/ip", "10.0.0.9")
    host = member(etcd_programs, etcd, ROLLCALL_ROLES="web api")
    host.wait_said('Duplicate: /infrastructure/api/web1/ip is held by "10.0.0.9" under lease 0')
    assert values(etcd) == {}
    etcd.ctl("del", "/infrastructure/api/web1/ip")
    wait_for(lambda: values(etcd) == {"ip": "10.0.0.5"}, "the name to be taken when it is free")


def count_leases(etcd: Cluster) -> int:
    return len(etcd.ctl("lease", "list").splitlines()) - 1  # the first line counts them


def test_no_lease_is_held_while_the_host_has_no_address(
    own_etcd: Cluster, programs: Path, member: Callable[..., Member], tmp_path: Path
) -> None:
    route, found = tmp_path / "ip", tmp_path / "found"
    route.write_text(f"#!/bin/sh\ncat {found}\n")
    route.chmod(0o755)
    path = f"{tmp_path}:{programs}:{os.environ['PATH']}"
    host = member(programs, own_etcd, ROLLCALL_ADDRESS="", ROLLCALL_TTL="60", PATH=path)
    host.wait_said("Waiting: no address for this host")
    assert count_leases(own_etcd) == 0
    found.write_text("8.8.8.8 via 10.0.0.1 dev eth0 src 10.0.0.7 uid 0\n")
    wait_for(lambda: values(own_etcd) == {"ip": "10.0.0.7"}, f"its address: {host.story()}", 30)
    assert count_leases(own_etcd) == 1


def test_no_lease_is_held_while_others_have_all_names(
    own_etcd: Cluster, programs: Path, member: Callable[..., Member]
) -> None:
    host = member(programs, own_etcd)
    host.wait_said("Registered: ")
    own_etcd.ctl("put", KEYS + "ip", "10.0.0.9")
    host.wait_said('Duplicate: /infrastructure/web/web1/ip is held by "10.0.0.9" under lease 0')
    wait_for(lambda: count_leases(own_etcd) == 0, "the lease to be revoked")
    host.kill()
    host.log.unlink()
    host.start()
    host.wait_said("Duplicate: ")
    assert count_leases(own_etcd) == 0
    own_etcd.ctl("del", KEYS + "ip")
    wait_for(lambda: values(own_etcd) == {"ip": "10.0.0.5"}, "the name when it is free", 30)


def test_other_names_are_kept_while_somebody_else_has_one(
    own_etcd: Cluster, programs: Path, member: Callable[..., Member]
) -> None:
    host = member(programs, own_etcd, ROLLCALL_ROLES="web api")
    host.wait_said("Registered: ")
    (lease,) = leases(own_etcd)
    own_etcd.ctl("put", "/infrastructure/api/web1/ip", "10.0.0.9")
    host.wait_said("Duplicate: ")
    host.kill()
    host.log.unlink()
    host.start()
    host.wait_said("Duplicate: ")
    end = time.monotonic() + 2 * TTL
    while time.monotonic() < end:
        assert leases(own_etcd) == {lease}
        time.sleep(0.2)


def test_the_address_and_the_name_are_the_hosts_own(
    etcd: Cluster, etcd_programs: Path, member: Callable[..., Member]
) -> None:
    member(etcd_programs, etcd, ROLLCALL_NAME="", ROLLCALL_ADDRESS="", ROLLCALL_ROUTE="127.0.0.1")
    name = os.uname().nodename.split(".")[0]
    wait_for(lambda: values(etcd, f"/infrastructure/web/{name}/") == {"ip": "127.0.0.1"}, "the host's own name")


def test_a_name_that_nobody_can_have_is_waited_out(
    etcd: Cluster, etcd_programs: Path, member: Callable[..., Member], tmp_path: Path
) -> None:
    """What a cloud's image calls itself before DHCP has named it, and what would split a key."""
    named = tmp_path / "hostname"
    named.write_text("localhost")
    uname = tmp_path / "uname"
    uname.write_text(f"#!/bin/sh\ncat {named}\n")
    uname.chmod(0o755)
    host = member(etcd_programs, etcd, ROLLCALL_NAME="", PATH=f"{tmp_path}:{etcd_programs}:{os.environ['PATH']}")
    host.wait_said('Waiting: the name "localhost" cannot be registered')
    named.write_text("we/b1")
    host.wait_said('Waiting: the name "we/b1" cannot be registered')
    assert values(etcd, "/infrastructure/") == {}
    named.write_text("web1.example.org")
    wait_for(lambda: values(etcd) == {"ip": "10.0.0.5"}, "the name that it has now", 30)
    assert host.stop() == 0
    assert values(etcd) == {}


def test_the_password_is_in_no_command_line(programs: Path, member: Callable[..., Member], tmp_path: Path) -> None:
    (tmp_path / "etcd-password").write_text("s3cret-of-web1")
    with Cluster(programs) as own:
        own.require_auth(root="r", web1="s3cret-of-web1")
        own.permit("web1", KEYS)
        host = member(programs, own, ETCDCTL_USER="web1", CREDENTIALS_DIRECTORY=str(tmp_path))
        host.wait_said("Registered: ")
        wait_for(lambda: any(b"keep-alive" in line for line in _command_lines(host)), "the keepalives")
        assert not any(b"s3cret" in line for line in _command_lines(host))
        assert "s3cret" not in host.story()
        assert host.stop() == 0
        assert values(own, user="root:r") == {}


def _command_lines(host: Member) -> list[bytes]:
    """Those of all processes of its session."""
    session = [path for path in Path("/proc").glob("[0-9]*") if _session(path) == host.process.pid]
    lines = []
    for path in session:
        with suppress(OSError):  # it has ended
            lines.append((path / "cmdline").read_bytes())
    return lines


def _session(process: Path) -> int:
    try:
        return os.getsid(int(process.name))
    except ProcessLookupError:
        return 0


def test_certificates_that_are_not_verified_are_told_of_once(
    own_etcd: Cluster, programs: Path, member: Callable[..., Member]
) -> None:
    host = member(programs, own_etcd, ETCDCTL_INSECURE_SKIP_TLS_VERIFY="true")
    host.wait_said("Registered: /infrastructure/web/web1/ip, address 10.0.0.5, lease ")
    assert host.story().count("Warning: validate_certs is false") == 1
