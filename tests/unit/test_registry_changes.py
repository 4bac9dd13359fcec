# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What happened between two states of the registry, as `rollcall watch` tells it."""

from __future__ import annotations

import json

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.commands.change_text import change_text
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import PERMISSION_DENIED, PermissionDenied
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.following.changes import ChangeTracker
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.following.mirror import Selector, read_state
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.layout import Layout
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.node_set import Admission
from tests.support.fake_etcd import Refuse

LAYOUT = Layout()
SELECTORS = (Selector(LAYOUT.prefix), Selector(LAYOUT.maintenance_prefix))
WEB1 = "/infrastructure/web/web1/"
ROSTER = "/rollcall/infrastructure/roster/web/web1"
KEPT = "/rollcall/infrastructure/maintenance/web/web1"


def document(**services):
    return json.dumps({"v": 1, "id": "m1", "services": services})


@pytest.fixture
def client(fake_etcd, connect):
    fake_etcd.put(WEB1 + "ip", "10.0.0.5")
    fake_etcd.put(WEB1 + "node", document(web={"port": 80}))
    return connect(endpoints=[fake_etcd.endpoint])


@pytest.fixture
def told(client):
    """Says what has happened since it was asked last, as (kind, node, words)."""
    tracker = ChangeTracker(read_state(client, SELECTORS, LAYOUT), LAYOUT, Admission())

    def told():
        happened = tracker.advance(read_state(client, SELECTORS, LAYOUT), client)
        for one in happened:
            json.dumps(one.document())
        return [(one.kind, str(one.who), change_text(one)) for one in happened]

    return told


def test_nothing_is_nothing(fake_etcd, told):
    assert told() == []
    fake_etcd.put(WEB1 + "ip", "10.0.0.5")
    fake_etcd.put("/infrastructure/web/web2/other", "a stray")
    fake_etcd.put("/rollcall/infrastructure/maintenance/web/web9", "{}")
    assert told() == []


def test_who_joins_is_told_with_what_it_serves(fake_etcd, told):
    fake_etcd.put("/infrastructure/db/db1/ip", "10.0.0.9")
    fake_etcd.put("/infrastructure/db/db1/node", document(pg={"port": 5432}))
    fake_etcd.put("/rollcall/infrastructure/maintenance/db/db1", '{"by": "ann", "reason": "new"}')
    assert told() == [("joined", "db/db1", "10.0.0.9, passing, pg:5432, in maintenance: ann: new")]


@pytest.mark.parametrize(("state", "kind"), [("left", "left"), ("joined", "lost"), (None, "lost")])
def test_the_roster_says_who_left_and_who_was_lost(fake_etcd, client, told, state, kind):
    if state:
        fake_etcd.put(ROSTER, json.dumps({"state": state}))
    client.delete(WEB1, prefix=True)
    assert told() == [(kind, "web/web1", "10.0.0.5, passing, web:80")]
    assert told() == []


def test_the_roster_is_read_as_it_was_when_the_node_was_gone(fake_etcd, client):
    tracker = ChangeTracker(read_state(client, SELECTORS, LAYOUT), LAYOUT, Admission())
    fake_etcd.put(ROSTER, '{"state": "left"}')
    client.delete(WEB1, prefix=True)
    gone = read_state(client, SELECTORS, LAYOUT)
    fake_etcd.put(ROSTER, '{"state": "joined"}')
    assert [one.kind for one in tracker.advance(gone, client)] == ["left"]


def test_a_compacted_revision_is_no_obstacle(fake_etcd, client):
    tracker = ChangeTracker(read_state(client, SELECTORS, LAYOUT), LAYOUT, Admission())
    fake_etcd.put(ROSTER, '{"state": "left"}')
    client.delete(WEB1, prefix=True)
    gone = read_state(client, SELECTORS, LAYOUT)
    fake_etcd.put("/other", "x")
    fake_etcd.compact()
    assert [one.kind for one in tracker.advance(gone, client)] == ["left"]


def test_what_cannot_be_told_now_is_told_later(fake_etcd, client):
    tracker = ChangeTracker(read_state(client, SELECTORS, LAYOUT), LAYOUT, Admission())
    fake_etcd.put(ROSTER, '{"state": "left"}')
    client.delete(WEB1, prefix=True)
    gone = read_state(client, SELECTORS, LAYOUT)
    fake_etcd.inject("/v3/kv/txn", Refuse(PERMISSION_DENIED, "permission denied"))
    with pytest.raises(PermissionDenied):
        tracker.advance(gone, client)
    assert [one.kind for one in tracker.advance(gone, client)] == ["left"]


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        (WEB1 + "ip", "10.0.0.6", "address 10.0.0.5 -> 10.0.0.6"),
        (WEB1 + "health", "critical", "health passing -> critical"),
        (
            WEB1 + "checks/port",
            '{"status": "critical", "output": "refused", "service": "web"}',
            "check port is new",
        ),
        (WEB1 + "node", document(web={"port": 81}), "service web changed (port)"),
        (WEB1 + "node", document(api={"port": 80}), "service api is new, service web is gone"),
        (WEB1 + "node", json.dumps({"id": "m1", "tags": ["a"]}), "service web is gone, tags - -> a"),
        (KEPT, '{"by": "ann", "reason": "disk"}', "maintenance: ann: disk"),
    ],
)
def test_what_changes_is_told_field_by_field(fake_etcd, told, key, value, words):
    fake_etcd.put(key, value)
    assert told() == [("changed", "web/web1", words)]


def test_a_check_tells_why_and_maintenance_that_it_ended(fake_etcd, told):
    fake_etcd.put(KEPT, "{}")
    fake_etcd.put(WEB1 + "checks/port", '{"status": "passing", "output": "fine"}')
    told()
    fake_etcd.put(WEB1 + "checks/port", '{"status": "critical", "output": "refused"}')
    fake_etcd.delete(KEPT)
    fake_etcd.put(WEB1 + "health", "critical")
    words = "health passing -> critical, check port passing -> critical (refused), maintenance ended"
    assert told() == [("changed", "web/web1", words)]


def test_a_node_that_can_no_longer_be_taken(fake_etcd, told):
    fake_etcd.put(WEB1 + "ip", "here")
    ((kind, who, words),) = told()
    assert (kind, who) == ("invalid", "web/web1")
    assert "rejected: the address 'here' is not an IP address" in words
    fake_etcd.put(WEB1 + "health", "passing")
    assert told() == []
    fake_etcd.put(WEB1 + "ip", "10.0.0.5")
    assert [kind for kind, _who, _words in told()] == ["joined"]
