# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`rollcall register` and who may do what: passwords, permissions, tokens and certificates on their bad days."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

from tests.support.certs import Authority, Pair
from tests.support.real_etcd import Cluster, Tls
from tests.support.registrant import KEYS, ROSTER, Registrant, raft_index, values, wait_for

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
        assert "Authentication is on: give user and password" in unprepared.wait_phase("refused")["message"]
        prepared.wait_phase("registered")
        prepared.wait_count("self_checks", 2)
        etcd.ctl("auth", "disable", user=ADMIN)
        unprepared.wait_phase("registered")
        for agent in (prepared, unprepared):
            agent.wait_count("self_checks", 2)
            agent.wait_count("keepalives", 1)
        assert [agent.status["lease"] for agent in (prepared, unprepared)] == leases
        assert [values(etcd, f"/infrastructure/web/{name}/")["ip"] for name in ("web1", "web2")] == ["10.0.0.5"] * 2


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
