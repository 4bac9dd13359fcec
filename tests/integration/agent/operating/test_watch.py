# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`rollcall watch` as a process: with real agents, against a real etcd, in pipes."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command import Command
from tests.support.real_etcd import Cluster
from tests.support.registrant import PATIENCE, Registrant, Server, wait_for

Register = Callable[..., Registrant]


def test_watch_tells_who_joins_changes_leaves_and_is_lost(
    etcd: Cluster, rollcall: Command, agent: Registrant, register: Register, server: Server
) -> None:
    follower = rollcall.follow(f"--config={agent.config_file}")
    assert "following 1 nodes under /infrastructure/" in follower.notes
    others = [register(etcd, name=name, address=f"10.0.0.{number}") for number, name in ((6, "web2"), (7, "web3"))]
    for other in others:
        other.start()
        other.wait_phase("registered")
    follower.wait_for("joined   web/web2  10.0.0.6, passing, web:8080")
    follower.wait_for("joined   web/web3")
    server.close()
    follower.wait_for(r"changed  web/web1  health passing -> critical, check port passing -> critical \(.*refused\)")
    rollcall("maintenance", "on", f"--config={agent.config_file}", "--reason=disk", "--by=ann")
    follower.wait_for("changed  web/web1  maintenance: ann: disk")
    others[0].end()
    follower.wait_for("left     web/web2")
    others[1].end(signal.SIGKILL)
    follower.wait_for("lost     web/web3  10.0.0.7")
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  joined ", follower.lines[0])
    assert not [line for line in follower.lines if "lost     web/web2" in line or "left     web/web3" in line]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_watch_ends_when_it_is_told_to(
    etcd: Cluster, rollcall: Command, agent: Registrant, number: signal.Signals
) -> None:
    follower = rollcall.follow("--json", f"--endpoints={etcd.endpoints[0]}", "--role=web")
    etcd.put("/infrastructure/db/db1/ip", "10.0.0.9")
    etcd.put("/infrastructure/web/web9/ip", "10.0.0.9")
    event = json.loads(follower.wait_for("joined"))
    assert (event["event"], event["name"], event["node"]["address"]) == ("joined", "web9", "10.0.0.9")
    follower.process.send_signal(number)
    assert follower.process.wait(PATIENCE) == 0
    assert "Traceback" not in follower.notes
    assert len(follower.lines) == 1, "the database is not of this role"


def test_watch_ends_when_nobody_reads(etcd: Cluster, rollcall: Command, agent: Registrant, tmp_path: Path) -> None:
    program = f"{sys.executable} -B -m rollcall._agent.cli watch --config={agent.config_file}"
    line = f"{program} 2>{tmp_path}/notes | head -n 1; echo ${{PIPESTATUS[@]}}"
    with subprocess.Popen(["bash", "-c", line], env=rollcall.environment, stdout=subprocess.PIPE, text=True) as shell:
        notes = tmp_path / "notes"
        wait_for(lambda: notes.exists() and "following" in notes.read_text(), "the watch to begin")
        etcd.put("/infrastructure/web/web9/ip", "10.0.0.9")
        said, _nothing = shell.communicate(timeout=PATIENCE)
    assert said.splitlines()[0].endswith("joined   web/web9  10.0.0.9, passing")
    assert said.splitlines()[1] == "0 0"
    assert "Traceback" not in (tmp_path / "notes").read_text()
    listed = f"{program.replace(' watch ', ' nodes ')} | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", listed], env=rollcall.environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() in ("0", "141")
    assert done.stderr == ""


def test_watch_survives_an_etcd_that_is_away_and_compacts(
    etcd: Cluster, rollcall: Command, agent: Registrant, register: Register
) -> None:
    other = register(etcd, name="web2", address="10.0.0.6")
    other.start()
    other.wait_phase("registered")
    follower = rollcall.follow(f"--config={agent.config_file}")
    etcd.members[0].kill()
    wait_for(lambda: "cut off from etcd, trying again" in follower.notes, "it to be told")
    other.end(signal.SIGKILL)
    etcd.members[0].start()
    etcd.wait_healthy()
    follower.wait_for("lost     web/web2", within=30)
    revision = json.loads(etcd.ctl("get", "/", "-w", "json"))["header"]["revision"]
    etcd.ctl("compact", str(revision))
    etcd.put("/infrastructure/web/web9/ip", "10.0.0.9")
    follower.wait_for("joined   web/web9")
    assert "following etcd at" in follower.notes


def test_watch_survives_a_member_that_dies(etcd_cluster: Cluster, rollcall: Command) -> None:
    follower = rollcall.follow(f"--endpoints={','.join(etcd_cluster.endpoints)}")
    etcd_cluster.leader.kill()

    def written() -> bool:
        try:
            etcd_cluster.put("/infrastructure/web/web9/ip", "10.0.0.9")
        except AssertionError:  # etcd timed out
            return False
        return True

    wait_for(written, "a new leader", within=30)
    follower.wait_for("joined   web/web9", within=30)
