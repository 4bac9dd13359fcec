# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module maintenance, run in this process against the fake etcd."""

from __future__ import annotations

import getpass
import json
import time

import pytest

from tests.support.modules import Modules

KEPT = "/rollcall/infrastructure/maintenance/web/"


@pytest.fixture
def modules(fake_etcd, capsys, monkeypatch):
    monkeypatch.delenv("SUDO_USER", raising=False)
    for name in ("web1", "web2"):
        fake_etcd.put(f"/infrastructure/web/{name}/ip", f"10.0.0.{name[-1]}")
    return Modules(capsys, endpoints=[fake_etcd.endpoint])


def kept(fake_etcd):
    """What is said of each node."""
    return {key[len(KEPT) :]: json.loads(value) for key, value in fake_etcd.tree().items() if key.startswith(KEPT)}


def test_nodes_are_drained_in_one_task_and_put_back(modules, fake_etcd):
    result = modules.maintenance(nodes=["web1", "web/web2"], reason="disks", duration="2h")
    assert (result["changed"], [node["changed"] for node in result["nodes"]]) == (True, [True, True])
    said = kept(fake_etcd)["web1"]
    assert (said["by"], said["reason"]) == (getpass.getuser(), "disks")
    assert abs(said["until"] - time.time() - 7200) < 60
    assert result["nodes"][0] == {
        "name": "web1",
        "role": "web",
        "dc": "",
        "changed": True,
        "registered": True,
        "maintenance": said,
    }
    assert [node["maintenance"] for node in modules.node_info(maintenance=True)["nodes"]] == [said, said]

    revision = fake_etcd.revision
    again = modules.maintenance(nodes=["web1", "web/web2"], reason="disks", duration="2h", diff=True)
    assert (again["changed"], again["diff"], fake_etcd.revision) == (False, [], revision)

    back = modules.maintenance(nodes=["web1", "web2"], state="absent", diff=True)
    assert (back["changed"], kept(fake_etcd)) == (True, {})
    assert [(entry["before_header"], entry["after"]) for entry in back["diff"]] == [("web/web1", ""), ("web/web2", "")]
    assert not modules.maintenance(nodes=["web1", "web2"], state="absent")["changed"]


def test_check_mode_writes_nothing_and_tells_the_same(modules, fake_etcd):
    steps = [
        {"nodes": ["web1"], "until": str(int(time.time()) + 600)},
        {"nodes": ["web1"], "until": "never", "by": "ann"},
        {"nodes": ["web1"], "state": "absent"},
    ]
    for step in [*steps, steps[-1]]:
        revision = fake_etcd.revision
        would = modules.maintenance(**step, check=True, diff=True)
        assert fake_etcd.revision == revision
        does = modules.maintenance(**step, diff=True)
        assert would["changed"] == does["changed"]
        for ours, theirs in zip(would["diff"], does["diff"], strict=True):
            assert {**ours["after"], "since": 0} == {**theirs["after"], "since": 0} if ours["after"] else True


def test_a_node_that_is_away_can_be_named(modules, fake_etcd):
    result = modules.maintenance(name="web/web9")
    assert (result["changed"], result["nodes"][0]["registered"]) == (True, False)
    assert "web9" in kept(fake_etcd)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nodes": ["web1", "nobody"]}, "No node 'nobody' is registered"),
        ({"nodes": ["dc1/web/web1"]}, "expected the layout {role}/{name}, got 'dc1/web/web1'"),
        ({"nodes": ["web1"], "duration": "2"}, "duration: expected a value such as 30m"),
        ({"nodes": ["web1"], "until": "990"}, "time: expected a value"),
        ({"nodes": ["web1"], "until": "2020-01-01"}, "got one in the past"),
        ({"nodes": ["web1"], "duration": "53w"}, "is more than a year away"),
        ({"nodes": ["web1"], "until": "06:30", "duration": "2h"}, "mutually exclusive"),
        ({"nodes": ["web1"], "reason": "x" * 5000}, "more than the 4096 that a key may have"),
        ({}, "missing required arguments: nodes"),
    ],
)
def test_what_is_refused_changes_nothing(modules, fake_etcd, options, message):
    assert message in modules.maintenance(**options)["msg"]
    assert kept(fake_etcd) == {}


def test_a_name_that_nobody_has_is_out_of_maintenance_already(modules):
    result = modules.maintenance(nodes=["nobody", "web1"], state="absent")
    assert (result["changed"], [node["name"] for node in result["nodes"]]) == (False, ["web1"])


def test_a_reason_that_is_too_long_is_refused_in_check_mode_too(modules, fake_etcd):
    for check in (True, False):
        said = modules.maintenance(nodes=["web1"], reason="x" * 5000, check=check)
        assert "more than the 4096" in said["msg"]
    assert kept(fake_etcd) == {}
