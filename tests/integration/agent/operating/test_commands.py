# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operator's commands as processes: with real agents, against a real etcd, in pipes and on a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.command import Command
from tests.support.real_etcd import Cluster
from tests.support.registrant import PATIENCE, Registrant, Server, values, wait_for

Register = Callable[..., Registrant]

KEPT = "/rollcall/infrastructure/maintenance/web/"


def status_of(rollcall: Command, agent: Registrant) -> tuple[int, str]:
    """The exit status of `rollcall status`, and the first line."""
    done = rollcall("status", "--run-dir", str(agent.run_directory))
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()[0]


def wait_status(rollcall: Command, agent: Registrant, code: int) -> str:
    """Wait for an exit status; returns the first line."""
    seen = [(-1, "")]

    def reached() -> bool:
        seen.append(status_of(rollcall, agent))
        return seen[-1][0] == code

    wait_for(reached, f"exit status {code}: {agent.story()}")
    return seen[-1][1]


def test_status_follows_the_health_and_the_lease(
    etcd: Cluster, rollcall: Command, agent: Registrant, server: Server
) -> None:
    assert wait_status(rollcall, agent, 0) == "OK: registered as web/web1, health passing"
    server.close()
    assert wait_status(rollcall, agent, 2) == "CRITICAL: registered as web/web1, health critical"
    server.open()
    wait_status(rollcall, agent, 0)
    agent.send(signal.SIGSTOP)
    assert "the agent does nothing: it hangs" in wait_status(rollcall, agent, 2)
    agent.send(signal.SIGCONT)
    wait_status(rollcall, agent, 0)


def test_status_when_etcd_is_away_for_less_and_for_more_than_the_lease(
    etcd: Cluster, rollcall: Command, register: Register
) -> None:
    agent = register(etcd, ttl=8)
    agent.start()
    agent.wait_phase("registered")
    etcd.members[0].kill()
    assert wait_status(rollcall, agent, 1).startswith("WARNING: waiting, the lease of web/web1 has ")
    assert "not registered, waiting" in wait_status(rollcall, agent, 2)
    etcd.members[0].start()
    etcd.wait_healthy()
    wait_status(rollcall, agent, 0)
    told = rollcall("status", "--run-dir", str(agent.run_directory)).stdout
    assert "Last errors:" in told
    assert "connection refused" in told


def test_status_of_a_duplicate_of_one_that_left_and_of_one_that_was_killed(
    etcd: Cluster, rollcall: Command, agent: Registrant, register: Register
) -> None:
    etcd.ctl(
        "put", "/infrastructure/web/taken/ip", "10.0.0.9", f"--lease={etcd.ctl('lease', 'grant', '600').split()[1]}"
    )
    twin = register(etcd, name="taken")
    twin.start()
    twin.wait_phase("duplicate")
    assert status_of(rollcall, twin)[0] == 2
    assert (
        "not registered, duplicate: web/taken is already registered by another holder" in status_of(rollcall, twin)[1]
    )
    twin.end(signal.SIGKILL)
    assert status_of(rollcall, twin)[0] == 3
    agent.end()
    assert "no agent runs: it left" in wait_status(rollcall, agent, 3)
    done = rollcall("status", "--json", "--run-dir", str(agent.run_directory))
    assert (done.returncode, json.loads(done.stdout)["status"]["phase"]) == (3, "left")


def test_the_readme_tells_of_every_field_of_the_status(agent: Registrant) -> None:
    readme = (Path(__file__).parents[4] / "roles/register/README.md").read_text()
    rows = readme.partition("| field | what it is |\n")[2].partition("\n\n")[0].splitlines()[1:]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])} == agent.status.keys()


def test_the_status_has_the_version_of_etcd(etcd: Cluster, agent: Registrant) -> None:
    assert (agent.status["etcd_version"], agent.status["etcd_user"]) == (etcd.version, "")


def test_changes_that_nobody_is_told_of_are_counted(
    etcd: Cluster, rollcall: Command, register: Register, server: Server
) -> None:
    check = server.check(interval=0.1, rise=1, fall=1)
    agent = register(etcd, writes={"dwell": 60}, checks={"port": check})
    server.open()
    agent.start()
    wait_status(rollcall, agent, 0)

    def suppressed() -> bool:
        server.close()
        time.sleep(0.3)  # a few looks of the check: nobody can see what it makes of them
        server.open()
        time.sleep(0.3)
        return bool(agent.status["counts"]["writes_suppressed"])

    wait_for(suppressed, "a change that was held back until the next came")
    assert values(etcd)["health"] == "passing"
    assert ", suppressed 0" not in rollcall("status", "--run-dir", str(agent.run_directory)).stdout


def test_metrics_are_written_beside_the_status(agent: Registrant, tmp_path: Path) -> None:
    file = tmp_path / "rollcall.prom"
    agent.wait_count("keepalives", 2)
    text = file.read_text()
    assert 'rollcall_phase{phase="registered"} 1\n' in text
    assert 'rollcall_check{check="port",service="web",status="passing"} 1\n' in text
    renewed = re.search(r"rollcall_lease_renewed_timestamp_seconds (\d+)\n", text)
    assert renewed
    assert abs(int(renewed[1]) - time.time()) < 10
    agent.end()
    assert [path.name for path in tmp_path.glob("rollcall.prom*")] == ["rollcall.prom"]
    assert 'rollcall_phase{phase="left"} 1\n' in file.read_text()


def test_nodes_lists_everyone_and_filters(etcd: Cluster, rollcall: Command, agent: Registrant) -> None:
    lease = etcd.ctl("lease", "grant", "600").split()[1]
    etcd.ctl("put", "/infrastructure/db/db1/ip", "10.0.0.9", f"--lease={lease}")
    etcd.ctl("put", "/infrastructure/db/bad/ip", "here", f"--lease={lease}")
    config = f"--config={agent.config_file}"
    done = rollcall("nodes", config)
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "NAME  ROLE  ADDRESS   HEALTH   SERVICES",
        "db1   db    10.0.0.9  passing  -",
        "web1  web   10.0.0.5  passing  web:8080",
    ]
    assert "rollcall: rejected: 'db/bad': the address 'here' is not an IP address" in done.stderr
    named = rollcall("nodes", "--json", "--role=db", "--health=passing", ETCDCTL_ENDPOINTS=etcd.endpoints[0])
    assert [node["name"] for node in json.loads(named.stdout)] == ["db1"]
    nobody = rollcall("nodes", config, "--tag=none")
    assert (nobody.returncode, nobody.stdout) == (0, "")
    assert "no node of the 2 under /infrastructure/ matches the filters" in nobody.stderr
    empty = rollcall("nodes", config, "--prefix=/staging")
    assert (empty.returncode, empty.stdout) == (0, "")
    assert "no node is registered under /staging/ (etcd at http://127.0.0.1:" in empty.stderr


def test_nodes_that_left_or_were_lost_are_listed_where_that_is_wanted(
    etcd: Cluster, rollcall: Command, agent: Registrant
) -> None:
    entry = {"state": "joined", "first_seen": 1, "changed": 2, "address": "10.0.0.9"}
    etcd.ctl("put", "/rollcall/infrastructure/roster/web/web0", json.dumps(entry))
    agent.end()
    done = rollcall("nodes", f"--config={agent.config_file}", "--all")
    assert done.stdout.splitlines() == [
        "NAME  ROLE  ADDRESS   HEALTH",
        "web0  web   10.0.0.9  lost",
        "web1  web   10.0.0.5  left",
    ]
    assert rollcall("nodes", f"--config={agent.config_file}").stdout == ""


def test_a_terminal_gets_colours_and_a_pipe_does_not(etcd: Cluster, rollcall: Command, agent: Registrant) -> None:
    def on_a_terminal(**environment: str) -> str:
        ours, theirs = pty.openpty()
        command = [sys.executable, "-B", "-m", "rollcall._agent.cli", "nodes", f"--config={agent.config_file}"]
        env = {**rollcall.environment, "TERM": "xterm", **environment}
        with subprocess.Popen(command, env=env, stdin=theirs, stdout=theirs, stderr=theirs) as process:
            os.close(theirs)
            said = b""
            while True:
                try:
                    said += os.read(ours, 4096)
                except OSError:  # Linux says so when the other side is closed
                    break
            assert process.wait(PATIENCE) == 0
        os.close(ours)
        return said.decode()

    assert "\033[32mpassing\033[0m" in on_a_terminal()
    assert "\033" not in on_a_terminal(NO_COLOR="1")
    assert "\033" not in rollcall("nodes", f"--config={agent.config_file}").stdout


def test_maintenance_drains_survives_a_new_lease_and_ends(etcd: Cluster, rollcall: Command, agent: Registrant) -> None:
    config = f"--config={agent.config_file}"
    begun = rollcall("maintenance", "on", config, "--reason=new disk", "--for=2h", SUDO_USER="ann")
    assert begun.returncode == 0, begun.stderr
    assert re.fullmatch(r"web/web1 is in maintenance: ann: new disk \(until .*\)\n", begun.stdout)
    said = json.loads(values(etcd, KEPT)["web1"])
    assert (said["by"], said["reason"], said["until"] - said["since"]) == ("ann", "new disk", 7200)
    wait_for(lambda: (agent.status.get("maintenance") or {}).get("by") == "ann", "the agent to see it")
    assert status_of(rollcall, agent) == (0, "OK: registered as web/web1, health passing, in maintenance")

    agent.end()  # as at a reboot
    agent.start()
    agent.wait_phase("registered")
    drained = rollcall("nodes", config, "--maintenance")
    assert "MAINTENANCE" in drained.stdout
    assert "ann: new disk (until " in drained.stdout
    assert rollcall("nodes", config, "--no-maintenance").stdout == ""

    ended = rollcall("maintenance", "off", config)
    assert (ended.returncode, ended.stdout) == (0, "web/web1 is back in service\n")
    assert rollcall("maintenance", "off", config).stdout == "web/web1 is not in maintenance\n"
    assert values(etcd, KEPT) == {}
    other = rollcall("maintenance", "on", config, "--node=web/web9", "--until=never")
    assert "web/web9 is not registered. It will be in maintenance when it registers" in other.stderr
    refused = rollcall("maintenance", "on", config, "--until=2020-01-01")
    assert (refused.returncode, "expected a time within the next year" in refused.stderr) == (1, True)


def test_maintenance_that_is_over_counts_as_none_and_the_agent_deletes_it(
    etcd: Cluster, rollcall: Command, register: Register
) -> None:
    agent = register(etcd, self_check=0.5)
    agent.start()
    agent.wait_phase("registered")
    etcd.ctl("put", KEPT + "web2", json.dumps({"by": "ann", "until": int(time.time()) - 1}))
    etcd.put("/infrastructure/web/web2/ip", "10.0.0.6")
    assert rollcall("nodes", f"--config={agent.config_file}", "--maintenance").stdout == ""
    begun = rollcall("maintenance", "on", f"--config={agent.config_file}", "--for=2s")
    assert begun.returncode == 0, begun.stderr
    wait_for(lambda: "web1" not in values(etcd, KEPT), "the agent to delete its own key")
    assert "web2" in values(etcd, KEPT), "which is not for another node to delete"
    wait_for(lambda: agent.status["maintenance"] is None, "the agent to see that")


def test_a_nodes_own_user_may_drain_itself_and_is_told_why_it_sees_nobody_else(
    etcd_programs: Path, rollcall: Command, register: Register, tmp_path: Path
) -> None:
    with Cluster(etcd_programs, flags=["--bcrypt-cost=4"]) as etcd:
        etcd.require_auth(root="r00t", web1="s3cret")
        admin = "root:r00t"
        for key, prefix in (
            ("/infrastructure/web/web1/", "true"),
            ("/rollcall/infrastructure/roster/web/web1", "false"),
            (KEPT + "web1", "false"),
        ):
            etcd.ctl("role", "grant-permission", "web1", f"--prefix={prefix}", "readwrite", key, user=admin)
        password = tmp_path / "password"
        password.write_text("s3cret\n")
        agent = register(etcd, self_check=0.5)
        agent.configure(etcd={"endpoints": etcd.endpoints, "user": "web1", "password_file": str(password)})
        agent.start()
        agent.wait_phase("registered")
        config = f"--config={agent.config_file}"
        assert rollcall("maintenance", "on", config, "--for=2s").returncode == 0
        assert "web1" in values(etcd, KEPT, user=admin)
        wait_for(lambda: not values(etcd, KEPT, user=admin), "the agent to delete it when it is over")
        for command in ("nodes", "watch"):
            refused = rollcall(command, config)
            assert refused.returncode == 1
            assert "permission denied" in refused.stderr
            assert f"The user web1 of {agent.config_file} may not do that" in refused.stderr
            assert "Say --user NAME" in refused.stderr
            assert "s3cret" not in refused.stderr
        as_root = rollcall("nodes", config, ETCDCTL_USER="root", ETCDCTL_PASSWORD="r00t")
        assert "web1" in as_root.stdout
        assert rollcall("status", "--run-dir", str(agent.run_directory)).returncode == 0


def test_every_command_runs_on_the_oldest_and_the_newest_python(
    etcd: Cluster, rollcall_of_other_python: Command, agent: Registrant
) -> None:
    rollcall, config = rollcall_of_other_python, f"--config={agent.config_file}"
    follower = rollcall.follow(config)
    assert wait_status(rollcall, agent, 0) == "OK: registered as web/web1, health passing"
    begun = rollcall("maintenance", "on", config, "--until=06:30", "--by=ann")
    assert (begun.returncode, begun.stderr) == (0, "")
    follower.wait_for("changed  web/web1  maintenance: ann")
    listed = rollcall("nodes", config, "--all", "--maintenance")
    assert (listed.returncode, listed.stderr, "web1" in listed.stdout) == (0, "", True)
