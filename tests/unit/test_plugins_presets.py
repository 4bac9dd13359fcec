# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trees that people already have: what each layout makes of them, and what it refuses to believe."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from ansible.plugins.loader import inventory_loader
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.rollcall.discovery.plugins.inventory import etcd as plugin
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.wire import KeyValue
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.errors import InvalidLayout
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.layout import LAYOUTS
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.node_set import Admission
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.validation import (
    RESERVED_NAMES,
    parse_networks,
)
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._presets import PRESETS, Trust
from tests.support.inventory import own_variables, read_inventory, trusted_texts, write_config
from tests.unit.test_plugins_trust import NASTY, VALUES

TEMPLATE = "{{ lookup('ansible.builtin.pipe', 'touch /tmp/rollcall-was-here') }}"


@pytest.fixture
def config(fake_etcd, tmp_path):
    """Writes a configuration for the fake."""
    return lambda **options: write_config(tmp_path, **{"endpoints": [fake_etcd.endpoint], **options})


def read(layout, tree, networks=(), trusted=()):
    keys = {key: value if isinstance(value, str) else json.dumps(value) for key, value in tree.items()}
    kvs = {key: KeyValue(f"/x/{key}", value, 1, 7, 1, 5) for key, value in keys.items()}
    return PRESETS[layout].read(kvs, Trust(Admission(parse_networks(networks)), trusted))


def reasons(tree):
    return {rejected.path: rejected.reason for rejected in tree.rejected}


def test_the_documented_layouts_are_those_there_are():
    options = yaml.safe_load(plugin.DOCUMENTATION)["options"]
    assert options["layout"]["choices"] == [*LAYOUTS, *PRESETS]
    assert inventory_loader.get("rollcall.discovery.etcd").option_definitions["layout"]["vars"]


# json


@pytest.mark.parametrize(
    ("document", "fields"),
    [
        ({"ip": "10.0.0.5"}, {"name": "key", "role": "", "roles": (), "dc": "", "health": "passing"}),
        (
            {"address": "10.0.0.5", "name": "n1", "role": "r", "datacenter": "eu"},
            {"name": "n1", "role": "r", "dc": "eu"},
        ),
        ({"ip": "10.0.0.5", "hostname": "n1", "type": "r"}, {"name": "n1", "roles": ("r",)}),
        ({"ip": "10.0.0.5", "health": "critical", "role": None}, {"health": "critical", "roles": ()}),
    ],
)
def test_a_document_is_a_node(document, fields):
    [node] = read("json", {"key": document}).nodes
    assert {name: getattr(node, name) for name in fields} == fields
    assert (node.address, node.revision) == ("10.0.0.5", 7)


def test_groups_are_tags_and_the_rest_of_a_document_is_meta():
    [node] = read(
        "json", {"a": {"ip": "10.0.0.5", "groups": ["x", "y", "x"], "mac": "00:01", "role": "r", "type": 1}}
    ).nodes
    assert node.document.tags == ("x", "y")
    assert node.document.meta == {"mac": "00:01", "type": 1}


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"hostname": "a"}, "no ip"),
        ({"ip": 10}, "no ip"),
        ({"ip": "127.0.0.1"}, "loopback"),
        ({"ip": "10.0.0.5", "hostname": ["a"]}, "not a host name"),
        ({"ip": "10.0.0.5", "hostname": "::1"}, "not a host name"),
        ({"ip": "10.0.0.5", "role": ["a"]}, "not a valid name"),
        ({"ip": "10.0.0.5", "groups": {"a": 1}}, "groups is not a list"),
        ({"ip": "10.0.0.5", "groups": [1]}, "not a valid name"),
        ({"ip": "10.0.0.5", "health": []}, "the health"),
        ([], "not a JSON object"),
    ],
)
def test_a_document_that_cannot_be_is_left_out(document, reason):
    tree = read("json", {"a": document, "good": {"ip": "10.0.0.6"}})
    assert [node.name for node in tree.nodes] == ["good"]
    assert reason in reasons(tree)["'a'"]


# consul


def test_groups_and_metadata_make_hosts():
    tree = read("consul", {"groups/eu/web1": "a, b", "metadata/eu/web1": {"x": 1}, "metadata/us/db1": {"y": [2]}})
    web1, db1 = tree.nodes
    assert (web1.name, web1.dc, web1.roles, web1.document.meta) == ("web1", "eu", ("a", "b"), {"x": 1})
    assert (db1.name, db1.dc, db1.roles, db1.document.meta) == ("db1", "us", (), {"y": [2]})


# script


def test_values_are_json_where_they_are_json():
    values = {"a": "8080", "b": "true", "c": '"3.10"', "d": "text", "e": "{x", "f": "NaN", "g": "", "h": '{"a": [1]}'}
    [node] = read("script", {"hosts/web/web1": "", **{f"hostvars/web1/{k}": v for k, v in values.items()}}).nodes
    assert node.document.meta == {
        "a": 8080,
        "b": True,
        "c": "3.10",
        "d": "text",
        "e": "{x",
        "f": "NaN",
        "g": "",
        "h": {"a": [1]},
    }


def test_what_is_not_text_is_left_out():
    tree = read("script", {"hosts/web/web1": "", "hostvars/web1/x": "\udcff", "groupvars/web/y": "\udcff"})
    assert "is not UTF-8" in reasons(tree)["'web1'"]
    assert "is not UTF-8" in reasons(tree)["'groupvars/web/y'"]


def test_a_circle_of_groups_is_an_error_that_names_them():
    with pytest.raises(InvalidLayout, match="The groups [abc], [abc], [abc] are within each other"):
        read("script", {"groups/a/b": "", "groups/b/c": "", "groups/c/a": "", "groups/d/a": "", "hosts/a/web1": ""})


def test_variables_of_groups_and_groups_of_groups(fake_etcd, config):
    for key, value in {
        "hosts/web/web1": "",
        "groupvars/web/port": "80",
        "groupvars/all/ntp": "ntp1",
        "groupvars/lonely/x": "1",
        "groups/site/web": "",
        "groups/site-b/none": "",
    }.items():
        fake_etcd.put(f"/infrastructure/{key}", value)
    inventory = read_inventory(config(layout="script"))
    assert inventory.groups["web"].vars == {"port": 80}
    assert inventory.groups["all"].vars == {"ntp": "ntp1"}
    assert inventory.groups["lonely"].vars == {"x": 1}
    assert inventory.groups["web"].parent_groups == [inventory.groups["site"]]
    assert [group.name for group in inventory.groups["site_b"].child_groups] == ["none"]
    assert not [name for name in inventory.groups if name.startswith(("role_", "health"))]


def test_group_names_can_be_others_and_none(fake_etcd, config):
    for key in ("hosts/web/web1", "groups/site/web", "groupvars/web/x"):
        fake_etcd.put(f"/infrastructure/{key}", "1")
    inventory = read_inventory(config(layout="script", group_names={"role": "etcd_{role}", "health": "{health}"}))
    assert set(inventory.groups) == {"all", "ungrouped", "etcd_web", "etcd_site", "passing"}
    assert inventory.groups["etcd_web"].vars == {"x": 1}
    inventory = read_inventory(config(layout="script", group_names={"role": None}))
    assert set(inventory.groups) == {"all", "ungrouped"}


# Trees that operators write

BOTH = pytest.mark.parametrize(
    ("layout", "tree"),
    [
        ("consul", lambda variables: {"groups/eu/web1": "web", "metadata/eu/web1": variables}),
        ("script", lambda variables: {"hosts/web/web1": "", **{f"hostvars/web1/{k}": v for k, v in variables.items()}}),
    ],
    ids=["consul", "script"],
)
SPECIAL = [
    "ansible_user",
    "ansible_connection",
    "rollcall_etcd_endpoints",
    "hostvars",
    "group_names",
    "vars",
    "a-b",
    "1",
]


@BOTH
def test_special_variables_are_not_taken_and_told_of_once(layout, tree):
    found = read(layout, tree({"x": "y", **dict.fromkeys(SPECIAL, "z")}))
    assert found.nodes[0].document.meta == {"x": "y"}
    assert sorted(re.search("'(.*?)'", note).group(1) for note in found.notes) == sorted(SPECIAL)


@BOTH
def test_the_operator_can_trust_a_variable(layout, tree):
    found = read(layout, tree({"ansible_user": "me", "ansible_port": "22", "ansible_host": "web1.example.com"}),
                 trusted=["ansible_user", "ansible_host"])  # fmt: skip
    assert found.nodes[0].document.meta == {"ansible_user": "me", "ansible_host": "web1.example.com"}
    assert found.nodes[0].address == ""
    assert len(found.notes) == 1


@BOTH
def test_an_address_is_checked_and_without_one_a_host_is_reached_by_its_name(layout, tree):
    assert read(layout, tree({"ansible_host": "10.0.0.5"})).nodes[0].address == "10.0.0.5"
    assert read(layout, tree({"x": "y"})).nodes[0].address == ""
    for address in ("127.0.0.1", "web1.example.com", "10.0.0.5 -oProxyCommand=id"):
        assert len(read(layout, tree({"ansible_host": address})).rejected) == 1
    [rejected] = read(layout, tree({"x": "y"}), networks=["10.0.0.0/8"]).rejected
    assert "allowed_networks" in rejected.reason
    assert read(layout, tree({"ansible_host": "192.168.0.1"}), networks=["10.0.0.0/8"]).rejected


@pytest.mark.parametrize("name", ["127.0.0.1", "127.1", "2130706433", "127.0.0.2", "0"])
def test_a_name_that_a_resolver_takes_for_an_address_must_be_a_good_one(name):
    assert read("script", {f"hosts/web/{name}": ""}).nodes == []
    assert read("consul", {f"groups/eu/{name}": "web"}).nodes == []
    assert read("script", {"hosts/web/10.0.0.5": ""}).nodes[0].address == "10.0.0.5"


WORDS = st.one_of(
    st.sampled_from([text.replace("/", "") for text in NASTY]), st.sampled_from(["web", "web1", "ansible_host"])
)
SAID = (
    st.sampled_from(["ip", "hostname", "role", "dc", "groups", "health", "ansible_host", "ansible_user", "x"]) | WORDS
)
FIELDS = st.dictionaries(SAID, VALUES, max_size=4).flatmap(
    lambda fields: st.sampled_from([fields, {"ip": "10.0.0.9", **fields}, {**fields, "ip": "10.0.0.9"}]).map(json.dumps)
)
TREES = {
    "json": st.dictionaries(WORDS, FIELDS, max_size=4),
    "consul": st.dictionaries(
        st.tuples(st.sampled_from(["groups", "metadata"]), WORDS, WORDS).map("/".join), WORDS | FIELDS, max_size=4
    ),
    "script": st.dictionaries(
        st.tuples(st.sampled_from(["hosts", "hostvars", "groupvars"]), WORDS, WORDS).map("/".join),
        WORDS | VALUES.map(json.dumps),
        max_size=6,
    ),
}


@pytest.mark.parametrize("layout", TREES)
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_whatever_a_tree_says_the_good_host_stays_and_nothing_special_is_set(layout, data):
    good = {"json": "good", "consul": "metadata/eu/good", "script": "hostvars/good/ansible_host"}[layout]
    value = "10.0.0.1" if layout == "script" else {"ip": "10.0.0.1", "ansible_host": "10.0.0.1"}
    tree = {**data.draw(TREES[layout]), good: value, **({"hosts/web/good": ""} if layout == "script" else {})}
    found = read(layout, tree)
    assert [node.address for node in found.nodes if node.name == "good"] == ["10.0.0.1"]
    for node in found.nodes:
        assert node.name.lower() not in RESERVED_NAMES
        assert re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", node.name)
        assert re.fullmatch(r"[0-9a-f.:]+", node.address or ":")
        assert json.dumps(node.public(), allow_nan=False, ensure_ascii=False).encode()
        if PRESETS[layout].operated:
            assert all(re.fullmatch(r"[A-Za-z_]\w*", name) for name in node.document.meta)
            assert not {name for name in node.document.meta if name.startswith(("ansible_", "rollcall_"))}


@pytest.mark.parametrize("layout", ["json", "consul", "script"])
def test_text_of_a_tree_is_no_template(fake_etcd, config, layout):
    tree = {
        "json": {"web1": json.dumps({"ip": "10.0.0.1", "x": TEMPLATE})},
        "consul": {"metadata/eu/web1": json.dumps({"x": TEMPLATE, "y": {TEMPLATE: [TEMPLATE]}})},
        "script": {"hosts/web/web1": "", "hostvars/web1/x": TEMPLATE, "groupvars/web/z": f'["{TEMPLATE}"]'},
    }[layout]
    for key, value in tree.items():
        fake_etcd.put(f"/infrastructure/{key}", value)
    inventory = read_inventory(config(layout=layout))
    assert TEMPLATE in json.dumps(own_variables(inventory, "web1"), ensure_ascii=False)
    assert not list(
        trusted_texts([own_variables(inventory, "web1"), *(group.vars for group in inventory.groups.values())])
    )
