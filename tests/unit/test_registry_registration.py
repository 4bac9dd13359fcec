# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Claim, repair, take over, refuse, leave."""

from __future__ import annotations

import dataclasses
import json

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import LeaseNotFound
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.errors import Duplicate, InvalidNode
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.layout import Identity, Layout
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.model import Check, Document, Service
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.node_set import merge, read
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.registration import (
    Registration,
    deregister,
    holder,
    reconcile,
)

LAYOUT = Layout()
WHO = Identity("", "web", "web1")
HERE = "/infrastructure/web/web1/"
ROSTER = "/rollcall/infrastructure/roster/web/web1"
MINE = Registration(
    WHO,
    "10.0.0.7",
    Document(id="m1", boot="b1", services=(Service("http", 80),), agent="1"),
    "passing",
    (Check("http", "passing"),),
)
REBOOTED = dataclasses.replace(MINE, document=dataclasses.replace(MINE.document, boot="b2"))
OTHER = dataclasses.replace(MINE, address="10.0.0.8", document=dataclasses.replace(MINE.document, id="m2"))


@pytest.fixture
def client(fake_etcd, connect):
    return connect(endpoints=[fake_etcd.endpoint])


def grant(client, ttl=30):
    return client.lease_grant(ttl)[0]


def never(_seconds):
    pytest.fail("there was nothing to wait for")


def claimed(client, wanted=MINE):
    lease = grant(client)
    reconcile(client, LAYOUT, wanted, lease, never)
    return lease


def test_a_free_name_is_taken_with_every_key_under_the_lease(client, fake_etcd):
    lease = claimed(client)
    assert set(fake_etcd.tree(HERE)) == {HERE + leaf for leaf in ("ip", "node", "health", "checks/http")}
    assert sorted(client.lease_status(lease, keys=True).keys) == sorted(fake_etcd.tree(HERE))
    assert json.loads(fake_etcd.tree(ROSTER)[ROSTER])["state"] == "joined"
    assert client.get(ROSTER).lease == 0


def test_where_nothing_differs_nothing_is_written(client, fake_etcd):
    lease = claimed(client)
    before = fake_etcd.revision
    assert not reconcile(client, LAYOUT, MINE, lease, never).changed
    assert fake_etcd.revision == before


def test_a_dry_run_tells_and_writes_nothing(client, fake_etcd):
    claim = reconcile(client, LAYOUT, MINE, grant(client), never, dry_run=True)
    assert HERE + "ip" in claim.written
    assert fake_etcd.tree() == {}


@pytest.mark.parametrize("leaf", ["ip", "node", "health", "checks/http"])
def test_a_lost_key_comes_back(client, fake_etcd, leaf):
    lease = claimed(client)
    fake_etcd.delete(HERE + leaf)
    assert reconcile(client, LAYOUT, MINE, lease, never).written == (HERE + leaf,)
    assert client.get(HERE + leaf).lease == lease


def test_a_key_that_somebody_took_off_the_lease_is_put_back_on_it(client, fake_etcd):
    lease = claimed(client)
    fake_etcd.put(HERE + "health", "passing")
    reconcile(client, LAYOUT, MINE, lease, never)
    assert client.get(HERE + "health").lease == lease


def test_a_change_writes_what_changed_and_deletes_what_is_no_longer_wanted(client):
    lease = claimed(client)
    claim = reconcile(client, LAYOUT, dataclasses.replace(MINE, health="critical", checks=()), lease, never)
    assert (claim.written, claim.deleted) == ((HERE + "health",), (HERE + "checks/http",))


def test_who_had_the_name_takes_it_over_at_once_and_the_former_lease_ends(client, fake_etcd):
    former, lease = claimed(client), grant(client)
    reconcile(client, LAYOUT, MINE, lease, never, previous=[former])
    assert fake_etcd.leases == [lease]
    assert holder(client, LAYOUT, WHO).lease == lease


def test_another_machine_is_refused_with_a_message_that_names_the_holder(client):
    lease = claimed(client)
    with pytest.raises(Duplicate) as refused:
        claimed(client, OTHER)
    for part in ("web/web1", "10.0.0.7", "m1", f"{lease:x}"):
        assert part in str(refused.value)
    assert holder(client, LAYOUT, WHO).id == "m1"


def test_a_member_that_is_only_an_ip_key_is_a_holder_too(client, fake_etcd):
    fake_etcd.put(HERE + "ip", "10.0.0.9", grant(client))
    with pytest.raises(Duplicate, match=r"10\.0\.0\.9"):
        claimed(client)


def test_after_a_reboot_the_name_is_taken_from_a_keeper_that_no_longer_renews(client, fake_etcd):
    old = claimed(client)
    lease = grant(client)
    waited = []

    def wait(seconds):
        waited.append(seconds)
        fake_etcd.clock.advance(seconds)

    reconcile(client, LAYOUT, REBOOTED, lease, wait)
    assert waited == [pytest.approx(12)]  # a third of 30 s and a fifth more
    assert holder(client, LAYOUT, WHO).lease == lease and old not in fake_etcd.leases


def test_after_a_reboot_a_lease_that_ran_out_meanwhile_is_no_holder(client, fake_etcd):
    claimed(client)
    fake_etcd.clock.advance(31)
    claimed(client, REBOOTED)
    assert holder(client, LAYOUT, WHO).boot == "b2"


@pytest.mark.parametrize("clone", [REBOOTED, MINE], ids=["machine", "container"])
def test_a_clone_is_refused_because_the_holder_still_renews(client, fake_etcd, clone):
    """A container has the boot of its host, and so has its clone."""
    old = claimed(client)

    def wait(seconds):
        fake_etcd.clock.advance(seconds)
        client.lease_keepalive(old)

    with pytest.raises(Duplicate, match="running machine with the same machine id"):
        reconcile(client, LAYOUT, clone, grant(client), wait)
    assert holder(client, LAYOUT, WHO).lease == old


def test_who_comes_between_reading_and_writing_wins(client, fake_etcd):
    claimed(client)

    def wait(seconds):
        fake_etcd.clock.advance(31)
        claimed(client, OTHER)

    with pytest.raises(Duplicate, match="m2"):
        reconcile(client, LAYOUT, REBOOTED, grant(client), wait)
    assert holder(client, LAYOUT, WHO).id == "m2"


def test_without_its_lease_nothing_is_written(client, fake_etcd):
    lease = grant(client)
    client.lease_revoke(lease)
    with pytest.raises(LeaseNotFound):
        reconcile(client, LAYOUT, MINE, lease, never)
    assert fake_etcd.tree() == {}


def test_leaving_is_told_apart_from_being_lost(client, fake_etcd):
    lease = claimed(client)
    first_seen = json.loads(client.get(ROSTER).value)["first_seen"]
    deregister(client, LAYOUT, [WHO], lease)
    assert fake_etcd.tree(HERE) == {} and fake_etcd.leases == []
    record = json.loads(client.get(ROSTER).value)
    assert (record["state"], record["first_seen"]) == ("left", first_seen)


def test_who_holds_nothing_withdraws_nothing_of_others(client, fake_etcd):
    lease = claimed(client)
    mine = grant(client)
    deregister(client, LAYOUT, [WHO], mine)
    assert fake_etcd.leases == [lease]
    assert json.loads(client.get(ROSTER).value)["state"] == "joined"


ROLES = dataclasses.replace(MINE, also=("api",))
API = Identity("", "api", "web1")
THERE = "/infrastructure/api/web1/"
LEAVES = ("ip", "node", "health", "checks/http")


def test_several_roles_are_taken_in_one_transaction_under_one_lease(client, fake_etcd):
    before = fake_etcd.revision
    lease = claimed(client, ROLES)
    assert set(client.lease_status(lease, keys=True).keys) == {d + leaf for d in (HERE, THERE) for leaf in LEAVES}
    assert fake_etcd.revision == before + 1
    assert not reconcile(client, LAYOUT, ROLES, lease, never).changed
    merged, rejected = merge(read(client, LAYOUT).nodes)
    assert ([node.roles for node in merged], rejected) == ([("api", "web")], [])
    deregister(client, LAYOUT, ROLES.identities, lease)
    states = {key: json.loads(value)["state"] for key, value in fake_etcd.tree().items()}
    assert states == {ROSTER: "left", ROSTER.replace("web", "api", 1): "left"}


def test_a_duplicate_in_one_role_takes_no_role_and_says_which(client, fake_etcd):
    claimed(client, dataclasses.replace(OTHER, who=API))
    with pytest.raises(Duplicate, match=r"^api/web1 is already registered by another holder \(address 10\.0\.0\.8"):
        claimed(client, ROLES)
    assert fake_etcd.tree(HERE) == {}


def test_a_role_is_added_and_another_left_on_the_same_lease(client, fake_etcd):
    lease = claimed(client)
    before = fake_etcd.revision
    reconcile(client, LAYOUT, dataclasses.replace(MINE, who=API), lease, never, leaving=[WHO])
    assert fake_etcd.revision == before + 1
    assert (set(fake_etcd.tree(HERE)), set(fake_etcd.tree(THERE))) == (set(), {THERE + leaf for leaf in LEAVES})
    assert json.loads(client.get(ROSTER).value)["state"] == "left"
    assert fake_etcd.leases == [lease]


def test_what_somebody_else_holds_is_not_left(client, fake_etcd):
    claimed(client, OTHER)
    reconcile(client, LAYOUT, dataclasses.replace(MINE, who=API), grant(client), never, leaving=[WHO])
    assert set(fake_etcd.tree(HERE)) == {HERE + leaf for leaf in LEAVES}
    assert json.loads(client.get(ROSTER).value)["state"] == "joined"


def test_after_a_reboot_several_roles_wait_once(client, fake_etcd):
    claimed(client, ROLES)
    waited = []

    def wait(seconds):
        waited.append(seconds)
        fake_etcd.clock.advance(seconds)

    rebooted = dataclasses.replace(REBOOTED, also=("api",))
    lease = grant(client)
    reconcile(client, LAYOUT, rebooted, lease, wait)
    assert (len(waited), fake_etcd.leases) == (1, [lease])


def test_an_election_is_no_keepalive_and_nobody_is_called_a_clone_for_it(client, fake_etcd):
    claimed(client)
    waited = []

    def wait(seconds):
        waited.append(seconds)
        fake_etcd.clock.advance(seconds)
        if len(waited) == 1:
            fake_etcd.elect()

    lease = grant(client)
    reconcile(client, LAYOUT, REBOOTED, lease, wait)
    assert (len(waited), fake_etcd.leases) == (2, [lease])


def test_a_clone_is_found_through_elections_too(client, fake_etcd):
    other = claimed(client)

    def wait(seconds):
        fake_etcd.clock.advance(seconds)
        fake_etcd.elect()
        client.lease_keepalive(other)

    with pytest.raises(Duplicate, match="running machine with the same machine id"):
        reconcile(client, LAYOUT, REBOOTED, grant(client), wait)


def test_more_keys_than_a_transaction_takes_follow_in_the_next(client, fake_etcd):
    checks = tuple(Check(f"c{number}", "passing") for number in range(61))
    lease = claimed(client, dataclasses.replace(ROLES, checks=checks, also=("api", "cache")))
    assert len(fake_etcd.tree(HERE)) == len(fake_etcd.tree(THERE)) == 64
    assert len(client.lease_status(lease, keys=True).keys) == 192


def test_more_than_readers_take_is_not_written(client, fake_etcd):
    checks = tuple(Check(f"c{number}", "passing") for number in range(62))
    with pytest.raises(InvalidNode, match="more than 64 keys"):
        claimed(client, dataclasses.replace(ROLES, checks=checks))
    assert fake_etcd.tree(HERE) == {}


def test_output_of_checks_is_shortened_to_what_readers_take(client, fake_etcd):
    checks = tuple(Check(f"c{number}", "critical", "é" * 200) for number in range(61))
    claimed(client, dataclasses.replace(ROLES, checks=checks))
    [node] = read(client, Layout()).nodes[:1]
    assert {check.status for check in node.checks} == {"critical"}
    assert {len(check.output) for check in node.checks} == {20}
