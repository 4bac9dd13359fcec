# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which nodes readers take: those that a lease holds, within bounds, with no key that Ansible reserves."""

from __future__ import annotations

import json

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.wire import KeyValue
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.layout import Layout
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.node_set import Admission, assemble, hosts
from tests.support.inventory import read_inventory

GOOD = KeyValue("/infrastructure/web/good/ip", "10.0.0.1", 1, 1, 1, 7)
ZOMBIE = "the key /infrastructure/web/zombie/ip has no lease"


def kv(leaf, value="", lease=7, name="bad"):
    return KeyValue(f"/infrastructure/web/{name}/{leaf}", value, 2, 2, 1, lease)


def call(*kvs, admission=None):
    return assemble(9, [GOOD, *kvs], [], Layout(), admission or Admission())


def names(found):
    return [node.name for node in found.nodes]


@pytest.fixture
def zombie(fake_etcd):
    """A node that somebody has written without a lease, beside one with a lease."""
    fake_etcd.put("/infrastructure/web/good/ip", "10.0.0.1")
    fake_etcd.put("/infrastructure/web/zombie/ip", "10.0.0.66", 0)
    return fake_etcd


def test_a_node_without_a_lease_is_rejected_with_its_key_and_the_option():
    found = call(kv("ip", "10.0.0.66", lease=0, name="zombie"))
    assert names(found) == ["good"]
    [rejected] = found.rejected
    assert rejected.path == "'web/zombie'"
    assert ZOMBIE in rejected.reason
    assert "allow_unleased" in rejected.reason


def test_a_node_without_a_lease_is_taken_where_that_is_allowed():
    found = call(kv("ip", "10.0.0.66", lease=0), kv("health", "warning", lease=0), admission=Admission(unleased=True))
    assert {node.name: node.leased()["lease"] for node in found.nodes} == {"bad": 0, "good": 7}
    assert found.rejected == found.notes == []


def test_a_leased_key_does_not_make_a_node_of_an_address_without_a_lease():
    found = call(kv("ip", "10.0.0.66", lease=0), kv("health", "passing"), kv("node", "{}"))
    assert names(found) == ["good"]


def test_a_key_that_will_outlive_its_node_is_told_of():
    found = call(kv("ip", "10.0.0.2"), kv("health", "drain", lease=0), kv("node", "{}", lease=8))
    assert [(node.name, node.health) for node in found.nodes] == [("bad", "drain"), ("good", "passing")]
    [note] = found.notes
    assert "/infrastructure/web/bad/health" in note
    assert "has no lease and will outlive the node" in note


def test_the_inventory_rejects_it_once_and_takes_it_where_allowed(fake_etcd, config, capsys):
    fake_etcd.put("/infrastructure/web/good/ip", "10.0.0.1")
    fake_etcd.put("/infrastructure/web/forgotten/ip", "10.0.0.66", 0)  # Ansible tells the same thing only once
    assert set(read_inventory(config()).hosts) == {"good"}
    printed = " ".join(capsys.readouterr().err.split())
    assert printed.count("[WARNING]") == 1
    assert "the key /infrastructure/web/forgotten/ip has no lease" in printed
    assert "allow_unleased" in printed
    inventory = read_inventory(config(allow_unleased=True))
    assert set(inventory.hosts) == {"good", "forgotten"}
    assert "rollcall_lease" not in inventory.hosts["forgotten"].vars


@pytest.mark.parametrize("layout", ["json", "consul", "script"])
def test_nodes_need_a_lease_in_each_layout_that_nodes_write_and_operators_need_none(fake_etcd, config, layout):
    document = json.dumps({"ip": "10.0.0.2"})
    places = {"json": "old", "consul": "groups/eu/old", "script": "hosts/web/old"}
    fake_etcd.put(f"/infrastructure/{places[layout]}", document if layout == "json" else "", 0)
    fake_etcd.put(f"/infrastructure/{places[layout].replace('old', 'good')}", '{"ip": "10.0.0.1"}' * (layout == "json"))
    assert set(read_inventory(config(layout=layout)).hosts) == ({"good"} if layout == "json" else {"good", "old"})
    assert set(read_inventory(config(layout=layout, allow_unleased=True)).hosts) == {"good", "old"}


def test_node_info_rejects_it_and_marks_it_where_allowed(zombie, modules):
    found = modules.node_info()
    assert [(node["name"], node["lease"] > 0) for node in found["nodes"]] == [("good", True)]
    assert ZOMBIE in found["rejected"][0]["reason"]
    found = modules.node_info(allow_unleased=True)
    assert [(node["name"], node["lease"] > 0) for node in found["nodes"]] == [("good", True), ("zombie", False)]


@pytest.mark.parametrize(
    ("document", "key"),
    [
        ({"meta": {"a": [{"b": {"__ansible_unsafe": "x"}}]}}, "__ansible_unsafe"),
        ({"services": {"web": {"port": 1, "meta": {"__ansible_type": "x"}}}}, "__ansible_type"),
        ({"services": {"__ansible_vault": {"port": 1}}}, "__ansible_vault"),
        ({"__ansible_later": 1}, "__ansible_later"),
    ],
)
def test_keys_that_ansible_reserves_reject_the_node(document, key):
    found = call(kv("ip", "10.0.0.2"), kv("node", json.dumps(document)))
    assert names(found) == ["good"]
    assert f"has the key '{key}', which Ansible reserves" in found.rejected[0].reason


def test_an_escape_hides_no_reserved_key():
    text = r'{"meta": {"\u005f_ansible_type": "x"}}'
    assert "which Ansible reserves" in call(kv("ip", "10.0.0.2"), kv("node", text)).rejected[0].reason


def test_a_check_has_no_name_that_ansible_reserves():
    found = call(kv("ip", "10.0.0.2"), kv("checks/__ansible_type", '{"status": "passing"}'))
    assert names(found) == ["good"]
    assert "'__ansible_type' is reserved by Ansible" in found.rejected[0].reason


def test_maintenance_has_no_key_that_ansible_reserves():
    said = KeyValue("/rollcall/infrastructure/maintenance/web/bad", '{"__ansible_type": "x"}', 2, 2, 1, 0)
    found = assemble(9, [GOOD, kv("ip", "10.0.0.2")], [said], Layout())
    assert names(found) == ["good"]


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ([kv("health", "x" * 4097)], "the value of its key '/infrastructure/web/bad/health' is larger than 4096 bytes"),
        ([kv(f"odd{number}") for number in range(64)], "it has more than 64 keys"),
        (
            [kv(f"checks/c{number}", "[" * 4096) for number in range(4)],
            "its 5 keys are larger than 16384 bytes",
        ),
        ([kv("node", "é" * 2049)], "is larger than 4096 bytes"),
    ],
)
def test_a_node_over_its_bounds_is_rejected_in_one_line(extra, reason):
    found = call(kv("ip", "10.0.0.2"), *extra)
    assert names(found) == ["good"]
    [rejected] = found.rejected
    assert rejected.path == "'web/bad'"
    assert reason in rejected.reason


def test_keys_of_no_layout_are_one_line_for_each_node_and_come_last():
    odd = [kv(f"odd{number}") for number in range(60)]
    high = [KeyValue(f"/infrastructure/high{number}", "", 1, 1, 1, 7) for number in range(100)]
    found = call(*high, *odd, kv("ip", "10.0.0.2"), kv("ip", "nowhere", name="zz"))
    assert names(found) == ["bad", "good"]
    assert [rejected.path for rejected in found.rejected] == ["'web/zz'", "'web/bad'", "100 keys of no node"]
    assert found.rejected[1].reason.startswith("60 keys do not fit the layout {role}/{name}, such as ")


def test_two_nodes_of_one_address_are_told_of_with_both_names():
    found = hosts(call(kv("ip", "10.0.0.1")))
    assert names(found) == ["bad", "good"]
    assert found.notes == ["'web/bad': its address 10.0.0.1 already belongs to 'web/good', which was registered first"]
