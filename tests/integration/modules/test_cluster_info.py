# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""etcd_cluster_info on real clusters, well and not. The witness is etcdctl."""

from __future__ import annotations

import json

import pytest

from tests.support.fixtures import programs_of
from tests.support.modules import Modules
from tests.support.real_etcd import Cluster


def names(members):
    return [member["name"] for member in members]


@pytest.mark.parametrize("series", ["3.4", "3.5", "3.6"])
def test_a_single_member_is_told_as_etcdctl_tells_it(series, capsys):
    with Cluster(programs_of(series), flags=["--quota-backend-bytes=200000"]) as etcd:
        found = Modules(capsys, endpoints=etcd.endpoints).etcd_cluster_info()
        status = json.loads(etcd.ctl("endpoint", "status", "--write-out=json"))[0]["Status"]
        (member,) = found["members"]
        assert (found["healthy"], found["leader"], found["alarms"]) == (True, "m1", [])
        assert found["versions"] == [status["version"]] == [etcd.version]
        assert member["id"] == f"{status['header']['member_id']:x}"
        assert found["cluster_id"] == f"{status['header']['cluster_id']:x}"
        assert member["db_size"] == status["dbSize"]
        assert 0 < member["db_size_in_use"] <= member["db_size"]
        assert (member["raft_term"], member["raft_lag"]) == (status["raftTerm"], 0)

        with pytest.raises(AssertionError, match="database space exceeded"):
            for number in range(9):
                etcd.ctl("put", f"/fill/{number}", "x" * 60000)
        full = Modules(capsys, endpoints=etcd.endpoints).etcd_cluster_info()
        assert not full["healthy"]
        assert full["alarms"] == [{"member": member["id"], "alarm": "NOSPACE"}]


def test_members_that_do_not_answer_are_told_of(etcd_cluster, etcd, capsys):
    one = etcd_cluster.members[0]
    modules = Modules(capsys, endpoints=[one.endpoint], timeout="3s")  # the others are found by themselves
    found = modules.etcd_cluster_info()
    assert found["healthy"], found
    assert sorted(names(found["members"])) == ["m1", "m2", "m3"]
    assert sorted(look["endpoint"] for look in found["endpoints"]) == sorted(etcd_cluster.endpoints)
    assert found["leader"] == etcd_cluster.leader.name
    assert names(filter(lambda member: member["leader"], found["members"])) == [found["leader"]]

    dead = next(member for member in etcd_cluster.members[1:] if member is not etcd_cluster.leader)
    dead.kill()
    etcd_cluster.ctl("put", "/a", "x")
    found = modules.etcd_cluster_info()
    assert (found["healthy"], found["alarms"]) == (False, [])
    (ill,) = [member for member in found["members"] if not member["healthy"]]
    assert (ill["name"], ill["version"], ill["raft_index"], ill["raft_lag"]) == (dead.name, "", None, None)
    assert "connection refused" in ill["error"]
    assert ill["client_urls"] == [dead.endpoint]

    frozen = next(member for member in etcd_cluster.members[1:] if member is not dead)
    frozen.freeze()
    etcd_cluster.wait(lambda: "leader" not in one.post("/v3/maintenance/status", {})[1], "no leader", 15)
    lost = modules.etcd_cluster_info()
    assert (lost["healthy"], lost["leader"], lost["alarms"]) == (False, None, None)
    assert {member["name"]: member["version"] != "" for member in lost["members"]} == {
        "m1": True,
        dead.name: False,
        frozen.name: False,
    }
    errors = {member["name"]: member["error"] for member in lost["members"]}
    assert errors["m1"] == "The member has no leader"
    assert "no answer within" in errors[frozen.name]
    etcd_cluster.mend()

    stray = Modules(capsys, endpoints=[one.endpoint, etcd.endpoints[0]]).etcd_cluster_info()
    assert [look["error"] for look in stray["endpoints"] if not look["healthy"]] == [
        "The member belongs to another cluster"
    ]
    assert names(stray["members"]) == names(found["members"])


def test_no_answer_at_all_is_an_error(etcd_programs, capsys):
    with Cluster(etcd_programs) as etcd:
        etcd.members[0].kill()
        answer = Modules(capsys, endpoints=etcd.endpoints).etcd_cluster_info()
        assert answer["failed"]
        assert "Listing the members failed" in answer["msg"]
        etcd.mend()
        added = etcd.members[0].post("/v3/cluster/member/add", {"peerURLs": ["http://127.0.0.1:1"], "isLearner": True})
        assert added[0] == 200
        found = Modules(capsys, endpoints=etcd.endpoints).etcd_cluster_info()
        new = next(member for member in found["members"] if member["name"] == "")
        assert (new["learner"], new["healthy"]) == (True, False)
        assert "Not started yet" in new["error"]


def test_every_login_may_ask(etcd_programs, capsys):
    with Cluster(etcd_programs, flags=["--bcrypt-cost=4"]) as etcd:
        etcd.require_auth(root="r00t", web1="w3b")
        for user, password in (("root", "r00t"), ("web1", "w3b")):
            found = Modules(capsys, endpoints=etcd.endpoints, user=user, password=password).etcd_cluster_info()
            assert found["healthy"], found
