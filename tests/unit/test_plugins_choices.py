# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the operator decides of hosts and groups: which nodes, and how all of them are called."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleError
from ansible.inventory.data import InventoryData

from ansible_collections.rollcall.discovery.plugins.module_utils._registry.model import Document, Node, Service
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.roster import LEFT, LOST
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory import _hosts
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._clusters import Nodes
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._filters import Filters
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._groups import PATTERNS, GroupNames
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._names import HostNames
from tests.support.inventory import address_of


def a_node(name="web1", role="web", dc="", address=None, services=(), tags=(), id="", **fields):
    document = Document(id=id, services=tuple(Service(name, 80) for name in services), tags=tuple(tags))
    return Node(
        dc,
        role,
        name,
        address_of(name) if address is None else address,
        document=document,
        **{"roles": (role,), **fields},
    )


def build(*nodes, hostnames=("name",), groups=None, absent=(), lost=True, **filters):
    rules = _hosts.Rules(HostNames(hostnames), Filters(**filters), GroupNames(groups), lost)
    return _hosts.build(Nodes(list(nodes), [], list(absent), [], []), InventoryData(), lambda draft: None, rules)


def reasons(built):
    return [str(rejected) for rejected in built.rejected]


@pytest.mark.parametrize(
    ("hostnames", "host"),
    [
        (["name"], "web1"),
        (["address", "name"], "10.0.0.1"),
        (["name.dc", "address"], "web1.eu"),
    ],
)
def test_a_host_is_called_by_the_first_of_hostnames(hostnames, host):
    built = build(a_node(dc="eu"), hostnames=hostnames)
    assert list(built.draft.hosts) == list(built.draft.groups["role_web"]) == [host]
    assert built.draft.hosts[host]["rollcall_name"] == "web1"


def test_what_a_node_does_not_have_is_passed_over():
    assert list(build(a_node(), hostnames=["name.dc", "name"]).draft.hosts) == ["web1"]


def test_a_node_with_none_of_them_is_left_out():
    built = build(a_node(), a_node("web2", dc="eu"), hostnames=["name.dc"])
    assert list(built.draft.hosts) == ["web2.eu"]
    assert reasons(built) == ["'web/web1': no source of hostnames gives a name (name.dc)"]


def test_one_name_in_two_data_centres_is_two_hosts_where_the_data_centre_is_in_the_host_name():
    twins = a_node(dc="eu", id="a"), a_node(dc="us", id="b", address="10.0.0.2")
    assert list(build(*twins, hostnames=["name.dc"]).draft.hosts) == ["web1.eu", "web1.us"]
    assert reasons(build(*twins)) == [
        "'web1': the name is registered more than once, and not by the same machine: eu/web/web1, us/web/web1"
    ]


def test_of_two_machines_that_say_one_address_the_first_keeps_it_where_it_is_the_host_name():
    twins = a_node("a", id="a", address="10.0.0.1", created=5), a_node("b", id="b", address="10.0.0.1", created=4)
    built = build(*twins, hostnames=["address"])
    assert built.draft.hosts["10.0.0.1"]["rollcall_name"] == "b"
    assert reasons(built) == ["'web/a': its address 10.0.0.1 already belongs to 'web/b', which was registered first"]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_an_address_that_means_the_controller_is_no_host_name(address):
    built = build(a_node(address=address), hostnames=["address"])
    assert reasons(built) == [f"'web/web1': the address {address} as a host name would mean the controller"]


def test_an_ipv6_address_is_a_host_name():
    assert list(build(a_node(address="2001:db8::1"), hostnames=["address"]).draft.hosts) == ["2001:db8::1"]


def test_a_name_and_data_centre_that_make_no_host_name():
    built = build(a_node(dc="eu:west"), hostnames=["name.dc"])
    assert not built.draft.hosts
    assert "the name 'web1.eu:west' is not a host name" in reasons(built)[0]


NODES = (
    a_node("web1", "web", "eu", services=["http"]),
    a_node("web2", "web", "us", services=["http"], health="critical"),
    a_node("db1", "db", "eu", tags=["ssd"], maintenance={"by": "me"}),
)


@pytest.mark.parametrize(
    ("filters", "hosts"),
    [
        ({"wanted": {"role": "web"}}, ["web1", "web2"]),
        ({"wanted": {"role": ["web", "db"], "dc": "eu"}}, ["web1", "db1"]),
        ({"wanted": {"service": "http", "health": "passing"}}, ["web1", "web2"]),
        ({"wanted": {"health": ["critical"]}}, ["web2"]),
        ({"wanted": {"tag": "ssd"}}, ["db1"]),
        ({"wanted": {"name": "web1,db1"}}, ["web1", "db1"]),
        ({"wanted": {"maintenance": False}}, ["web1", "web2"]),
        ({"unwanted": {"maintenance": "yes"}}, ["web1", "web2"]),
        ({"unwanted": {"role": "web", "dc": "us"}}, ["web1", "db1"]),
        ({"unwanted": [{"dc": "us"}, {"role": "db"}]}, ["web1"]),
        ({"wanted": {"role": "web"}, "unwanted": {"name": "web1"}}, ["web2"]),
    ],
)
def test_filters(filters, hosts):
    built = build(*NODES, **filters)
    assert list(built.draft.hosts) == hosts
    assert built.filtered == len(NODES) - len(hosts)
    assert not built.rejected


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"wanted": {"roles": "web"}}, "filters: there is no filter 'roles'; did you mean 'role'?"),
        ({"wanted": {"health": "pasing"}}, "filters: value of health .*; did you mean 'passing'?"),
        ({"wanted": {"maintenance": "perhaps"}}, "filters: .*maintenance.*bool"),
        ({"wanted": {"role": []}}, "filters.role: expected a value, got an empty one"),
        ({"unwanted": {"role": None}}, "exclude_filters.role: expected a value, got an empty one"),
        ({"unwanted": [{"rolle": "x"}]}, "exclude_filters: there is no filter 'rolle'; did you mean 'role'?"),
        ({"unwanted": "web"}, "exclude_filters: 'w' is no mapping of filters"),
    ],
)
def test_a_wrong_filter_is_an_error(filters, message):
    with pytest.raises(AnsibleError, match=message):
        Filters(**filters)


def test_groups_by_other_names_and_kinds_without_groups():
    node = a_node(dc="eu", services=["http"], tags=["ssd"], maintenance={})
    built = build(
        node,
        groups={"role": "{role}", "service": "svc-{service}", "tag": None, "health": None, "maintenance": "drained"},
    )
    assert list(built.draft.groups) == ["dc_eu", "drained", "svc_http", "web"]


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"roles": "x"}, "group_names: there is no kind 'roles' of groups; did you mean 'role'?"),
        ({"role": "servers"}, "group_names.role is 'servers': it must be text with {role} once"),
        ({"role": "{role}_{dc}"}, "group_names.role is '{role}_{dc}'"),
        ({"role": "{{ role }}"}, "group_names.role is"),
        ({"role": 7}, "group_names.role is 7"),
        ({"lost": ""}, "group_names.lost is ''"),
        ({"lost": "lost_{lost}"}, "group_names.lost is 'lost_{lost}': it must be text without braces"),
        ({"lost": "maintenance"}, "group_names.lost: maintenance is the group of maintenance already"),
        ({"maintenance": "all"}, "group_names.maintenance: all is Ansible's own already"),
        ({"tag": "{tag}"}, "a node says its tag as it likes, and would choose the whole name of a group"),
        ({"service": "{service}"}, "a node says its service as it likes"),
    ],
)
def test_names_of_groups_that_cannot_work(groups, message):
    with pytest.raises(AnsibleError) as caught:
        GroupNames(groups)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "tag"), [("role_{tag}", "web"), ("{tag}l", "al"), ("health_{tag}", "drain"), ("lo{tag}", "st")]
)
def test_a_tag_takes_no_group_that_means_something_else(pattern, tag):
    built = build(a_node("web1", health="drain"), a_node("evil", "x", tags=[tag]), groups={"tag": pattern})
    assert "evil" not in built.draft.groups.get(pattern.replace("{tag}", tag), {})
    assert "all" not in built.draft.groups
    assert [note for note in built.notes if note.startswith(f"The tag '{tag}' makes no group: ")]


def test_of_a_service_and_a_tag_the_one_of_fewer_hosts_makes_no_group():
    built = build(
        a_node("a", services=["x"]), a_node("b", services=["x"]), a_node("c", tags=["x"]),
        groups={"service": "has_{service}", "tag": "has_{tag}"},
    )  # fmt: skip
    assert list(built.draft.groups["has_x"]) == ["a", "b"]
    assert built.notes == ["The tag 'x' makes no group: has_x is the group of the service 'x'"]


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (a_node(role="all"), "The role 'all' makes no group: all is Ansible's own"),
        (a_node(role="maintenance"), "maintenance is the group of maintenance"),
        (a_node(role="eu", dc="eu"), "The role 'eu' makes no group: eu is the group of the dc 'eu'"),
    ],
)
def test_a_role_that_takes_the_group_of_something_else_makes_none(node, message):
    [note] = build(node, groups={"role": "{role}", "dc": "{dc}"}).notes
    assert message in note


def test_a_role_takes_no_name_of_an_older_host():
    victim, evil = a_node("db1", "db", created=4), a_node("evil", "db1", created=5)
    built = build(victim, evil, groups={"role": "{role}"})
    assert set(built.draft.hosts) == {"db1", "evil"}
    assert built.notes == ["The role 'db1' makes no group: db1 is the name of an older host"]
    built = build(a_node("db1", "db", created=6), evil, groups={"role": "{role}"})
    assert set(built.draft.hosts) == {"evil"}


def test_every_kind_has_a_pattern_that_may_be_null():
    built = build(a_node(dc="eu", services=["a"], tags=["b"], maintenance={}), groups=dict.fromkeys(PATTERNS))
    assert not built.draft.groups
    assert built.draft.hosts


def a_lost_one(name="web9", role="web", address="10.0.0.9", health=LOST, revision=1, **fields):
    return a_node(name, role, address=address, health=health, revision=revision, **fields)


def test_a_lost_node_is_in_one_group_only():
    built = build(a_node("web1"), absent=[a_lost_one(dc="eu"), a_lost_one("web8", health=LEFT)])
    assert built.draft.groups["lost"] == {"web9": None}
    assert [group for group, hosts in built.draft.groups.items() if "web9" in hosts] == ["lost"]
    assert built.draft.hosts["web9"]["rollcall_health"] == "lost"
    assert built.draft.hosts["web9"]["ansible_host"] == "10.0.0.9"
    assert (built.alive, built.left) == (["web1"], {"web8"})


def test_lost_nodes_are_no_hosts_unless_that_is_wished():
    built = build(a_node("web1"), absent=[a_lost_one()], lost=False)
    assert list(built.draft.hosts) == ["web1"]
    assert "lost" not in built.draft.groups


def test_without_an_address_that_may_be_used_a_lost_node_is_left_out_and_told():
    """By its name Ansible would reach whatever that resolves to, 127.0.0.2 for example."""
    built = build(absent=[a_lost_one("127.0.0.2", address=""), a_lost_one("web8", address=""), a_lost_one()])
    assert list(built.draft.hosts) == list(built.draft.groups["lost"]) == ["web9"]
    assert not built.rejected
    assert built.notes == [
        "Lost nodes are omitted, since the roster has no address of theirs that may be used: 127.0.0.2, web8"
    ]
    assert not build(absent=[a_lost_one(address="")], lost=False).notes


def test_where_all_lost_nodes_are_left_out_there_is_no_group_of_them():
    assert "lost" not in build(absent=[a_lost_one(address="")]).draft.groups


def test_the_group_of_lost_nodes_has_the_name_that_was_given_or_is_not_made():
    assert list(build(absent=[a_lost_one()], groups={"lost": "gone"}).draft.groups["gone"]) == ["web9"]
    assert not build(absent=[a_lost_one()], groups={"lost": None}).draft.groups


def test_of_several_roles_that_were_lost_the_newest_entry_has_the_address():
    built = build(absent=[a_lost_one(role="lb", revision=2, address="10.0.0.2"), a_lost_one(revision=1)])
    assert built.draft.hosts["web9"]["ansible_host"] == "10.0.0.2"
    assert built.draft.hosts["web9"]["rollcall_roles"] == ["lb", "web"]


def test_a_name_that_answers_elsewhere_is_not_lost():
    built = build(a_node("web9", "lb"), absent=[a_lost_one()])
    assert built.draft.hosts["web9"]["rollcall_health"] == "passing"
    assert "lost" not in built.draft.groups


@pytest.mark.parametrize(
    ("wanted", "hosts"),
    [({"role": "web"}, ["web9"]), ({"role": "db"}, []), ({"health": "passing"}, []), ({"service": "http"}, [])],
)
def test_filters_are_for_lost_nodes_too(wanted, hosts):
    assert list(build(absent=[a_lost_one()], wanted=wanted).draft.hosts) == hosts


def test_who_left_is_known_whatever_the_filters_say():
    assert build(absent=[a_lost_one(health=LEFT)], wanted={"health": "passing"}).left == {"web9"}


def test_a_lost_node_with_the_name_of_a_group_is_left_out():
    built = build(a_node("web1"), absent=[a_lost_one("role_web"), a_lost_one("lost"), a_lost_one()])
    assert list(built.draft.hosts) == ["web1", "web9"]
    assert reasons(built) == ["'lost': a group has this name", "'role_web': a group has this name"]
