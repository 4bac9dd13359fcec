# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever nodes say: no template, no variable but those of the closed list, no name that means something else."""

from __future__ import annotations

import json
import random
import re

import pytest
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader, inventory_loader
from ansible.template import trust_as_template
from ansible.utils.collection_loader import AnsibleCollectionConfig
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.wire import KeyValue
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.layout import Layout
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.model import Node
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.node_set import assemble
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory import _hosts
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._clusters import Nodes
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._groups import GroupNames
from tests.support.inventory import address_of, own_variables, read_inventory, trusted_texts, write_config

CLOSED_LIST = {"ansible_host", *(f"rollcall_{field}" for field in Node("", "web", "web1", "10.0.0.1").public())}
GROUP = re.compile(r"all|ungrouped|maintenance|(role|service|tag|health)_[A-Za-z0-9_]+")

# What operators make of nodes' words, by paths and by Jinja
CONSTRUCTED = {
    "compose": {"own_env": "rollcall_meta.env", "own_text": "rollcall_meta.env ~ ''"},
    "groups": {"own_web": "rollcall_meta.env == 'web'", "own_any": "rollcall_meta.env"},
    "keyed_groups": [
        {"key": "rollcall_meta.env", "prefix": "own", "parent_group": "own_all"},
        {"key": "rollcall_meta.env | default('unknown')", "prefix": "own_a", "parent_group": "own_b_web"},
        {"key": "rollcall_meta.env | default([])", "prefix": "own_b", "parent_group": "own_a_web"},
        {"key": "rollcall_meta", "prefix": "own_c", "parent_group": "own_{{ rollcall_meta.env | default('all') }}"},
        {"key": "rollcall_tags", "prefix": "own", "separator": ""},
    ],
}

TEMPLATE = "{{ lookup('ansible.builtin.pipe', 'touch /tmp/rollcall-was-here') }}"
# fmt: off
NASTY = [
    "localhost", "LOCALHOST", "127.0.0.1", "::1", "all", "ungrouped", "role_web", "maintenance", "tag_x", "hostvars",
    "", " ", ".", "..", "-", "web1\n", "a\nb", 'a"b', "a'b", "a b", "a;b", "$(id)", "`id`", "a:b", "web[1:9]", "!all",
    TEMPLATE, "{% for %}", "{{", "}}", "{#", "!unsafe x", "\0", "\x1b[2J", "\u202e", "\udcff", "\ud800", "é", "1.1",
    "127.0.0.1%lo", "::ffff:127.0.0.1", "fe80::1", "2001:db8::1%\nx", "0.0.0.0", "224.0.0.1", "0x7f000001", "10",
    "10.0.0.1 -oProxyCommand=id", "ansible_connection", "__ansible_unsafe", "__ansible_vault", "__ansible_type",
    "1e999", "NaN", "[", '{"a":' * 600, "null", "true", "9" * 5000,
]
# fmt: on
WORDS = st.one_of(st.sampled_from(NASTY), st.text(max_size=20), st.sampled_from(["web", "a", "b", "web-1"]))
VALUES = st.recursive(
    st.one_of(WORDS, st.none(), st.booleans(), st.integers(), st.floats()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=5,
)
FIELDS = ("v", "id", "boot", "services", "tags", "meta", "agent", "ansible_connection")
DOCUMENTS = st.one_of(WORDS, st.dictionaries(st.sampled_from(FIELDS), VALUES).map(json.dumps))
LEAVES = ("ip", "node", "health", "checks/x", "checks/" + TEMPLATE)
NODES = st.tuples(WORDS, WORDS, st.dictionaries(st.sampled_from(LEAVES), DOCUMENTS), st.booleans())


def keys_of(role, name, leaves, has_address):
    found = {f"/infrastructure/{role}/{name}/{leaf}": value for leaf, value in leaves.items()}
    if has_address:
        found[f"/infrastructure/{role}/{name}/ip"] = address_of(f"{role}/{name}")
    return found


def assert_harmless(inventory, group=GROUP, more=frozenset()):
    """Groups are called as `group` says, and hosts have the closed list of variables and perhaps some `more`."""
    assert own_variables(inventory, "good")["ansible_host"] == "10.0.0.1"
    assert not {name.lower() for name in inventory.hosts} & {"localhost", "127.0.0.1", "::1", "all", "ungrouped"}
    assert not set(inventory.hosts) & set(inventory.groups)
    for name in inventory.hosts:
        assert re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", name), name
        variables = own_variables(inventory, name)
        assert set(variables) - more == CLOSED_LIST
        assert re.fullmatch(r"[0-9a-f.:]+", variables["ansible_host"]), variables["ansible_host"]
        assert json.dumps(variables, allow_nan=False, ensure_ascii=False).encode()
        assert not list(trusted_texts(variables))
    for found in inventory.groups.values():
        assert group.fullmatch(found.name), found.name
        assert not found.vars


@settings(max_examples=125, deadline=None)
@given(st.lists(NODES, min_size=1, max_size=8))
def test_no_node_gets_beyond_its_own_host(nodes):
    tree = {key: value for node in nodes for key, value in keys_of(*node).items()}
    tree["/infrastructure/web/good/ip"] = "10.0.0.1"
    found = assemble(9, [KeyValue(key, value, 1, 1, 1, 7) for key, value in tree.items()], [], Layout())
    inventory = InventoryData()
    built = _hosts.build(Nodes(found.nodes, found.rejected, [], [], []), inventory, lambda draft: None)
    built.draft.populate(inventory)
    assert_harmless(inventory)


@settings(max_examples=125, deadline=None)
@given(st.lists(NODES, min_size=1, max_size=8), st.sampled_from(["role_{tag}", "health_{tag}", "a{tag}", "{tag}d"]))
def test_no_claim_gets_into_a_group_that_means_something_else(nodes, pattern):
    tree = {key: value for node in nodes for key, value in keys_of(*node).items()}
    document = {"tags": ["web", "passing", "ll", "ungroupe", "x"], "services": {"web": {"port": 1}, "ll": {"port": 1}}}
    tree["/infrastructure/evil/evil/ip"] = "10.0.0.6"
    tree["/infrastructure/evil/evil/node"] = json.dumps(document)
    tree["/infrastructure/evil/evil/health"] = "critical"
    tree["/infrastructure/web/good/ip"] = "10.0.0.1"
    found = assemble(9, [KeyValue(key, value, 1, 1, 1, 7) for key, value in tree.items()], [], Layout())
    rules = _hosts.Rules(groups=GroupNames({"tag": pattern, "service": "a{service}"}))
    built = _hosts.build(Nodes(found.nodes, found.rejected, [], [], []), InventoryData(), lambda draft: None, rules)
    assert not {"all", "ungrouped"} & set(built.draft.groups)
    for host in ("evil", "good"):
        said = built.draft.hosts[host]
        theirs = {group for group, hosts in built.draft.groups.items() if host in hosts}
        assert {group for group in theirs if group.startswith("health_")} >= {f"health_{said['rollcall_health']}"}
    assert "evil" not in built.draft.groups["role_web"]
    assert "evil" not in built.draft.groups["health_passing"]
    assert "good" in built.draft.groups["role_web"]


@pytest.fixture(scope="module")
def construct():
    """Puts into a draft what the plugin makes of the hosts by CONSTRUCTED."""
    if AnsibleCollectionConfig.collection_finder is None:
        init_plugin_loader()
    plugin = inventory_loader.get("rollcall.discovery.etcd")
    plugin.loader, plugin._vars = DataLoader(), {}
    plugin.set_options(direct={"plugin": "rollcall.discovery.etcd", **trusted(CONSTRUCTED)})
    return plugin.construct


def trusted(value):
    """As Ansible reads it from a file of the operator."""
    if isinstance(value, dict):
        return {name: trusted(inner) for name, inner in value.items()}
    return list(map(trusted, value)) if isinstance(value, list) else trust_as_template(value)


OWN_GROUP = re.compile(rf"{GROUP.pattern}|own_?\w*")
OWN = set(CONSTRUCTED["compose"])


@settings(max_examples=125, deadline=None)
@given(st.lists(st.tuples(VALUES, st.lists(WORDS, max_size=3)), min_size=1, max_size=6))
def test_no_word_of_a_node_stops_what_operators_make_of_it(construct, says):
    tree = {"/infrastructure/web/good/ip": "10.0.0.1"}
    for number, (env, tags) in enumerate(says):
        tree[f"/infrastructure/web/n{number}/ip"] = f"10.0.1.{number}"
        tree[f"/infrastructure/web/n{number}/node"] = json.dumps({"meta": {"env": env}, "tags": tags})
    found = assemble(9, [KeyValue(key, value, 1, 1, 1, 7) for key, value in tree.items()], [], Layout())
    inventory = InventoryData()
    built = _hosts.build(Nodes(found.nodes, found.rejected, [], [], []), inventory, construct)
    built.draft.populate(inventory)
    inventory.reconcile_inventory()
    assert set(inventory.hosts) == {node.name for node in found.nodes}
    assert_harmless(inventory, OWN_GROUP, OWN)


def a_thousand(seed):
    """Keys of hostile nodes, with the nasty words in every place where a node can say something."""
    chance = random.Random(seed)

    def nasty():
        return chance.choice(NASTY)

    def seldom(usual):
        return nasty() if chance.random() < 0.1 else usual

    for number in range(1000):
        document = {
            "v": seldom(1),
            "services": {seldom("web"): {"port": seldom(80), "meta": {nasty(): nasty()}}},
            "tags": [seldom("ssd")],
            "meta": {nasty(): nasty(), "ansible_connection": "local", "deep": [{nasty(): TEMPLATE}], "env": nasty()},
            "ansible_connection": "local",
        }
        place = f"/infrastructure/{seldom('web')}/{seldom(f'n{number}')}"
        yield f"{place}/ip", seldom(f"10.1.{number // 250}.{number % 250}")
        yield f"{place}/node", seldom(json.dumps(document))
        yield f"{place}/{seldom('health')}", seldom("passing")
        yield f"/rollcall/infrastructure/maintenance/web/n{number}", seldom(json.dumps({"by": TEMPLATE}))


@pytest.mark.parametrize(("options", "group", "more"), [({}, GROUP, set()), (CONSTRUCTED, OWN_GROUP, OWN)])
def test_a_thousand_hostile_nodes_through_the_plugin(fake_etcd, tmp_path, capsys, options, group, more):
    fake_etcd.put("/infrastructure/web/good/ip", "10.0.0.1")
    for pair in a_thousand(seed=2026):
        fake_etcd.put(*(text.encode("utf-8", "replace").decode() for text in pair))
    inventory = read_inventory(write_config(tmp_path, endpoints=[fake_etcd.endpoint], **options))
    assert 50 < len(inventory.hosts) < 500
    assert_harmless(inventory, group, more)
    assert "\x1b[2J" not in capsys.readouterr().err
    meta = [host.vars["rollcall_meta"] for host in inventory.hosts.values()]
    assert any(TEMPLATE in str(said) for said in meta), "it is kept, as text"
