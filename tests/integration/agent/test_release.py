# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A process stays with the release that it was started from, whatever is installed meanwhile."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

from tests.support.real_etcd import Cluster
from tests.support.registrant import Registrant, Server, values, wait_for

Register = Callable[..., Registrant]


def test_an_agent_neither_imports_nor_reports_the_release_that_is_installed_meanwhile(
    etcd: Cluster, register: Register, package: Path, tmp_path: Path, server: Server
) -> None:
    server.open()
    releases = tmp_path / "releases"
    for name in ("former", "new"):
        shutil.copytree(package, releases / name)
        (releases / name / "VERSION").write_text(json.dumps({"version": f"of the {name} release", "digest": "x"}))
    for module in (releases / "new").rglob("*.py"):
        module.write_text("raise ImportError('code of another release')\n")
    current = releases / "current"
    current.symlink_to("former")

    agent = register(etcd)
    agent._environment["PYTHONPATH"] = str(current)
    agent.start()
    agent.wait_phase("registered")
    current.unlink()
    current.symlink_to("new")
    agent.configure(
        checks={"port": {"type": "tcp", "port": server.port, "interval": 0.2}}, metrics_file=str(tmp_path / "m.prom")
    )
    agent.send(signal.SIGHUP)
    wait_for(lambda: "checks/port" in values(etcd), f"a check of a type that was not imported before: {agent.story()}")
    wait_for((tmp_path / "m.prom").exists, "the metrics, which were not imported before")
    assert agent.status["version"] == json.loads(values(etcd)["node"])["agent"] == "of the former release"
    shutil.rmtree(releases / "former")
    agent.configure(checks={"unit": {"type": "systemd", "unit": "x.service"}})
    agent.send(signal.SIGHUP)
    wait_for(lambda: "Going on with the configuration in use" in agent.story(), "the import to fail")
    agent.wait_count("keepalives", 1)
    assert agent.status["version"] == "of the former release"
