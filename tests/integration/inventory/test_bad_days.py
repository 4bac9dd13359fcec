# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bad days of an inventory with real etcds and the real program: a cluster away, nodes lost, too many hosts missing."""

from __future__ import annotations

import json
import time

import pytest

from tests.support.inventory import write_config
from tests.support.real_etcd import Cluster

USE_CACHE = {"on_error": "use_cache", "max_cache_age": 600}


@pytest.fixture(scope="module")
def us_of_module(etcd_programs):
    with Cluster(etcd_programs) as cluster:
        yield cluster


@pytest.fixture
def us(us_of_module):
    """A second etcd, which a test may kill, with one node."""
    us_of_module.mend()
    us_of_module.wipe()
    us_of_module.put("/infrastructure/web/web2/ip", "10.2.0.1")
    return us_of_module


@pytest.fixture
def eu(etcd):
    etcd.put("/infrastructure/web/web1/ip", "10.1.0.1")
    return etcd


@pytest.fixture
def both(eu, us, tmp_path):
    """Writes a configuration of both clusters."""

    def write(**options):
        clusters = [
            {"name": "eu", "dc": "eu", "endpoints": eu.endpoints},
            {"name": "us", "dc": "us", "endpoints": us.endpoints},
        ]
        return write_config(tmp_path, clusters=clusters, **options)

    return write


def hosts(done):
    return sorted(done.inventory["_meta"]["hostvars"])


def assert_failed(done, *words):
    assert (done.rc, done.stdout) == (1, ""), done
    assert done.stderr.count("[ERROR]") == 1
    for word in words:
        assert word in done.messages, done.messages


def test_a_cluster_that_is_away_is_an_error_or_bridged_for_a_while(run, both, eu, us, tmp_path):
    path = both(**USE_CACHE, state_dir=str(tmp_path / "state"))

    def listing(**environment):
        return run("ansible-inventory", "-i", path, "--list", **environment)

    assert hosts(listing()) == ["web1", "web2"]
    us.members[0].kill()
    eu.put("/infrastructure/web/web3/ip", "10.1.0.3")

    bridged = listing()
    assert hosts(bridged) == ["web1", "web2", "web3"], "the other one is fresh"
    assert bridged.stderr.count("[WARNING]") == 1
    assert "The cluster us is taken as it was" in bridged.messages
    assert "connection refused" in bridged.messages

    for file in (tmp_path / "state").iterdir():
        file.write_text(json.dumps({**json.loads(file.read_text()), "time": time.time() - 601}))
    assert_failed(listing(), "connection refused", "Nor can its last reading be used", "more than max_cache_age (600)")
    path = both(**USE_CACHE)
    assert_failed(listing(), "connection refused", "Nor can its last reading be used: it does not exist")
    path = both()
    failed = listing()
    assert_failed(failed, "The cluster us: Reading keys under /infrastructure/ failed", "connection refused")
    assert "The cluster eu" not in failed.messages

    us.mend()
    us.ctl("del", "/infrastructure/web/web2/ip")
    assert hosts(listing()) == ["web1", "web3"]


def test_an_etcd_without_quorum_is_bridged(run, etcd_cluster, tmp_path):
    etcd_cluster.put("/infrastructure/web/web1/ip", "10.0.0.1")
    path = write_config(tmp_path, endpoints=etcd_cluster.endpoints, **USE_CACHE)
    assert hosts(run("ansible-inventory", "-i", path, "--list")) == ["web1"]
    for member in etcd_cluster.members[:2]:
        member.kill()
    done = run("ansible-inventory", "-i", path, "--list")
    assert hosts(done) == ["web1"]
    assert "etcd is taken as it was" in done.messages


def test_shrinking_is_refused_until_it_is_accepted(run, etcd, tmp_path):
    for number in range(10):
        etcd.put(f"/infrastructure/web/web{number}/ip", f"10.0.0.{number}")
    path = write_config(tmp_path, endpoints=etcd.endpoints, max_shrink="30%")

    def listing(**environment):
        return run("ansible-inventory", "-i", path, "--list", **environment)

    assert len(hosts(listing())) == 10
    etcd.ctl("del", "--from-key", "/infrastructure/web/web6/")
    assert_failed(
        listing(),
        "There are 6 hosts where the last accepted run had 10: 40 % fewer, and max_shrink is 30 %",
        "Missing are web6, web7, web8, web9.",
    )
    assert_failed(run("ansible", "-i", path, "all", "-m", "ansible.builtin.ping"), "had 10")
    assert len(hosts(listing(ANSIBLE_ROLLCALL_MAX_SHRINK="100"))) == 6
    assert len(hosts(listing())) == 6


def test_a_node_whose_lease_ended_is_lost_and_one_that_was_withdrawn_is_not(run, etcd, tmp_path):
    """By the module, as a play registers nodes."""
    nodes = [{"name": f"db{number}", "role": "db", "address": f"10.0.0.{number}"} for number in (1, 2, 3)]
    tasks = [
        {"rollcall.discovery.node": {"nodes": nodes, "ttl": 600}},
        {"rollcall.discovery.node": {"nodes": [{"name": "db3", "role": "db"}], "state": "absent"}},
    ]
    defaults = {"group/rollcall.discovery.etcd": {"endpoints": etcd.endpoints}}
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "module_defaults": defaults}
    (tmp_path / "play.yml").write_text(json.dumps([{**play, "tasks": tasks}]))
    done = run("ansible-playbook", "-i", "localhost,", "play.yml")
    assert done.rc == 0, done

    [held] = json.loads(etcd.ctl("get", "/infrastructure/db/db1/ip", "--write-out=json"))["kvs"]
    etcd.ctl("lease", "revoke", f"{held['lease']:x}")
    path = write_config(tmp_path, endpoints=etcd.endpoints, lost=True)
    inventory = run("ansible-inventory", "-i", path, "--list").inventory
    assert inventory["lost"] == {"hosts": ["db1"]}
    assert inventory["role_db"] == {"hosts": ["db2"]}
    assert inventory["_meta"]["hostvars"]["db1"]["ansible_host"] == "10.0.0.1"
    assert inventory["_meta"]["hostvars"]["db1"]["rollcall_health"] == "lost"
    assert "db1" not in run("ansible", "-i", path, "role_db", "--list-hosts").stdout
