# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Maintenance: what its key says, when that is over, and who may change it."""

from __future__ import annotations

import datetime
import json
import time

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._registry import maintenance, node_set
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.errors import (
    InvalidNode,
    InvalidTime,
    RegistryError,
)
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.layout import Identity, Layout
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.maintenance import NEVER, Desired
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.times import parse_duration, parse_moment
from tests.support.fake_etcd import Meanwhile

LAYOUT = Layout()
WEB1, WEB2 = Identity("", "web", "web1"), Identity("", "web", "web2")
KEY = "/rollcall/infrastructure/maintenance/web/web1"


@pytest.fixture
def client(fake_etcd, connect):
    return connect(endpoints=[fake_etcd.endpoint])


def said(fake_etcd, key=KEY):
    return json.loads(fake_etcd.tree()[key])


@pytest.mark.parametrize(
    ("fields", "over"),
    [
        ({}, False),
        ({"since": 100}, False),
        ({"until": 1000}, True),
        ({"until": 1001}, False),
        ({"since": 100, "until": 1000}, True),
        ({"since": 100, "until": None}, False),
        ({"since": 2000, "until": 900}, False),  # one clock was wrong: nobody can tell when it ends
    ],
)
def test_when_it_is_over(fields, over):
    assert (maintenance.current(json.dumps(fields), 1000) is None) is over


@pytest.mark.parametrize("value", ["", "[]", "soon", '{"until": "soon"}', '{"since": -1}', '{"until": true}'])
def test_what_cannot_be_read_is_an_error(value):
    with pytest.raises(InvalidNode):
        maintenance.current(value, 1000)


def test_readers_take_a_key_that_is_over_for_none(fake_etcd, client):
    for name, until in (("web1", time.time() - 1), ("web2", time.time() + 60)):
        fake_etcd.put(f"/infrastructure/web/{name}/ip", "10.0.0.5")
        fake_etcd.put(f"/rollcall/infrastructure/maintenance/web/{name}", json.dumps({"until": int(until)}))
    assert [node.maintenance is None for node in node_set.read(client, LAYOUT).nodes] == [True, False]


def test_it_begins_and_ends_once(fake_etcd, client):
    fake_etcd.put("/infrastructure/web/web1/ip", "10.0.0.5")
    desired = Desired("ann", reason="new disk")
    first = maintenance.begin(client, LAYOUT, [WEB1, WEB2], desired)
    assert [(result.changed, result.registered) for result in first] == [(True, True), (True, False)]
    fields = said(fake_etcd)
    assert (fields["by"], fields["reason"], "until" in fields) == ("ann", "new disk", False)
    assert abs(fields["since"] - time.time()) < 5
    revision = fake_etcd.revision
    again = maintenance.begin(client, LAYOUT, [WEB1, WEB2], Desired("bob"))
    assert [result.changed for result in again] == [False, False]
    assert fake_etcd.revision == revision
    gone = maintenance.end(client, LAYOUT, [WEB1, WEB2])
    assert [(result.changed, result.before["by"], result.after) for result in gone] == [(True, "ann", None)] * 2
    assert not [result for result in maintenance.end(client, LAYOUT, [WEB1]) if result.changed]


def test_many_nodes_change_in_few_transactions(fake_etcd, client):
    nodes = [Identity("", "web", f"n{number}") for number in range(300)]
    results = maintenance.begin(client, LAYOUT, nodes, Desired("ann"))
    assert [result.who for result in results] == nodes
    assert fake_etcd.revision == 1 + 3
    assert len(fake_etcd.tree()) == 300


def test_a_dry_run_tells_the_same_and_writes_nothing(fake_etcd, client):
    revision = fake_etcd.revision
    (would,) = maintenance.begin(client, LAYOUT, [WEB1], Desired("ann"), dry_run=True)
    assert (would.changed, fake_etcd.revision) == (True, revision)


def test_a_duration_is_renewed_when_less_than_half_is_left(fake_etcd, client):
    now = int(time.time())
    desired = Desired("ann", duration=3600)
    maintenance.begin(client, LAYOUT, [WEB1], desired)
    assert 3600 <= said(fake_etcd)["until"] - now <= 3605
    (again,) = maintenance.begin(client, LAYOUT, [WEB1], desired)
    assert not again.changed
    (longer,) = maintenance.begin(client, LAYOUT, [WEB1], Desired("ann", duration=7210))
    assert longer.changed
    assert longer.after["since"] == longer.before["since"]
    (endless,) = maintenance.begin(client, LAYOUT, [WEB1], Desired("ann", until=NEVER))
    assert "until" not in endless.after


def test_one_that_is_over_begins_anew(fake_etcd, client):
    fake_etcd.put(KEY, json.dumps({"by": "ann", "reason": "old", "since": 5, "until": 10}))
    (result,) = maintenance.begin(client, LAYOUT, [WEB1], Desired("bob"))
    assert result.changed
    assert (result.after["by"], result.after["reason"], "until" in result.after) == ("bob", "", False)


def test_an_unreadable_key_is_replaced_and_fields_of_others_are_kept(fake_etcd, client):
    fake_etcd.put(KEY, "because")
    maintenance.begin(client, LAYOUT, [WEB1], Desired("ann"))
    fake_etcd.put(KEY, json.dumps({**said(fake_etcd), "ticket": 4711}))
    maintenance.begin(client, LAYOUT, [WEB1], Desired("ann", reason="disk"))
    assert (said(fake_etcd)["ticket"], said(fake_etcd)["reason"]) == (4711, "disk")


@pytest.mark.parametrize("ahead", [-1e9, -5, 400 * 86400])
def test_an_end_that_makes_no_sense_is_refused(fake_etcd, client, ahead):
    until = int(time.time() + ahead)
    with pytest.raises(InvalidTime, match="Check the given time and this machine's clock"):
        maintenance.begin(client, LAYOUT, [WEB1], Desired("ann", until=until))
    assert fake_etcd.tree() == {}


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize("text", [{"reason": "a\udcff"}, {"by": "\ud800"}])
def test_a_text_that_is_not_utf8_is_refused_since_readers_would_reject_the_node(fake_etcd, client, text, dry_run):
    before = fake_etcd.tree()
    with pytest.raises(InvalidNode, match="a text is not UTF-8"):
        maintenance.begin(client, LAYOUT, [WEB1], Desired("me", **text), dry_run)
    assert fake_etcd.tree() == before


def test_who_comes_between_is_not_overwritten(fake_etcd, client):
    other = json.dumps({"by": "bob", "reason": "his", "since": 7})
    fake_etcd.inject("/v3/kv/txn", Meanwhile(lambda: None))  # the reading
    fake_etcd.inject("/v3/kv/txn", Meanwhile(lambda: fake_etcd.put(KEY, other)))
    (result,) = maintenance.begin(client, LAYOUT, [WEB1], Desired("ann", reason="mine"))
    assert (result.before["by"], result.after["by"], result.after["reason"]) == ("bob", "bob", "mine")


def test_a_key_that_is_over_is_told_and_cleared_unless_it_has_changed(fake_etcd, client):
    assert maintenance.read(client, LAYOUT, WEB1) == (None, 0)
    fake_etcd.put(KEY, json.dumps({"until": int(time.time()) + 60}))
    fields, over = maintenance.read(client, LAYOUT, WEB1)
    assert (fields is not None, over) == (True, 0)
    fake_etcd.put(KEY, json.dumps({"until": int(time.time()) - 60}))
    assert maintenance.read(client, LAYOUT, WEB1) == (None, fake_etcd.revision)
    maintenance.clear(client, LAYOUT, WEB1, fake_etcd.revision - 1)
    assert KEY in fake_etcd.tree(), "it is another by now"
    maintenance.clear(client, LAYOUT, WEB1, fake_etcd.revision)
    assert fake_etcd.tree() == {}


def test_nodes_are_found_by_name_or_path(fake_etcd, client):
    for role in ("web", "cache"):
        fake_etcd.put(f"/infrastructure/{role}/web1/ip", "10.0.0.5")
    fake_etcd.put("/rollcall/infrastructure/maintenance/db/away", "{}")
    found = maintenance.find(client, LAYOUT, ["web1", "away", "web/web9", "web/web1"])
    assert [str(who) for who in found] == ["cache/web1", "web/web1", "db/away", "web/web9"]
    with pytest.raises(RegistryError, match="No node 'web9' is registered under /infrastructure/.* path role/name"):
        maintenance.find(client, LAYOUT, ["web9"])
    for wrong in ("dc1/web/web1", "web/all", "we b/web1"):
        with pytest.raises(RegistryError):
            maintenance.find(client, LAYOUT, [wrong])


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("1h30m", 5400), (" 1d ", 86400), ("1w", 604800)]
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "0h", "h", "2 h", "-2h", "2y", "0.5s"])
def test_what_is_no_duration(text):
    with pytest.raises(InvalidTime, match="duration: expected a value such as 30m"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-23T06:30:00Z", 1795415400),
        ("2026-11-23 07:30:00+01:00", 1795415400),
        ("1795415400", 1795415400),
        ("2026-11-23T06:30", int(datetime.datetime(2026, 11, 23, 6, 30).timestamp())),
        ("2026-11-23", int(datetime.datetime(2026, 11, 23).timestamp())),
    ],
)
def test_moments(text, moment):
    assert parse_moment(text, 0) == moment


@pytest.mark.parametrize(("text", "day"), [("06:30", 24), ("6:31", 23), ("7:00", 23)])
def test_a_time_of_day_is_the_next_one(text, day):
    now = datetime.datetime(2026, 11, 23, 6, 30).timestamp()
    assert datetime.datetime.fromtimestamp(parse_moment(text, now)).day == day


@pytest.mark.parametrize("text", ["", "tomorrow", "25:00", "2026-13-01", "4711"])
def test_what_is_no_moment(text):
    with pytest.raises(InvalidTime, match="time: expected a value"):
        parse_moment(text, 0)
