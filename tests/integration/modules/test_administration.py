# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One play that takes an empty etcd to authentication and works on it, under the real ansible-playbook.

The witness is etcdctl.
"""

from __future__ import annotations

import pytest

from tests.support.real_etcd import Cluster

ROOT = "r00t-s3ntinel"
SECRET = "w3b-s3ntinel"
LOCK = {"key": "/app/lock", "owner": "this play"}


def task(name, module, /, **options):
    return {"name": name, f"rollcall.discovery.{module}": options}


PLAY = [
    task("role", "etcd_role", roles=[{"name": "app", "permissions": [{"prefix": "/app/", "permission": "readwrite"}]}]),
    task("user", "etcd_user", users=[{"name": "app", "password": SECRET, "roles": ["app"]}]),
    task("auth", "etcd_auth"),
]
AS_APP = {"user": "app", "password": SECRET}
WORK = [
    task("lock", "etcd_lock", ttl=60, **LOCK, **AS_APP),
    task("kv", "etcd_kv", key="/app/a", value="1", mod_revision=0, **AS_APP),
    task(
        "txn",
        "etcd_txn",
        compare=[{"key": "/app/a", "value": "1"}, {"key": "/app/b", "exists": False}],
        success=[{"action": "put", "key": "/app/b", "value": [2]}],
        **AS_APP,
    ),
    task("info", "etcd_cluster_info", **AS_APP),
]


@pytest.fixture
def etcd(etcd_programs):
    with Cluster(etcd_programs, flags=["--bcrypt-cost=4"]) as cluster:
        yield cluster


def test_a_play_takes_an_etcd_to_authentication_and_works_on_it(play, etcd):
    login = {"endpoints": etcd.endpoints, "user": "root", "password": ROOT}
    everything = {"module_defaults": {"group/rollcall.discovery.etcd": login}}

    trial = play(PLAY, "--check", **everything)
    assert (trial.rc, trial.changed) == (0, ["role", "user", "auth"]), trial.output
    assert (
        "Cannot grant roles to app: app not found. Add them with etcd_role first. The task will fail unless an earlier "
        in trial.output
    )

    first = play(PLAY + WORK, "--diff", "-vvv", **everything)
    assert (first.rc, first.changed) == (0, ["role", "user", "auth", "lock", "kv", "txn"]), first.output
    assert ROOT not in first.output
    assert SECRET not in first.output

    app = f"app:{SECRET}"
    assert etcd.ctl("get", "/app/", "--prefix", user=app).split("\n")[:-1] == [
        *("/app/a", "1", "/app/b", "[2]", "/app/lock", "this play")
    ]
    assert f"{first['lock']['lease']:x}" in etcd.ctl("lease", "list", user=app)
    with pytest.raises(AssertionError, match="user name is empty"):
        etcd.ctl("get", "/app/a")
    assert first["info"]["healthy"]
    assert first["info"]["members"][0]["db_size"] > 0

    other = task("other", "etcd_lock", ttl=60, **{**LOCK, **AS_APP, "owner": "another"})
    second = play([*PLAY, *WORK, {**other, "ignore_errors": True}], **everything)
    assert (second.rc, second.changed) == (0, []), second.output
    assert second["lock"]["fencing_revision"] == first["lock"]["fencing_revision"]
    assert not second["txn"]["succeeded"]
    assert "is held by this play" in second["other"]["msg"]
