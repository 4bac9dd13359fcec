# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`rollcall register` and who may do what: passwords, permissions, tokens and certificates on their bad days."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.certs import Authority, Pair
from tests.support.fixtures import programs_of
from tests.support.real_etcd import Cluster, Tls
from tests.support.registrant import KEYS, ROSTER, Registrant, another_host, raft_index, values, wait_for

Register = Callable[..., Registrant]

ADMIN = "root:r00t"


def permit(etcd: Cluster) -> None:
    """Let web1 do what the agent of web1 does."""
    etcd.permit("web1", KEYS)
    etcd.ctl("role", "grant-permission", "web1", "readwrite", ROSTER, user=ADMIN)


def test_permissions_passwords_and_no_secret_in_any_output(
    etcd_programs: Path, register: Register, tmp_path: Path
) -> None:
    with Cluster(etcd_programs, flags=["--bcrypt-cost=4"]) as etcd:
        etcd.require_auth(root="r00t", web1="s3cret")
        password = tmp_path / "password"
        password.write_text("wr0ng\n")
        settings = {"endpoints": etcd.endpoints, "user": "web1", "password_file": str(password)}
        agent = register(etcd)
        agent.configure(etcd=settings)
        agent.start()
        assert "Check user and password" in agent.wait_phase("refused")["message"]

        password.write_text("s3cret\n")
        agent.send(signal.SIGHUP)
        wait_for(lambda: "permission denied" in agent.status["message"], "the next refusal")
        assert agent.status["phase"] == "refused"
        assert "Reading the keys of web/web1" in agent.status["message"]

        permit(etcd)
        agent.wait_phase("registered", within=30)
        assert values(etcd, user=ADMIN)["ip"] == "10.0.0.5"
        attempts = agent.status["counts"]["failures"]
        assert attempts <= 8, f"{attempts} attempts: a refusal is not asked for again and again"
        etcd.ctl("user", "add", "other:x", user=ADMIN)  # any change of auth makes tokens old
        agent.wait_count("self_checks", 2)
        assert agent.status["counts"]["leases_lost"] == 0
        assert agent.end() == 0
        assert values(etcd, user=ADMIN) == {}
        written = agent.story() + "".join(path.read_text() for path in agent.run_directory.iterdir())
        assert "s3cret" not in written
        assert "wr0ng" not in written


def test_a_token_that_expires_is_renewed_and_the_lease_stays(etcd_programs: Path, register: Register) -> None:
    # A simple token lives on when it is used, so it must be idle between two keepalives.
    with Cluster(etcd_programs, flags=["--bcrypt-cost=4", "--auth-token-ttl=1"]) as etcd:
        etcd.require_auth(root="r00t", web1="s3cret")
        permit(etcd)
        agent = register(etcd, ttl=6, self_check=4)
        agent.configure(etcd={"endpoints": etcd.endpoints, "user": "web1", "password": "s3cret"})
        agent.start()
        agent.wait_phase("registered")
        before = raft_index(etcd)
        agent.wait_count("self_checks", 2, within=30)
        assert raft_index(etcd) > before, "authenticating is all that is written down"
        counts = agent.status["counts"]
        assert (counts["leases_lost"], counts["failures"]) == (0, 0)


def test_authentication_is_switched_on_and_off_under_running_agents(etcd_programs: Path, register: Register) -> None:
    with Cluster(etcd_programs, flags=["--bcrypt-cost=4"]) as etcd:
        prepared, unprepared = register(etcd), register(etcd, name="web2")
        prepared.configure(etcd={"endpoints": etcd.endpoints, "user": "web1", "password": "s3cret"})
        for agent in (prepared, unprepared):
            agent.start()
        leases = [agent.wait_phase("registered")["lease"] for agent in (prepared, unprepared)]
        etcd.require_auth(root="r00t", web1="s3cret")
        permit(etcd)
        assert "Authentication is enabled: set user and password" in unprepared.wait_phase("refused")["message"]
        prepared.wait_phase("registered")
        prepared.wait_count("self_checks", 2)
        etcd.ctl("auth", "disable", user=ADMIN)
        unprepared.wait_phase("registered")
        for agent in (prepared, unprepared):
            agent.wait_count("self_checks", 2)
            agent.wait_count("keepalives", 1)
        assert [agent.status["lease"] for agent in (prepared, unprepared)] == leases
        assert [values(etcd, f"/infrastructure/web/{name}/")["ip"] for name in ("web1", "web2")] == ["10.0.0.5"] * 2


def attach(etcd: Cluster, lease: str) -> None:
    """Put a key of somebody else's on a lease, as every user of etcd may where it holds nothing that is not theirs."""
    etcd.ctl("put", "/infrastructure/web/evil/x", "y", f"--lease={lease}", user="evil:3v1l")


@pytest.fixture
def shared() -> Iterator[Cluster]:
    """A cluster with users for web1 and for evil, which may write keys of its own only.

    Of etcd 3.6: before, a transaction does not ask for permission to the other keys of a lease.
    """
    with Cluster(programs_of("3.6"), flags=["--bcrypt-cost=4"]) as etcd:
        etcd.require_auth(root="r00t", web1="s3cret", evil="3v1l")
        permit(etcd)
        etcd.permit("evil", "/infrastructure/web/evil/")
        yield etcd


def as_web1(etcd: Cluster) -> dict[str, object]:
    return {"endpoints": etcd.endpoints, "user": "web1", "password": "s3cret"}


def test_a_lease_with_a_key_of_somebody_else_is_given_up_for_another(shared: Cluster, register: Register) -> None:
    agent = register(shared, ttl=10, self_check=2)
    agent.configure(etcd=as_web1(shared))
    agent.start()
    stolen = agent.wait_phase("registered")["lease"]
    shared.ctl("del", "--prefix", KEYS, user=ADMIN)
    attach(shared, stolen)
    wait_for(lambda: values(shared, user=ADMIN).get("ip") == "10.0.0.5", "the keys to be back")
    wait_for(lambda: agent.status["lease"] not in ("", stolen), "another lease")
    assert agent.status["phase"] == "registered"
    assert f"since lease {stolen} cannot be written under any more" in agent.story()
    agent.wait_count("keepalives", 2)
    assert agent.end() == 0
    assert values(shared, user=ADMIN) == {}


def test_a_host_that_boots_has_no_lease_before_it_can_claim_its_name(
    shared: Cluster, register: Register, tmp_path: Path
) -> None:
    """While it watches the lease of its former boot, it holds none that somebody else could spoil."""
    boot = "11111111-1111-1111-1111-111111111111"
    machine = tmp_path / "machine"
    within = another_host(machine, boot_id=boot)
    first = register(shared, within=within, ttl=12)
    first.configure(etcd=as_web1(shared))
    first.start()
    former = first.wait_phase("registered")["lease"]
    first.end(signal.SIGKILL)
    (machine / "boot_id").write_text(boot.replace("1", "2"))
    second = register(shared, within=another_host(machine, boot_id=boot.replace("1", "2")), ttl=12)
    second.configure(etcd=as_web1(shared))
    second.start()
    wait_for(lambda: "watching its lease" in second.status.get("message", ""), "the former lease to be watched")
    deadline = time.monotonic() + 30
    while second.status["phase"] != "registered":
        assert second.alive and time.monotonic() < deadline, second.story()
        held = shared.ctl("lease", "list", user=ADMIN).split()[3:]
        spoilt = [lease for lease in held if lease != former and not keys_of(shared, lease)]
        for lease in spoilt:
            attach(shared, lease)
        time.sleep(0.05)
    assert values(shared, user=ADMIN)["ip"] == "10.0.0.5"


def keys_of(etcd: Cluster, lease: str) -> list[str]:
    """The keys that a lease holds."""
    status = json.loads(etcd.ctl("lease", "timetolive", lease, "--keys", "-w", "json", user=ADMIN))
    return status.get("keys") or []


def test_certificates_are_rotated_under_a_running_agent(
    etcd_programs: Path, register: Register, tmp_path: Path
) -> None:
    """Of another CA even: whoever still showed or trusted the old ones would be turned away."""
    files = [tmp_path / name for name in ("ca.crt", "server.crt", "server.key", "client.crt", "client.key")]
    ca_cert, server, client = files[0], Pair(*files[1:3]), Pair(*files[3:])

    def issue(name: str) -> None:
        authority = Authority(tmp_path / name)
        for made, file in zip((authority.ca_cert, *authority.server(), *authority.client()), files, strict=True):
            shutil.copy(made, file)

    issue("first")
    with Cluster(etcd_programs, tls=Tls(ca_cert, server, client)) as etcd:
        settings = {"ca_cert": str(ca_cert), "client_cert": str(client.cert), "client_key": str(client.key)}
        agent = register(etcd, ttl=9)
        agent.configure(etcd={"endpoints": etcd.endpoints, **settings})
        agent.start()
        lease = agent.wait_phase("registered")["lease"]
        etcd.members[0].kill()
        issue("second")
        etcd.members[0].start()
        etcd.wait_healthy()
        agent.wait_count("keepalives", 2, within=30)
        assert agent.wait_phase("registered")["lease"] == lease
        assert agent.status["counts"]["leases_lost"] == 0
