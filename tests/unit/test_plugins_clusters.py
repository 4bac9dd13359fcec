# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Several clusters in one source, each a fake etcd of its own."""

from __future__ import annotations

import contextlib
import json
import threading

import pytest

from tests.support.fake_etcd import FakeEtcd, Meanwhile
from tests.support.inventory import members, read_inventory, write_config


@pytest.fixture
def eu(fake_etcd):
    fake_etcd.put("/infrastructure/web/web1/ip", "10.1.0.1")
    return fake_etcd


@pytest.fixture
def us():
    with FakeEtcd() as fake:
        fake.put("/infrastructure/web/web2/ip", "10.2.0.1")
        yield fake


@pytest.fixture
def config(eu, us, tmp_path):
    """Writes a configuration with both; `eu` and `us` are what each says beside its endpoints."""

    def write(eu_says=None, us_says=None, **options):
        clusters = [
            {"name": "eu", "endpoints": [eu.endpoint], **(eu_says or {})},
            {"name": "us", "endpoints": [us.endpoint], **(us_says or {})},
        ]
        return write_config(tmp_path, **{"clusters": clusters, **options})

    return write


def test_the_hosts_of_all_clusters_are_one_inventory(config):
    inventory = read_inventory(config(eu_says={"dc": "eu"}, us_says={"dc": "us"}))
    assert sorted(inventory.hosts) == members(inventory, "role_web") == ["web1", "web2"]
    assert (members(inventory, "dc_eu"), members(inventory, "dc_us")) == (["web1"], ["web2"])
    assert inventory.hosts["web1"].vars["rollcall_dc"] == "eu"


def test_a_data_centre_in_the_key_counts_more_than_that_of_the_cluster(config, us):
    us.put("/infrastructure/us-2/web/web3/ip", "10.2.0.3")
    us_says = {"dc": "us", "layout": "{dc}/{role}/{name}", "prefix": "/infrastructure"}
    inventory = read_inventory(config(us_says=us_says))
    assert members(inventory, "dc_us_2") == ["web3"]


def test_what_a_cluster_does_not_say_is_as_the_file_says(config, eu, us):
    for etcd in (eu, us):
        etcd.put("/other/web/x/ip", "10.9.0.1")
        etcd.put("/mine/db/db1/ip", "10.9.0.2")
    inventory = read_inventory(config(prefix="/mine", us_says={"prefix": "/other"}))
    assert sorted(inventory.hosts) == ["db1", "x"]


def test_names_of_options_other_tools_use_and_templates_are_taken(config, monkeypatch, capfd):
    monkeypatch.setenv("ETCD_TIMEOUT", "7s")
    says = {"timeout": "{{ lookup('ansible.builtin.env', 'ETCD_TIMEOUT') }}"}
    assert len(read_inventory(config(eu_says=says)).hosts) == 2
    with pytest.raises(SystemExit):
        read_inventory(config(eu_says={**says, "cacert": "/etc/hosts"}))
    assert "endpoints: expected https:// URLs, since TLS options are set" in capfd.readouterr().err


def test_a_cluster_without_endpoints_takes_those_of_the_file(eu, tmp_path):
    eu.put("/staging/web/web7/ip", "10.1.0.7")
    clusters = [{"name": "live"}, {"name": "staging", "prefix": "/staging"}]
    inventory = read_inventory(write_config(tmp_path, endpoints=[eu.endpoint], clusters=clusters))
    assert sorted(inventory.hosts) == ["web1", "web7"]


def test_a_host_and_port_of_its_own_take_the_place_of_the_files_endpoints(eu, us, tmp_path):
    host, port = us.endpoint.removeprefix("http://").split(":")
    clusters = [{"name": "eu"}, {"name": "us", "host": host, "port": int(port)}]
    inventory = read_inventory(write_config(tmp_path, endpoints=[eu.endpoint], clusters=clusters))
    assert sorted(inventory.hosts) == ["web1", "web2"]


def test_one_name_in_two_clusters_is_left_out_and_both_places_are_told(config, us, capsys):
    us.put("/infrastructure/web/web1/ip", "10.2.0.9")
    assert list(read_inventory(config()).hosts) == ["web2"]
    warnings = " ".join(capsys.readouterr().err.split())
    assert (
        "'web1': the name is registered more than once, and not by the same machine: eu:web/web1, us:web/web1"
        in warnings
    )


def test_one_name_in_two_clusters_is_two_hosts_with_the_data_centre_in_the_host_name(config, us):
    us.put("/infrastructure/web/web1/ip", "10.2.0.9")
    inventory = read_inventory(config(eu_says={"dc": "eu"}, us_says={"dc": "us"}, hostnames=["name.dc"]))
    assert sorted(inventory.hosts) == ["web1.eu", "web1.us", "web2.us"]


def test_a_bad_node_is_told_with_its_cluster(config, us, capsys):
    us.put("/infrastructure/web/bad/ip", "?")
    read_inventory(config())
    assert "Node rejected: us: 'web/bad'" in " ".join(capsys.readouterr().err.split())


def test_each_cluster_is_read_at_a_revision_of_its_own(config, eu, us):
    us.put("/somewhere/else", "1")
    read_inventory(config())
    for etcd in (eu, us):
        first, second = [request.body for request in etcd.received if request.path == "/v3/kv/range"]
        assert first.get("revision", 0) == 0
        assert second["revision"] == etcd.revision
    assert eu.revision != us.revision


def test_clusters_are_read_at_the_same_time(config, eu, us):
    """Each waits for the other's request: one after the other they would never be done."""
    both = threading.Barrier(2)
    for etcd in (eu, us):
        etcd.inject("/v3/kv/range", Meanwhile(lambda: both.wait(timeout=20)), times=1)
    assert len(read_inventory(config()).hosts) == 2


def test_a_cluster_that_is_away_is_named_and_there_is_no_host(config, us, failure):
    us.stop()
    printed = failure(config())
    assert "The cluster us: Reading keys under /infrastructure/ failed" in printed
    assert "cluster eu" not in printed


def test_where_all_are_away_all_are_named(config, eu, us, failure):
    eu.stop()
    us.stop()
    printed = failure(config())
    assert printed.index("The cluster eu: ") < printed.index("The cluster us: ")


def test_none_of_them_has_nodes(config, eu, us, failure):
    assert "no node in the clusters eu, us: no node is registered" in failure(config(prefix="/nothing"))
    assert "fewer than min_hosts (3)" in failure(config(min_hosts=3))


SECRET = "swordfish"


@pytest.mark.parametrize(
    ("clusters", "message"),
    [
        ([], "clusters: expected at least one cluster"),
        (["eu"], "clusters: each must be a mapping with a name"),
        ([{"endpoints": ["http://127.0.0.1:1"]}], "clusters: each must be a mapping with a name"),
        ([{"name": "a b", "endpoints": ["http://127.0.0.1:1"]}], "the cluster 'a b' is not a valid name"),
        ([{"name": "eu", "dc": "a b", "host": "x"}], "the data centre 'a b' is not a valid name"),
        ([{"name": "eu", "endpoints": None}], "endpoints: expected a value, got an empty one"),
        ([{"name": "eu"}], "neither the cluster nor the file gives endpoints"),
        ([{"name": "eu", "host": "x"}, {"name": "eu", "host": "y"}], "clusters: eu is there twice"),
        ([{"name": "eu", "host": "x"}, {"name": "us", "host": "x"}], "eu and us are the same keys of the same etcd"),
        ([{"name": "eu", "endpoint": "x"}], "Cannot read the cluster eu: Unknown option 'endpoint'; did you mean"),
        ([{"name": "eu", "host": "x", "min_hosts": 3}], "Cannot read the cluster eu: Unknown option 'min_hosts'"),
        ([{"name": "eu", "host": "x", "timeout": "soon"}], "timeout: expected seconds or a duration"),
        ([{"name": "eu", "host": "x", "layout": "{name}"}], "Valid values are"),
        ([{"name": "eu", "host": "x", "password": SECRET}], "user, password: expected both or neither"),
        ([{"name": "eu", "endpoints": ["http://h:port"], "user": "me", "password": SECRET}], "etcd endpoint: expected"),
        (
            [{"name": "a", "host": "x", "layout": "json"}, {"name": "b", "host": "y", "layout": "script"}],
            "an inventory file of each",
        ),
        ([{"name": "eu", "host": "x", "user": "me", "password": [SECRET]}], "password must be text"),
        ([{"name": {"eu": SECRET}, "host": "x"}], "clusters: each must be a mapping with a name"),
        ([{"name": "eu", "host": "x", "prefix": {"password": SECRET}}], "prefix must be text"),
        ([{"name": "eu", "host": "x", "allowed_networks": [{"password": SECRET}]}], "must be a list of texts"),
        ([{"name": "eu", "host": "x", "validate_certs": {"password": SECRET}}], "validate_certs must be true or false"),
        ({"eu": {"host": "x", "user": "me", "password": SECRET}}, "clusters must be a list"),
    ],
)
def test_wrong_clusters_end_the_program(tmp_path, failure, clusters, message):
    printed = failure(write_config(tmp_path, clusters=clusters))
    assert message in printed
    assert SECRET not in printed
    assert printed.count("[ERROR]") == 1


def test_a_wrong_password_of_one_cluster_is_told_without_it(config, us, failure):
    us.require_auth(root="secret", inventory="sesame")
    printed = failure(config(us_says={"user": "inventory", "password": SECRET}))
    assert "The cluster us: Authenticating as inventory failed" in printed
    assert SECRET not in printed


def test_a_cache_hit_asks_no_cluster_and_another_cluster_is_none(config, eu, us, tmp_path, failure):
    cache = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(tmp_path / "cache")}
    assert len(read_inventory(config(**cache)).hosts) == 2
    asked = len(eu.received), len(us.received)
    with contextlib.ExitStack() as stopped:
        for etcd in (eu, us):
            etcd.stop()
            stopped.callback(etcd.start)
        assert len(read_inventory(config(**cache)).hosts) == 2
        assert "cluster us" in failure(config(us_says={"prefix": "/other"}, **cache))
    assert (len(eu.received), len(us.received)) == asked


def test_lost_nodes_of_a_cluster_have_its_data_centre(config, us):
    us.put("/rollcall/infrastructure/roster/web/web9", json.dumps({"state": "joined", "address": "10.2.0.9"}))
    inventory = read_inventory(config(us_says={"dc": "us"}, lost=True, hostnames=["name.dc", "name"]))
    assert members(inventory, "lost") == ["web9.us"]
    assert inventory.hosts["web9.us"].vars["ansible_host"] == "10.2.0.9"
