# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The roster: who was here and does not answer, and with which address."""

from __future__ import annotations

import dataclasses
import json

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._registry.layout import Identity, Layout
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.model import Document
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.node_set import fetch
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.registration import (
    Registration,
    deregister,
    reconcile,
)
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.roster import absent

LAYOUT = Layout()
WHO = Identity("", "web", "web1")
ROSTER = "/rollcall/infrastructure/roster/web/"
MINE = Registration(WHO, "10.0.0.7", Document(id="m1", boot="b1"))


@pytest.fixture
def client(fake_etcd, connect):
    return connect(endpoints=[fake_etcd.endpoint])


def claimed(client, wanted=MINE):
    lease = client.lease_grant(30)[0]
    reconcile(client, LAYOUT, wanted, lease)
    return lease


def entry(fake_etcd):
    return json.loads(fake_etcd.tree(ROSTER)[ROSTER + "web1"])


def seen(client):
    return [
        (str(node.identity), node.health, node.address) for node in absent(fetch(client, LAYOUT, roster=True), LAYOUT)
    ]


def test_the_roster_keeps_the_last_address(client, fake_etcd):
    lease = claimed(client)
    assert (entry(fake_etcd)["state"], entry(fake_etcd)["address"]) == ("joined", "10.0.0.7")
    reconcile(client, LAYOUT, dataclasses.replace(MINE, address="10.0.0.8"), lease)
    assert entry(fake_etcd)["address"] == "10.0.0.8"
    deregister(client, LAYOUT, [WHO], lease)
    assert (entry(fake_etcd)["state"], entry(fake_etcd)["address"]) == ("left", "10.0.0.8")


def test_who_answers_is_not_absent(client):
    claimed(client)
    assert seen(client) == []


def test_a_node_whose_lease_ended_is_lost(client, fake_etcd):
    claimed(client)
    fake_etcd.clock.advance(31)
    assert seen(client) == [("web/web1", "lost", "10.0.0.7")]


def test_a_node_that_left_has_left(client):
    deregister(client, LAYOUT, [WHO], claimed(client))
    assert seen(client) == [("web/web1", "left", "10.0.0.7")]


def test_maintenance_of_a_lost_node_is_seen(client, fake_etcd):
    claimed(client)
    fake_etcd.clock.advance(31)
    fake_etcd.put("/rollcall/infrastructure/maintenance/web/web1", '{"by":"me"}')
    [node] = absent(fetch(client, LAYOUT, roster=True), LAYOUT)
    assert node.maintenance["by"] == "me"


@pytest.mark.parametrize(
    "value",
    ["", "{", "[]", "{}", '{"state":"here"}', '{"state":["joined"]}', '{"state":"joined","address":"10.0.0.1"} x'],
)
def test_an_entry_that_cannot_be_read_tells_of_no_node(client, fake_etcd, value):
    fake_etcd.put(ROSTER + "web9", value)
    fake_etcd.put(ROSTER + "too/deep", '{"state":"joined"}')
    fake_etcd.put(ROSTER + "localhost", '{"state":"joined"}')
    fake_etcd.put(ROSTER + "a b", '{"state":"joined"}')
    assert seen(client) == []


@pytest.mark.parametrize("address", ["", None, 7, "127.0.0.1", "web1.example.com", "{{ x }}"])
def test_an_address_that_must_not_be_used_is_not(client, fake_etcd, address):
    fake_etcd.put(ROSTER + "web9", json.dumps({"state": "joined", "address": address}))
    assert seen(client) == [("web/web9", "lost", "")]


def test_an_entry_of_an_earlier_release_has_no_address(client, fake_etcd):
    fake_etcd.put(ROSTER + "web9", json.dumps({"first_seen": 1, "changed": 1, "state": "joined"}))
    assert seen(client) == [("web/web9", "lost", "")]
