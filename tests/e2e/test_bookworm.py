# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The main job on Debian 12: Python 3.11, etcd 3.4, HAProxy 2.6, systemd 252."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import yaml

from tests.lab import Lab
from tests.support.installed import PROVISIONING, Installed
from tests.support.traffic import Traffic
from tests.support.waiting import wait_for

pytestmark = pytest.mark.e2e

NAMES = ("old-etcd1", "old-web1", "old-lb1")


def test_the_whole_on_debian_12(lab: Lab, installed: Installed, tmp_path: Path) -> None:
    etcd, web, lb = lab.create(NAMES, suite="bookworm")
    try:
        variables = {
            path.stem: yaml.safe_load(path.read_text()) for path in (PROVISIONING.parent / "group_vars").iterdir()
        }
        children = {
            role: {"hosts": {host.name: {"ansible_host": host.address}}, "vars": variables.get(role, {})}
            for role, host in (("etcd", etcd), ("web", web), ("lb", lb))
        }
        children["etcd"]["vars"] = {"etcd_allow_vulnerable": True}  # Debian's etcd, which the demo no longer runs
        common = {**lab.inventory()["all"]["vars"], "rollcall_etcd_endpoints": [f"https://{etcd.address}:2379"]}
        inventory = tmp_path / "hosts.json"
        inventory.write_text(json.dumps({"all": {"vars": common, "children": children}}))
        for playbook in ("demo", "site"):
            installed.play(f"rollcall.discovery.{playbook}", inventory=inventory)
        with Traffic(lb.address) as traffic:
            wait_for(lambda: traffic.answered_by("old-web1", 0), "an answer of the web host", 20)
            began = time.time()
            web.exec("systemctl restart rollcall-register")
            lb.exec("systemctl restart rollcall-render")
            wait_for(lambda: len(traffic.since(began)) > 40, "requests", 20)
            assert traffic.failures(began) == []
        assert etcd.exec("etcd --version").stdout.startswith("etcd Version: 3.4.")
        assert installed.play("rollcall.discovery.site", inventory=inventory).total("changed") == 0
    finally:
        lab.destroy(NAMES)
