# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The roll call: which keys make a node, and what one bad node costs."""

from __future__ import annotations

import json

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.wire import KeyValue
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.errors import InvalidLayout, InvalidNode
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.layout import Layout
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.model import (
    Check,
    Document,
    Service,
    parse_check,
    parse_document,
    worst,
)
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.node_set import assemble, merge
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.strict_json import dump

LAYOUT = Layout()
LEASE = 7


def kv(key, value, lease=LEASE, revision=5):
    text = value if isinstance(value, str) else json.dumps(value)
    return KeyValue(key, text, revision, revision, 1, lease)


def keys(place, **values):
    """Keys of the node at `place`; checks are given as checks={name: document}."""
    checks = values.pop("checks", {})
    tree = {**values, **{f"checks/{name}": document for name, document in checks.items()}}
    return [kv(f"/infrastructure/{place}/{leaf}", value) for leaf, value in tree.items()]


def call(*trees, kept=()):
    return assemble(9, [key for tree in trees for key in tree], kept, LAYOUT)


def test_the_articles_ip_key_alone_makes_a_node():
    [node] = call(keys("k8s-master/m1", ip="10.0.0.5")).nodes
    assert (node.name, node.role, node.address, node.health, node.lease) == (
        "m1",
        "k8s-master",
        "10.0.0.5",
        "passing",
        LEASE,
    )
    assert node.public()["services"] == {}


def test_everything_a_node_says():
    document = {
        "v": 1,
        "id": "abc",
        "services": {"http": {"port": 80, "weight": 50}, "admin": {"port": 81}},
        "tags": ["blue"],
        "meta": {"rack": 4},
        "agent": "1.0.0",
        "later": True,
    }
    checks = {
        "http": {"status": "critical", "output": "refused", "since": 3, "service": "http"},
        "disk": {"status": "warning"},
    }
    tree = keys("web/web1", ip="10.0.0.7", node=document, health="critical", checks=checks)
    kept = [kv("/rollcall/infrastructure/maintenance/web/web1", {"by": "ann", "reason": "disk"})]
    [node] = call(tree, kept=kept).nodes
    public = node.public()
    assert public["services"]["http"] == {"port": 80, "weight": 50, "tags": [], "meta": {}, "health": "critical"}
    assert public["services"]["admin"]["health"] == "warning"
    assert public["maintenance"] == {"by": "ann", "reason": "disk"}
    assert public["tags"] == ["blue"] and public["meta"] == {"rack": 4}
    assert public["checks"]["disk"]["status"] == "warning"
    assert node.document.unknown == {"later": True}
    assert json.loads(node.document.dump())["later"] is True


def test_health_of_services_without_checks_is_the_nodes_and_drain_beats_checks():
    document = {"services": {"http": {"port": 80}}}
    [plain] = call(keys("web/a", ip="10.0.0.1", node=document, health="critical")).nodes
    [leaving] = call(
        keys("web/b", ip="10.0.0.2", node=document, health="drain", checks={"c": {"status": "passing"}})
    ).nodes
    assert plain.services[0].health == "critical"
    assert leaving.services[0].health == "drain"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"ip": "web1.example.com"}, "not an IP address"),
        ({"ip": "127.0.0.1"}, "loopback"),
        ({"node": {}}, "no ip key"),
        ({"ip": "10.0.0.1", "node": "no json"}, "not JSON"),
        ({"ip": "10.0.0.1", "node": "[" * 4000}, "not JSON"),
        ({"ip": "10.0.0.1", "node": "[1]"}, "not a JSON object"),
        ({"ip": "10.0.0.1", "node": {"v": 2}}, "schema version 2"),
        ({"ip": "10.0.0.1", "node": {"tags": ["a\nb"]}}, "tag"),
        ({"ip": "10.0.0.1", "node": {"tags": "ab"}}, "not a list"),
        ({"ip": "10.0.0.1", "node": {"services": {"x y": {"port": 1}}}}, "service"),
        ({"ip": "10.0.0.1", "node": {"services": {"x": {"port": "80\nbackend"}}}}, "port"),
        ({"ip": "10.0.0.1", "node": {"services": {"x": {"port": 80, "weight": 257}}}}, "weight"),
        ({"ip": "10.0.0.1", "node": {"meta": []}}, "meta"),
        ({"ip": "10.0.0.1", "node": {"meta": {"x": "y" * 5000}}}, "larger than"),
        ({"ip": "10.0.0.1", "health": "fine"}, "health"),
        ({"ip": "10.0.0.1", "checks": {"c": {"status": "odd"}}}, "health"),
        ({"ip": "10.0.0.1", "checks": {"c": {"status": "passing", "output": 5}}}, "output"),
    ],
)
def test_one_bad_node_is_left_out_with_its_reason_and_the_others_stay(values, reason):
    found = call(keys("web/bad", **values), keys("web/good", ip="10.0.0.2"))
    assert [node.name for node in found.nodes] == ["good"]
    [rejected] = found.rejected
    assert "web/bad" in str(rejected) and reason in str(rejected)


def test_a_name_that_means_something_else_is_left_out():
    found = call(keys("web/localhost", ip="10.0.0.1"), keys("web/good", ip="10.0.0.2"))
    assert [node.name for node in found.nodes] == ["good"]
    assert "reserved" in found.rejected[0].reason


def test_a_stray_key_is_told_of_and_stops_nobody():
    found = call(keys("web/good", ip="10.0.0.2"), [kv("/infrastructure/eu/web/web1/ip", "10.0.0.3")])
    assert [node.name for node in found.nodes] == ["good"]
    assert "does not fit" in found.rejected[0].reason


def test_a_tree_of_another_depth_names_the_layout_that_would_fit():
    with pytest.raises(InvalidLayout, match=r"but \{dc\}/\{role\}/\{name\} \(such as"):
        call([kv("/infrastructure/eu/web/web1/ip", "10.0.0.3")])


def test_one_host_under_two_roles_is_one_node():
    document = {"id": "abc", "services": {"http": {"port": 80}}}
    other = {"id": "abc", "services": {"db": {"port": 5432}}, "tags": ["ssd"]}
    found = call(keys("web/h", ip="10.0.0.1", node=document), keys("db/h", ip="10.0.0.1", node=other, health="warning"))
    [node], rejected = merge(found.nodes)
    assert rejected == []
    assert node.roles == ("db", "web") and node.role == "db" and node.health == "warning"
    assert [service.name for service in node.services] == ["db", "http"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"node": {"id": "abc"}}, {"node": {"id": "xyz"}}),
        ({}, {}),  # two members without a document: nobody can tell whether they are one machine
    ],
)
def test_one_name_of_two_machines_is_left_out_altogether(first, second):
    found = call(
        keys("web/h", ip="10.0.0.1", **first), keys("db/h", ip="10.0.0.1", **second), keys("db/ok", ip="10.0.0.2")
    )
    nodes, [rejected] = merge(found.nodes)
    assert [node.name for node in nodes] == ["ok"]
    assert "db/h, web/h" in rejected.reason


def test_documents_are_read_back_and_the_same_content_is_the_same_bytes():
    document = Document(
        id="i", boot="b", services=(Service("http", 80, tags=("a",), meta={"k": 1}),), tags=("t",), agent="1"
    )
    assert parse_document(document.dump()) == document
    check = Check("c", "warning", "out", 5, "http", flapping=True)
    assert parse_check("c", json.dumps(check.document())) == check


def test_a_value_that_is_too_large_is_refused_before_it_is_written():
    with pytest.raises(InvalidNode, match="4096"):
        dump({"meta": "x" * 5000})


def test_worst_health():
    assert worst([]) == "passing"
    assert worst(["passing", "drain", "critical"]) == "drain"


def test_a_service_weighs_less_while_it_warns():
    document = {"services": {"http": {"port": 80, "weight": 100, "weight_warning": 30}, "admin": {"port": 81}}}
    for status, weight in (("passing", 100), ("warning", 30), ("critical", 100)):
        checks = {"http": {"status": status, "service": "http"}}
        [node] = call(keys("web/web1", ip="10.0.0.7", node=document, health=status, checks=checks)).nodes
        public = node.public()["services"]
        assert (public["http"]["weight"], public["http"]["weight_warning"]) == (weight, 30)
        assert (public["admin"]["weight"], "weight_warning" in public["admin"]) == (100, False)
        assert json.loads(node.document.dump())["services"]["http"]["weight"] == 100, "as it is stored"


def test_a_weight_for_warnings_is_a_number():
    document = {"services": {"http": {"port": 80, "weight_warning": "1; backend x"}}}
    [rejected] = call(keys("web/web1", ip="10.0.0.7", node=document)).rejected
    assert "weight_warning of service 'http'" in rejected.reason


def test_no_public_field_is_null_and_a_node_in_maintenance_says_so_whatever_its_key_holds():
    tree = [*keys("web/web1", ip="10.0.0.7"), *keys("web/web2", ip="10.0.0.8")]
    kept = [kv("/rollcall/infrastructure/maintenance/web/web1", {})]
    nodes = {node.name: node.public() for node in call(tree, kept=kept).nodes}
    assert None not in [*nodes["web1"].values(), *nodes["web2"].values()]
    assert nodes["web1"]["maintenance"] == {"by": "", "reason": ""}
    assert nodes["web2"]["maintenance"] == {}
