# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A draft becomes an inventory, whole or not at all."""

from __future__ import annotations

import pytest
from ansible.inventory.data import InventoryData

from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._draft import Draft


def a_draft(inventory=None):
    draft = Draft(inventory or InventoryData())
    draft.add_host("web1")
    draft.set_variable("web1", "colour", "green")
    draft.add_group("web")
    draft.add_child("web", "web1")
    draft.add_group("all_web")
    draft.add_child("all_web", "web")
    return draft


def test_hosts_variables_groups_and_groups_of_groups_are_copied():
    inventory = InventoryData()
    a_draft().populate(inventory)
    assert inventory.hosts["web1"].vars["colour"] == "green"
    assert [host.name for host in inventory.groups["web"].hosts] == ["web1"]
    assert [group.name for group in inventory.groups["all_web"].child_groups] == ["web"]


def test_nothing_is_copied_before_populate():
    inventory = InventoryData()
    a_draft(inventory)
    assert not inventory.hosts
    assert set(inventory.groups) == {"all", "ungrouped"}


def circle(inventory, *edges):
    """The notes of a draft where each edge, parent and child, was asked for; all of it can be copied."""
    draft = a_draft(inventory)
    for group, child in edges:
        draft.add_child(draft.add_group(group), draft.add_group(child))
    draft.populate(inventory)
    inventory.reconcile_inventory()
    return draft.notes


@pytest.mark.parametrize(
    ("edges", "left_out"),
    [
        ([("web", "web")], "'web' in 'web'"),
        ([("web", "all_web")], "'all_web' in 'web'"),
        ([("a", "b"), ("b", "c"), ("c", "a"), ("c", "a")], "'a' in 'c'"),
        ([("web", "all")], "'all' in 'web'"),
        ([("web", "all"), ("web", "all_web")], "'all' in 'web', 'all_web' in 'web'"),
    ],
)
def test_what_would_close_a_circle_of_groups_is_left_out_and_told(edges, left_out):
    [note] = circle(InventoryData(), *edges)
    assert note == f"Groups cannot contain each other in a circle, so this is omitted: {left_out}"


def test_a_circle_may_go_through_groups_of_earlier_sources():
    inventory = InventoryData()
    for group in ("site", "inner", "web"):
        inventory.add_group(group)
    inventory.add_child("web", "inner")
    inventory.add_child("inner", "site")
    assert [note.rpartition(": ")[2] for note in circle(inventory, ("site", "all_web"))] == ["'all_web' in 'site'"]


def test_groups_within_each_other_that_are_no_circle_are_taken():
    inventory = InventoryData()
    assert circle(inventory, ("all", "all_web"), ("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("e", "web")) == []
    assert {group.name for group in inventory.groups["d"].get_ancestors()} == {"a", "b", "c", "all"}


def test_a_group_without_a_name_is_none():
    draft = a_draft()
    draft.add_host("web1", draft.add_group(""))
    draft.add_child(draft.add_group(""), "web")
    draft.add_child("all_web", draft.add_group(""))
    draft.populate(InventoryData())
    assert "" not in draft.groups
    assert draft.notes == ["There can be no group of the name '', and so not for: 'web1', 'web'"]


def test_a_host_is_seen_with_what_ansible_says_of_every_host():
    inventory = InventoryData()
    for group in ("site", "web", "old"):
        inventory.add_group(group)
    inventory.add_child("site", "web")
    inventory.add_host("web1", "old")
    draft = a_draft(inventory)
    draft.add_host("db1.example.com")
    draft.add_host("10.0.0.1")
    seen = {host: draft.get_host(host).get_vars() for host in draft.hosts}
    assert [said["inventory_hostname"] for said in seen.values()] == list(draft.hosts)
    assert [said["inventory_hostname_short"] for said in seen.values()] == ["web1", "db1", "10.0.0.1"]
    assert [said["group_names"] for said in seen.values()] == [["all_web", "old", "site", "web"], [], []]
    assert draft.hosts == {"web1": {"colour": "green"}, "db1.example.com": {}, "10.0.0.1": {}}


def settled(given, said, address=None):
    """The address that a host comes to have, and the notes."""
    inventory = InventoryData()
    inventory.add_host("web1")
    if given is not None:
        inventory.set_variable("web1", "ansible_host", given)
    draft = Draft(inventory, settled=["ansible_host"])
    draft.describe("web1", {"ansible_host": said, "rollcall_name": "web1"})
    if address:
        draft.set_variable("web1", "ansible_host", address)
    seen = draft.get_host("web1").get_vars()
    draft.populate(inventory)
    assert inventory.hosts["web1"].vars["ansible_host"] == seen["ansible_host"]
    assert inventory.hosts["web1"].vars["rollcall_name"] == "web1"
    return seen["ansible_host"], draft.notes


def test_what_an_earlier_source_has_settled_stays():
    assert settled(None, "6.6.6.6") == ("6.6.6.6", [])
    assert settled("6.6.6.6", "6.6.6.6") == ("6.6.6.6", [])
    address, [note] = settled("10.1.1.1", "6.6.6.6", "6.6.6.7")
    assert address == "10.1.1.1"
    assert note.endswith(": web1 ('10.1.1.1', not '6.6.6.6'), web1 ('10.1.1.1', not '6.6.6.7')")


def test_what_may_be_a_secret_is_not_shown():
    secret = object()
    assert settled(secret, "6.6.6.6") == (secret, [])


def test_of_many_hosts_a_note_names_some():
    draft = a_draft()
    for number in range(7):
        draft.note("Look at", f"web{number}")
    assert draft.notes == ["Look at: web0, web1, web2, web3, web4 and 2 more"]


def test_variables_of_earlier_sources_are_seen_below_its_own():
    inventory = InventoryData()
    inventory.add_host("web1")
    inventory.set_variable("web1", "colour", "red")
    inventory.set_variable("web1", "size", 1)
    seen = a_draft(inventory).get_host("web1").get_vars()
    assert (seen["colour"], seen["size"]) == ("green", 1)
    assert inventory.hosts["web1"].vars["colour"] == "red"


def test_a_host_with_the_name_of_a_group_is_a_clash():
    inventory = InventoryData()
    inventory.add_group("db")
    draft = a_draft(inventory)
    assert draft.clashes() == set()
    draft.add_host("web")
    draft.add_host("db")
    draft.add_host("all")
    assert draft.clashes() == {"web", "db", "all"}
