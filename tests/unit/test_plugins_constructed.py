# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`compose`, `groups` and `keyed_groups`: as with every inventory plugin, and no node stops the inventory by them."""

from __future__ import annotations

import json

import ansible.plugins.inventory
import pytest

from tests.support.inventory import members, own_variables, read_inventory, write_config

UNKNOWN = "rollcall_meta.env | default('unknown')"


@pytest.fixture
def nodes(fake_etcd, tmp_path):
    """`nodes({"web1": {"env": "prod"}}, keyed_groups=[…])` registers nodes with their meta; the path of a config."""

    def write(metas, **options):
        for number, (name, meta) in enumerate(metas.items(), 1):
            place = f"/infrastructure/{name.strip('0123456789')}/{name}"
            fake_etcd.put(f"{place}/ip", f"10.0.0.{number}")
            fake_etcd.put(f"{place}/node", json.dumps({"v": 1, "meta": meta}))
        return write_config(tmp_path, **{"endpoints": [fake_etcd.endpoint], **options})

    return write


def groups(inventory, start="env"):
    """The hosts of each group whose name starts so."""
    return {name: members(inventory, name) for name in sorted(inventory.groups) if name.startswith(start)}


def said(capsys):
    return " ".join(capsys.readouterr().err.split())


TWO = {"db1": {"env": "prod"}, "web1": {"env": "test"}}

# The same by a path and by Jinja, since the path is walked without it
KEYS = ["rollcall_meta.env", "rollcall_meta.env | lower"]


def of_role(inventory):
    return {role: sorted(group.name for group in inventory.groups[f"of_{role}"].child_groups) for role in ("db", "web")}


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("compose", [{}, {"x": "rollcall_name | upper"}, {"x": "rollcall_name"}])
def test_a_parent_group_is_a_template_of_its_host(nodes, key, compose):
    entry = {"key": key, "prefix": "env", "parent_group": "of_{{ rollcall_role }}"}
    inventory = read_inventory(nodes(TWO, compose=compose, keyed_groups=[entry]))
    assert of_role(inventory) == {"db": ["env_prod"], "web": ["env_test"]}


@pytest.mark.parametrize("key", KEYS)
def test_extra_variables_are_known_to_it_where_they_are_to_be_used(nodes, key, monkeypatch):
    monkeypatch.setattr(ansible.plugins.inventory, "load_extra_vars", lambda loader: {"rollcall_role": "extra"})
    entry = {"key": key, "prefix": "env", "parent_group": "of_{{ rollcall_role }}"}
    assert of_role(read_inventory(nodes(TWO, keyed_groups=[entry]))) == {"db": ["env_prod"], "web": ["env_test"]}
    inventory = read_inventory(nodes(TWO, keyed_groups=[entry], use_extra_vars=True))
    assert {group.name for group in inventory.groups["of_extra"].child_groups} == {"env_prod", "env_test"}


@pytest.mark.parametrize("expression", ["rollcall_role", "rollcall_role | lower"])
def test_an_extra_variable_hides_that_of_the_node(nodes, expression, monkeypatch):
    monkeypatch.setattr(ansible.plugins.inventory, "load_extra_vars", lambda loader: {"rollcall_role": "extra"})
    inventory = read_inventory(nodes(TWO, compose={"role": expression}, use_extra_vars=True))
    assert {host.vars["role"] for host in inventory.hosts.values()} == {"extra"}


def test_a_parent_group_that_fails_passes_the_host_over(nodes, failure):
    entry = {"key": "rollcall_meta.env", "prefix": "env", "parent_group": "of_{{ rollcall_meta.site }}"}
    metas = {"web1": {"env": "prod", "site": "eu"}, "web2": {"env": "prod"}}
    inventory = read_inventory(nodes(metas, keyed_groups=[entry]))
    assert groups(inventory) == {"env_prod": ["web1"]}
    assert "Could not generate parent group" in failure(nodes(metas, keyed_groups=[entry], strict=True))


@pytest.mark.parametrize("site", [5, True, None, ["x"], {"a": 1}, ""])
def test_a_parent_group_may_come_to_anything(nodes, site):
    entry = {"key": "rollcall_meta.env", "prefix": "env", "parent_group": "{{ rollcall_meta.site }}"}
    inventory = read_inventory(nodes({"web1": {"env": "prod", "site": site}, "web2": {}}, keyed_groups=[entry]))
    assert groups(inventory)["env_prod"] == ["web1"]
    assert sorted(inventory.hosts) == ["web1", "web2"]


@pytest.mark.parametrize("key", [UNKNOWN, f"({UNKNOWN})"])
@pytest.mark.parametrize(
    ("env", "names"),
    [
        (5, ["env_5"]),
        (0, ["env_0"]),
        (1.5, ["env_1_5"]),
        (True, ["env_True"]),
        (False, ["env_False"]),
        ("prod", ["env_prod"]),
        (["a", 5, True], ["env_5", "env_True", "env_a"]),
        ({"a": 1, "b": "c"}, ["env_a_1", "env_b_c"]),
        ("", []),
        (None, []),
        ([], []),
        ({}, []),
    ],
)
def test_a_number_or_truth_value_names_a_group_by_its_text(nodes, capsys, key, env, names):
    keyed_groups = [{"key": key, "prefix": "env"}]
    strict = env not in ("", None)  # that there is no name is with `strict` an error of Ansible's own
    inventory = read_inventory(nodes({"web1": {"env": env}, "web2": {}}, keyed_groups=keyed_groups, strict=strict))
    assert groups(inventory) == {**{name: ["web1"] for name in names}, "env_unknown": ["web2"]}
    assert "[WARNING]" not in said(capsys)


@pytest.mark.parametrize("env", [[["x"]], [{"a": 1}], {"a": {"b": 1}}, {"a": [1]}])
def test_what_names_no_group_passes_its_host_over_with_a_warning(nodes, capsys, failure, env):
    keyed_groups = [{"key": UNKNOWN, "prefix": "env"}, {"key": "rollcall_name", "prefix": "is"}]
    metas = {"web1": {"env": env}, "web2": {"env": env}, "web3": {"env": "prod"}}
    inventory = read_inventory(nodes(metas, keyed_groups=keyed_groups))
    assert groups(inventory) == {"env_prod": ["web3"]}
    assert sorted(groups(inventory, "is_")) == ["is_web1", "is_web2", "is_web3"]
    warned = said(capsys)
    assert f"keyed_groups: the value of {UNKNOWN} names no group: web1 ({env}), web2 ({env})" in warned
    assert warned.count("[WARNING]") == 1
    printed = failure(nodes(metas, keyed_groups=keyed_groups, strict=True))
    assert f"Could not generate group for host web1 from {UNKNOWN} entry: {env} names no group" in printed


@pytest.mark.parametrize(
    ("entry", "names"),
    [
        ({"separator": ""}, ["prod"]),
        ({"prefix": "env", "default_value": "none"}, ["env_none", "env_prod"]),
        ({"prefix": "env"}, ["env_", "env_prod"]),
    ],
)
def test_an_empty_name_makes_no_group_and_stops_nothing(nodes, entry, names):
    inventory = read_inventory(
        nodes({"web1": {"env": ["", "prod"]}}, keyed_groups=[{"key": "rollcall_meta.env", **entry}], group_names=NONE)
    )
    assert sorted(set(inventory.groups) - {"all", "ungrouped"}) == names


NONE = dict.fromkeys(["role", "health"])


@pytest.mark.parametrize(
    "mistake",
    [
        [{"key": "rollcall_role", "default_value": "x", "trailing_separator": False}],
        ["rollcall_role"],
        [{}],
    ],
)
def test_mistakes_of_the_operator_are_errors(nodes, failure, mistake):
    assert "keyed group" in failure(nodes(TWO, keyed_groups=mistake))


def test_options_may_be_empty(nodes):
    assert (
        len(read_inventory(nodes(TWO, compose=None, groups=None, keyed_groups=[{"key": "rollcall_role"}])).hosts) == 2
    )


def test_a_node_that_names_the_parent_of_its_group_stops_nothing(nodes, capsys):
    entry = {"key": "rollcall_meta.env", "prefix": "env", "parent_group": "env_all"}
    metas = {"web1": {"env": "all"}, "web2": {"env": "prod"}, "web3": {"env": "all"}}
    inventory = read_inventory(nodes(metas, keyed_groups=[entry]))
    assert groups(inventory) == {"env_all": ["web1", "web3"], "env_prod": ["web2"]}
    assert [group.name for group in inventory.groups["env_all"].child_groups] == ["env_prod"]
    warned = said(capsys)
    assert "Groups cannot contain each other in a circle, so this is omitted: 'env_all' in 'env_all'" in warned
    assert warned.count("[WARNING]") == 1


def test_nor_does_one_that_names_the_parents_of_two(nodes, capsys):
    keyed_groups = [
        {"key": "rollcall_meta.a", "prefix": "a", "parent_group": "b_x"},
        {"key": "rollcall_meta.b", "prefix": "b", "parent_group": "a_x"},
    ]
    inventory = read_inventory(nodes({"web1": {"a": "x", "b": "x"}, "web2": {"a": "y"}}, keyed_groups=keyed_groups))
    assert [group.name for group in inventory.groups["b_x"].child_groups] == ["a_x", "a_y"]
    assert "this is omitted: 'b_x' in 'a_x'" in said(capsys)


@pytest.mark.parametrize(
    ("host", "entry"),
    [("db1", {"separator": ""}), ("db2", {"prefix": "env", "parent_group": "{{ rollcall_meta.env }}"})],
)
def test_nor_does_one_that_names_another_host_take_its_place(nodes, capsys, host, entry):
    keyed_groups = [{"key": "rollcall_meta.env", **entry}, {"key": "rollcall_role", "parent_group": "roles"}]
    inventory = read_inventory(nodes({host: {}, "evil1": {"env": host}}, keyed_groups=keyed_groups))
    assert sorted(inventory.hosts) == [host, "evil1"]
    assert host not in inventory.groups
    assert f"keyed_groups makes no group with the name of an older host: '{host}'" in said(capsys)


def test_a_host_that_takes_the_name_of_an_older_group_is_left_out(nodes, capsys):
    metas = {"web1": {"env": "prod"}, "prod": {}, "web2": {"env": "prod"}}
    inventory = read_inventory(nodes(metas, keyed_groups=[{"key": "rollcall_meta.env", "separator": ""}]))
    assert members(inventory, "prod") == ["web1", "web2"]
    assert "prod" not in inventory.hosts
    assert "'prod': a group has this name" in said(capsys)


def test_nor_one_that_names_the_variables_of_hosts_in_the_output(nodes, capsys):
    entry = {"key": "rollcall_meta.env", "separator": "", "parent_group": "envs"}
    inventory = read_inventory(nodes({"web1": {"env": "_meta"}, "web2": {"env": "prod"}}, keyed_groups=[entry]))
    assert sorted(inventory.hosts) == ["web1", "web2"]
    assert "_meta" not in inventory.groups
    assert "There can be no group of the name '_meta', and so not for: 'web1'" in said(capsys)


def test_nor_one_that_names_the_group_of_everybody(nodes, capsys):
    entry = {"key": "rollcall_meta.env", "separator": "", "parent_group": "envs"}
    inventory = read_inventory(nodes({"web1": {"env": "all"}, "web2": {"env": "prod"}}, keyed_groups=[entry]))
    assert sorted(inventory.hosts) == ["web1", "web2"]
    assert "this is omitted: 'all' in 'envs'" in said(capsys)


EXPRESSIONS = {
    "inventory_hostname": ["db1", "web1"],
    "inventory_hostname_short": ["db1", "web1"],
    "inventory_hostname | upper": ["DB1", "WEB1"],
    "group_names | select('match', 'role_') | first": ["role_db", "role_web"],
}


@pytest.mark.parametrize(("key", "names"), EXPRESSIONS.items())
def test_expressions_know_what_ansible_says_of_every_host(nodes, key, names):
    options = {
        "compose": {"x": key},
        "groups": {"dbs": "inventory_hostname.startswith('db')", "webs": "'role_web' in group_names"},
        "keyed_groups": [{"key": key, "prefix": "is"}],
    }
    inventory = read_inventory(nodes(TWO, strict=True, **options))
    assert [inventory.hosts[host].vars["x"] for host in ("db1", "web1")] == names
    assert (members(inventory, "dbs"), members(inventory, "webs")) == (["db1"], ["web1"])
    assert groups(inventory, "is_") == {f"is_{names[0]}": ["db1"], f"is_{names[1]}": ["web1"]}
    assert not set(inventory.hosts["db1"].vars) & {"inventory_hostname", "inventory_hostname_short", "group_names"}


def test_a_keyed_group_knows_the_groups_that_expressions_have_made_before_it(nodes):
    options = {
        "groups": {"dbs": "rollcall_role == 'db'"},
        "keyed_groups": [
            {"key": "'no' if 'dbs' in group_names else 'yes'", "prefix": "web", "parent_group": "sites"},
            {"key": "group_names | intersect(['web_yes', 'sites', 'dbs'])", "prefix": "in"},
        ],
    }
    inventory = read_inventory(nodes(TWO, strict=True, **options))
    assert groups(inventory, "in_") == {
        "in_dbs": ["db1"],
        "in_sites": ["db1", "web1"],
        "in_web_yes": ["web1"],
    }


def test_what_is_composed_is_known_to_what_follows(nodes, tmp_path):
    earlier = tmp_path / "hosts.yml"
    earlier.write_text(json.dumps({"all": {"hosts": {"web1": {}}}}))
    path = nodes(TWO, strict=True, compose={"a": "rollcall_name", "b": "a ~ '!'"})
    inventory = read_inventory(earlier, path)
    assert {name: host.vars["b"] for name, host in inventory.hosts.items()} == {"db1": "db1!", "web1": "web1!"}


def test_every_host_has_its_variables_and_their_names_are_no_templates(nodes):
    inventory = read_inventory(nodes({**TWO, "web2": {}}, compose={"a": "rollcall_name"}))
    assert {name: host.vars["a"] for name, host in inventory.hosts.items()} == {name: name for name in inventory.hosts}
    assert {type(name) for host in inventory.hosts.values() for name in host.vars} == {str}


@pytest.fixture
def hosts(tmp_path):
    """An earlier source, with an address and a password for web1."""
    path = tmp_path / "hosts.ini"
    path.write_text("web1 ansible_host=10.1.1.1 ansible_password=sesame\nplain ansible_password=sesame\n")
    return path


def test_a_node_does_not_take_over_the_address_of_a_host_of_an_earlier_source(nodes, hosts, capsys):
    inventory = read_inventory(hosts, nodes(TWO))
    variables = own_variables(inventory, "web1")
    assert (variables["ansible_host"], variables["ansible_password"]) == ("10.1.1.1", "sesame")
    assert (variables["rollcall_address"], members(inventory, "role_web")) == ("10.0.0.2", ["web1"])
    warned = said(capsys)
    assert (
        "The ansible_host of an earlier inventory source stays, and is not what etcd says. If it is right, put the "
        "source of etcd first; if etcd is right, remove ansible_host there. That is so for: "
        "web1 ('10.1.1.1', not '10.0.0.2')"
    ) in warned
    assert warned.count("[WARNING]") == 1
    assert "sesame" not in warned


def test_a_node_with_the_address_of_a_host_of_an_earlier_source_is_told_of(nodes, tmp_path, capsys):
    path = tmp_path / "hosts.ini"
    path.write_text("old1 ansible_host=10.0.0.1\n10.0.0.2\nweb3 ansible_host=10.0.0.3\n")
    inventory = read_inventory(path, nodes({"evil1": {}, "evil2": {}, "web3": {}}))
    assert {"evil1", "evil2", "web3", "old1"} <= set(inventory.hosts)
    warned = said(capsys)
    assert "'evil1' (10.0.0.1, 'old1'), 'evil2' (10.0.0.2, '10.0.0.2')" in warned
    assert "web3" not in warned


def test_nor_by_what_is_composed_of_its_words(nodes, hosts, capsys):
    path = nodes({"web1": {"vpn": "6.6.6.6"}, "db1": {"vpn": "6.6.6.7"}}, compose={"ansible_host": "rollcall_meta.vpn"})
    inventory = read_inventory(hosts, path)
    assert [inventory.hosts[host].vars["ansible_host"] for host in ("web1", "db1")] == ["10.1.1.1", "6.6.6.7"]
    assert "('10.1.1.1', not '6.6.6.6')" in said(capsys)


def test_what_a_node_says_of_its_address_is_shown_in_one_short_line(nodes, hosts, capsys):
    read_inventory(hosts, nodes({"web1": {"vpn": "\x1b[2J\n" * 300}}, compose={"ansible_host": "rollcall_meta.vpn"}))
    printed = capsys.readouterr().err
    assert "\x1b[2J" not in printed
    assert len(printed) < 1000


def test_nor_when_it_is_lost(nodes, hosts, fake_etcd):
    entry = json.dumps({"state": "joined", "address": "6.6.6.6"})
    fake_etcd.put("/rollcall/infrastructure/roster/web/web1", entry)
    inventory = read_inventory(hosts, nodes({"db1": {}}, lost=True))
    assert members(inventory, "lost") == ["web1"]
    assert inventory.hosts["web1"].vars["ansible_host"] == "10.1.1.1"


def test_an_address_is_added_where_none_was_given_and_one_that_is_the_same_is_no_news(nodes, hosts, capsys):
    hosts.write_text("db1 ansible_host=10.0.0.1\nweb1 ansible_password=sesame\n")
    inventory = read_inventory(hosts, nodes(TWO))
    assert [inventory.hosts[host].vars["ansible_host"] for host in ("db1", "web1")] == ["10.0.0.1", "10.0.0.2"]
    assert "[WARNING]" not in said(capsys)


def test_a_later_source_has_the_last_word_as_ever(nodes, hosts, capsys):
    assert read_inventory(nodes(TWO), hosts).hosts["web1"].vars["ansible_host"] == "10.1.1.1"
    assert "[WARNING]" not in said(capsys)


def test_a_tree_that_operators_write_is_a_source_like_others(fake_etcd, hosts, tmp_path):
    fake_etcd.put("/ansible/hosts/web/web1", "")
    fake_etcd.put("/ansible/hostvars/web1/ansible_host", "10.2.2.2")
    path = write_config(tmp_path, endpoints=[fake_etcd.endpoint], layout="script", prefix="/ansible")
    assert read_inventory(hosts, path).hosts["web1"].vars["ansible_host"] == "10.2.2.2"
