# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of what systemd and the kernel know, by the hardened unit, on real hosts of both Debians."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab import Host, Lab
from tests.support.installed import Installed
from tests.support.waiting import wait_for
from tests.tools.etcd_archive import demo_options

pytestmark = pytest.mark.e2e

SERVED = """[Service]
ExecStart=/usr/local/bin/served infinity
"""
QUICK = {"interval": 1, "timeout": 10, "rise": 1, "fall": 1}
CHECKS: dict[str, dict[str, Any]] = {
    "unit": {**QUICK, "type": "systemd", "unit": "served"},
    "process": {**QUICK, "type": "process", "process": "served"},
    "script": {**QUICK, "type": "script", "command": "id -u; nice -n 5 true; ! touch /etc/touched 2>/dev/null"},
    "beat": {**QUICK, "type": "ttl", "file": "/var/lib/beat", "ttl": 3600},
}


@pytest.fixture(scope="module", params=["trixie", "bookworm"])
def host(
    request: pytest.FixtureRequest, lab: Lab, installed: Installed, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Host]:
    """A host that is its own etcd, serves something, and has all of these checks."""
    name = f"checks-{request.param[:4]}"
    (host,) = lab.create([name], suite=request.param)
    try:
        host.exec("cp /usr/bin/sleep /usr/local/bin/served && echo 'passing: done' > /var/lib/beat")
        host.exec(f"printf '{SERVED}' > /etc/systemd/system/served.service && systemctl start served")
        folder = tmp_path_factory.mktemp(request.param)
        _play(lab, installed, folder, host)
        yield host
    finally:
        lab.destroy([name])


def _play(lab: Lab, installed: Installed, folder: Path, host: Host) -> None:
    settings = {
        **lab.inventory()["all"]["vars"],
        **demo_options()[0],
        "rollcall_etcd_endpoints": [f"https://{host.address}:2379"],
        "register_checks": CHECKS,
        "register_writes": {"dwell": 0, "burst": 100},
    }
    groups = {"etcd": {"hosts": {host.name: {"ansible_host": host.address}}}}
    (folder / "hosts.json").write_text(json.dumps({"all": {"vars": settings, "children": groups}}))
    installed.play("rollcall.discovery.site", inventory=folder / "hosts.json")


def told(host: Host) -> dict[str, tuple[str, str]]:
    """Status and output of each check."""
    checks = json.loads(host.exec("cat /run/rollcall/status.json").stdout)["checks"]
    return {name: (check["status"], check["output"]) for name, check in checks.items()}


def test_the_hardened_unit_sees_what_it_must(host: Host) -> None:
    wait_for(lambda: {status for status, _output in told(host).values()} == {"passing"}, f"all: {told(host)}", 30)
    assert told(host)["unit"][1] == "served.service is active (running)"
    assert told(host)["script"][1].startswith("0"), "as root"
    assert told(host)["beat"][1] == "passing: done"

    host.exec("systemctl kill -s KILL served")
    wait_for(lambda: told(host)["unit"] == ("critical", "served.service is failed (failed)"), "the unit", 10)
    wait_for(lambda: told(host)["process"] == ("critical", "served does not run"), "the process", 10)
    host.exec("systemctl start served")
    wait_for(lambda: {status for status, _output in told(host).values()} == {"passing"}, "all to pass again", 30)


def test_the_unit_stays_hardened(host: Host) -> None:
    said = host.exec("systemd-analyze security --no-pager rollcall-register.service").stdout
    found = re.search(r"Overall exposure level for rollcall-register.service: ([0-9.]+)", said)
    assert found, said
    assert float(found[1]) <= 2.0
