# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From nodes to hosts: variables, groups, names that cannot be, and the guards."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleError
from ansible.inventory.data import InventoryData

from ansible_collections.rollcall.discovery.plugins.module_utils._registry.errors import EmptyRegistry, RegistryError
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.model import Document, Node, Service
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.node_set import Rejected
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory import _groups, _guards, _hosts
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._clusters import Nodes
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._filters import Filters
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._groups import GroupNames
from tests.support.inventory import address_of


def a_node(name="web1", role="web", dc="", services=(), tags=(), id="", **fields):
    document = Document(id=id, services=tuple(Service(name, 80) for name in services), tags=tuple(tags))
    return Node(
        **{"address": address_of(name), "roles": (role,), "document": document, **fields}, dc=dc, role=role, name=name
    )


def build(*nodes, inventory=None, rejected=(), construct=lambda draft: None, rules=_hosts.DEFAULT_RULES):
    found = Nodes(list(nodes), list(rejected), [], [], [])
    return _hosts.build(found, inventory or InventoryData(), construct, rules)


def groups(built):
    return {group: list(hosts) for group, hosts in built.draft.groups.items()}


def test_a_node_sets_the_closed_list_of_variables_and_no_other():
    words = "name role roles dc address health services tags meta checks maintenance"
    assert set(_hosts.variables(a_node())) == {"ansible_host", *(f"rollcall_{word}" for word in words.split())}


def test_groups_by_role_data_centre_service_tag_health_and_maintenance():
    built = build(
        a_node("a", "k8s-master", "eu-west-1a", services=["web", "db"], tags=["ssd"]),
        a_node("b", "k8s-master", "eu-west-1a", health="drain", maintenance={"by": "me"}),
        a_node("c", "lb", "us", roles=("lb", "web")),
    )
    assert groups(built) == {
        "dc_eu_west_1a": ["a", "b"],
        "dc_us": ["c"],
        "health_drain": ["b"],
        "health_passing": ["a", "c"],
        "maintenance": ["b"],
        "role_k8s_master": ["a", "b"],
        "role_lb": ["c"],
        "role_web": ["c"],
        "service_db": ["a"],
        "service_web": ["a"],
        "tag_ssd": ["a"],
    }
    assert built.rejected == built.notes == []


def test_without_a_data_centre_there_is_no_such_group():
    assert not [group for group in groups(build(a_node())) if group.startswith("dc")]


@pytest.mark.parametrize("field", ["role", "dc"])
def test_of_two_roles_or_data_centres_that_make_one_group_the_older_makes_it(field):
    built = build(a_node("one", **{field: "a-b"}, created=5), a_node("two", **{field: "a.b"}, created=4))
    assert groups(built)[f"{field}_a_b"] == ["two"]
    assert set(built.draft.hosts) == {"one", "two"}
    [note] = built.notes
    assert f"The {field} 'a-b' makes no group: {field}_a_b is the group of the {field} 'a.b'" in note


@pytest.mark.parametrize("field", ["role", "dc"])
def test_two_roles_or_data_centres_of_operators_that_make_one_group_are_an_error_that_names_both(field):
    hosts = {"one": a_node("one", **{field: "a-b"}), "two": a_node("two", **{field: "a.b"})}
    with pytest.raises(
        AnsibleError, match=f"'a.b' would make the group {field}_a_b, .* the group of the {field} 'a-b'"
    ):
        _groups.make(hosts, GroupNames(), operated=True)


def test_of_two_nodes_of_one_address_the_first_keeps_it():
    first, other = a_node("web1", created=4), a_node("evil", address="10.0.0.1", created=5)
    built = build(first, other)
    assert list(built.draft.hosts) == ["web1"]
    assert [str(rejected) for rejected in built.rejected] == [
        "'web/evil': its address 10.0.0.1 already belongs to 'web/web1', which was registered first"
    ]
    with pytest.raises(RegistryError, match="'web/evil': its address 10.0.0.1 already belongs to 'web/web1'"):
        _guards.guard(built, "here", False, 0, True)


def test_a_node_with_a_lease_keeps_its_address_before_one_without():
    built = build(a_node("web1", created=4), a_node("web2", address="10.0.0.1", created=5, lease=7))
    assert list(built.draft.hosts) == ["web2"]


def test_one_machine_may_have_two_names_at_one_address():
    twins = [a_node(name, address="10.0.0.1", id="m1", lease=7) for name in ("web1", "web2")]
    built = build(*twins)
    assert len(built.draft.hosts) == 2
    assert not built.rejected


def test_nodes_of_different_clusters_with_one_address_are_told_of():
    built = build(a_node("web1", cluster="eu"), a_node("web2", address="10.0.0.1", cluster="us"))
    assert len(built.draft.hosts) == 2
    assert built.notes == ["'us:web/web2' and 'eu:web/web1' have one address, 10.0.0.1"]


def test_a_lost_host_whose_address_another_has_now_is_left_out():
    lost = a_node("web9", address="10.0.0.1", health="lost")
    found = Nodes([a_node("web1")], [], [lost], [], [])
    built = _hosts.build(found, InventoryData(), lambda draft: None, _hosts.Rules(lost=True))
    assert list(built.draft.hosts) == ["web1"]
    assert "another host has their address now: web9" in built.notes[0]


@pytest.mark.parametrize("kind", ["service", "tag"])
def test_of_two_claims_that_make_one_group_the_one_of_fewer_hosts_is_dropped(kind):
    built = build(
        a_node("one", **{f"{kind}s": ["a_b"]}),
        a_node("two", **{f"{kind}s": ["a_b"]}),
        a_node("evil", **{f"{kind}s": ["a-b", "a-b", "a-b"]}),
    )
    assert groups(built)[f"{kind}_a_b"] == ["one", "two"]
    assert built.notes == [f"The {kind} 'a-b' makes no group: {kind}_a_b is the group of the {kind} 'a_b'"]
    assert "evil" in built.draft.hosts


@pytest.mark.parametrize("name", ["role_web", "health_passing", "tag_x", "env_prod", "etcd"])
def test_a_host_named_as_a_group_is_left_out_and_the_group_stays(name):
    inventory = InventoryData()
    inventory.add_group("etcd")

    def construct(draft):
        draft.add_group("env_prod")
        for host in list(draft.hosts):
            draft.add_host(host, "env_prod")

    built = build(a_node("web1", tags=["x"]), a_node(name), inventory=inventory, construct=construct)
    assert list(built.draft.hosts) == ["web1"]
    assert built.rejected == [Rejected(repr(name), "a group has this name")]
    assert groups(built)["role_web"] == groups(built)["env_prod"] == ["web1"]


def test_a_name_that_two_machines_hold_is_left_out():
    built = build(a_node("web1", "web", id="a"), a_node("web1", "lb", id="b"), a_node("web2"))
    assert list(built.draft.hosts) == ["web2"]
    assert "web/web1, lb/web1" in str(built.rejected[0])


def test_one_machine_under_two_roles_is_one_host_in_both_groups():
    built = build(a_node("web1", "web", id="a"), a_node("web1", "lb", id="a"))
    assert built.draft.hosts["web1"]["rollcall_roles"] == ["web", "lb"]
    assert groups(built)["role_web"] == groups(built)["role_lb"] == ["web1"]


def guard(built, allow_empty=False, min_hosts=0, strict_nodes=False):
    _guards.guard(built, "under /infrastructure/", allow_empty, min_hosts, strict_nodes)


def test_an_empty_prefix_must_be_declared_possible():
    with pytest.raises(EmptyRegistry, match="no node under /infrastructure/: no node is registered.*allow_empty"):
        guard(build())
    guard(build(), allow_empty=True)


def test_where_every_node_is_left_out_the_first_reason_is_told():
    with pytest.raises(EmptyRegistry, match="all 1 are rejected, the first is web/x: bad"):
        guard(build(rejected=[Rejected("web/x", "bad")]))


def test_where_filters_leave_nobody_it_is_not_the_prefix_that_is_wrong():
    built = build(a_node("a"), a_node("b"), rules=_hosts.Rules(filters=Filters({"role": "db"})))
    with pytest.raises(EmptyRegistry, match="None of the 2 nodes under /infrastructure/ passes the filters"):
        guard(built)
    guard(built, allow_empty=True)


def test_min_hosts():
    guard(build(a_node()), min_hosts=1)
    with pytest.raises(RegistryError, match="1 hosts .* fewer than min_hosts .2."):
        guard(build(a_node()), min_hosts=2)


def test_strict_nodes_makes_a_bad_node_an_error():
    built = build(a_node(), rejected=[Rejected("web/x", "bad")])
    guard(built)
    with pytest.raises(RegistryError, match="1 nodes cannot be taken .* web/x: bad"):
        guard(built, strict_nodes=True)
