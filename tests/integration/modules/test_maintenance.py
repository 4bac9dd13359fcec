# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module maintenance under the real ansible-playbook, against a real etcd. The witness is etcdctl."""

from __future__ import annotations

import json

KEPT = "/rollcall/infrastructure/maintenance/web/"


def task(name, **options):
    return {"name": name, "rollcall.discovery.maintenance": options}


DRAIN = task("drain", nodes=["web1", "web2", "web/web9"], reason="Rolling update", duration="2h", by="ann")
UNDRAIN = task("undrain", nodes=["web1", "web2", "web9"], state="absent")
READ = {"name": "read", "rollcall.discovery.node_info": {"maintenance": True}, "failed_when": False}


def kept(etcd):
    """What is said of each node."""
    lines = etcd.ctl("get", KEPT, "--prefix").split("\n")[:-1]
    pairs = zip(lines[::2], lines[1::2], strict=True)
    return {key.removeprefix(KEPT): json.loads(value) for key, value in pairs}


def test_hosts_of_a_batch_are_drained_and_come_back(play, etcd):
    for name in ("web1", "web2"):
        etcd.put(f"/infrastructure/web/{name}/ip", f"10.0.0.{name[-1]}")
    everything = {"module_defaults": {"group/rollcall.discovery.etcd": {"endpoints": etcd.endpoints}}}

    trial = play([DRAIN], "--check", "--diff", **everything)
    assert (trial.rc, trial.changed, kept(etcd)) == (0, ["drain"], {}), trial.output
    first = play([DRAIN, READ], "--diff", **everything)
    assert (first.rc, first.changed) == (0, ["drain"]), first.output
    assert "web/web9 is not registered. It will be in maintenance when it registers" in first.output
    assert '+    "reason": "Rolling update"' in first.output
    said = kept(etcd)
    assert sorted(said) == ["web1", "web2", "web9"]
    assert (said["web1"]["by"], said["web1"]["until"] - said["web1"]["since"]) == ("ann", 7200)
    assert [node["name"] for node in first["read"]["nodes"]] == ["web1", "web2"]
    again = play([DRAIN], "--diff", **everything)
    assert (again.rc, again.changed) == (0, []), again.output

    back = play([UNDRAIN], "--diff", **everything)
    assert (back.rc, back.changed, kept(etcd)) == (0, ["undrain"], {}), back.output
    assert play([UNDRAIN], **everything).changed == []
