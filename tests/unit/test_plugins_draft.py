# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A draft becomes an inventory, whole or not at all."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleError
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


def test_a_circle_of_groups_is_refused_before_the_first_host():
    draft = a_draft()
    draft.add_child("web", "all_web")
    inventory = InventoryData()
    with pytest.raises(AnsibleError):
        draft.populate(inventory)
    assert not inventory.hosts


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
