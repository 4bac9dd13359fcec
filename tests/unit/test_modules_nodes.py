# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules node and node_info, run in this process against the fake etcd."""

from __future__ import annotations

import json

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._registry.layout import Identity, Layout
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.model import Document
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.registration import Registration, reconcile
from tests.support.fake_etcd import Drop, Meanwhile, Refuse, store

HERE = "/infrastructure/db/orders/"
ROSTER = "/rollcall/infrastructure/roster/db/orders"
ORDERS = {
    "name": "orders",
    "role": "db",
    "address": "10.0.0.40",
    "services": {"pg": {"port": 5432}},
    "tags": ["ssd"],
    "meta": {"rack": 4},
    "ttl": 60,
}


def an_agent(connect, fake_etcd, role="db", name="orders"):
    """Register a node as an agent does."""
    client = connect(endpoints=[fake_etcd.endpoint])
    node = Registration(Identity("", role, name), "10.0.0.9", Document(id="m1", boot="b1", agent="1.2.3"))
    reconcile(client, Layout(), node, client.lease_grant(30)[0])


def writes(fake_etcd):
    """What costs etcd a raft entry and watchers an event; a transaction that only reads does not."""
    transactions = [request.body for request in fake_etcd.received if request.path == "/v3/kv/txn"]
    return sum("request_range" not in operation for body in transactions for operation in body["success"])


def test_a_node_is_registered_under_a_lease_and_read_back_the_same(modules, fake_etcd):
    result = modules.node(**ORDERS)
    assert result["changed"]
    (node,) = result["nodes"]
    assert node == {"name": "orders", "role": "db", "dc": "", "lease": fake_etcd.leases[0], "ttl": 60}
    tree = fake_etcd.tree()
    assert tree[HERE + "ip"] == "10.0.0.40"
    document = json.loads(tree[HERE + "node"])
    assert (document["id"], document["boot"], document["agent"]) == ("play", "", "")
    assert json.loads(tree[ROSTER])["state"] == "joined"
    (found,) = modules.node_info()["nodes"]
    for field in ("name", "role", "address", "tags", "meta"):
        assert found[field] == ORDERS[field]
    assert found["services"]["pg"] == {"port": 5432, "weight": 100, "tags": [], "meta": {}, "health": "passing"}


def test_a_second_run_renews_the_lease_and_writes_nothing(modules, fake_etcd):
    lease = modules.node(**ORDERS)["nodes"][0]["lease"]
    fake_etcd.clock.advance(50)
    fake_etcd.received.clear()
    again = modules.node(**ORDERS, diff=True)
    assert (again["changed"], again["nodes"][0]["lease"], again["diff"]) == (False, lease, [])
    assert fake_etcd.count("/v3/lease/keepalive") == 1
    assert not writes(fake_etcd)
    fake_etcd.clock.advance(50)
    assert fake_etcd.tree()[HERE + "ip"] == "10.0.0.40"
    fake_etcd.clock.advance(9.3)
    assert not modules.node(**ORDERS)["changed"]  # nor in its last second
    fake_etcd.clock.advance(61)
    assert list(fake_etcd.tree()) == [ROSTER]


def test_a_change_is_written_under_the_same_lease_and_shown_in_the_users_words(modules, fake_etcd):
    lease = modules.node(**ORDERS)["nodes"][0]["lease"]
    changed = modules.node(**{**ORDERS, "address": "10.0.0.41", "health": "drain"}, diff=True)
    assert (changed["changed"], changed["nodes"][0]["lease"]) == (True, lease)
    (entry,) = changed["diff"]
    assert entry["before_header"] == "db/orders"
    differing = {field for field in entry["after"] if entry["before"][field] != entry["after"][field]}
    assert differing == {"address", "health", "services"}
    assert fake_etcd.leases == [lease]


def test_another_ttl_is_another_lease(modules, fake_etcd):
    modules.node(**ORDERS)
    changed = modules.node(**{**ORDERS, "ttl": 90}, diff=True)
    assert changed["changed"]
    assert (changed["diff"][0]["before"]["ttl"], changed["diff"][0]["after"]["ttl"]) == (60, 90)
    assert fake_etcd.leases == [changed["nodes"][0]["lease"]]
    assert not modules.node(**{**ORDERS, "ttl": 90})["changed"]


def test_a_ttl_that_etcd_would_raise_is_an_error_that_leaves_no_lease(modules, fake_etcd, monkeypatch):
    for check in (True, False):
        refused = modules.node(**{**ORDERS, "ttl": 1}, check=check)
        assert "ttl: expected at least 2 seconds" in refused["msg"]
    monkeypatch.setattr(store, "MIN_TTL", 8)  # an etcd with a longer election timeout, which it does not tell
    refused = modules.node(**{**ORDERS, "ttl": 7})
    assert "ttl: expected at least 8 seconds" in refused["msg"]
    assert fake_etcd.leases == []
    assert fake_etcd.tree() == {}


@pytest.mark.parametrize(
    ("path", "fault", "words"),
    [
        ("/v3/kv/txn", Drop(executed=True), "may or may not have taken effect"),
        ("/v3/lease/revoke", Refuse(2, "etcdserver: corrupt cluster"), "corrupt cluster"),
    ],
)
def test_a_node_that_gets_another_lease_does_not_go_with_an_answer_that_is_lost(modules, fake_etcd, path, fault, words):
    modules.node(**ORDERS)
    if path == "/v3/kv/txn":
        fake_etcd.inject(path, Meanwhile(lambda: None))  # for the transaction that reads the node
    fake_etcd.inject(path, fault)
    assert words in modules.node(**{**ORDERS, "ttl": 90})["msg"]
    assert fake_etcd.tree()[HERE + "ip"] == "10.0.0.40"
    assert not modules.node(**{**ORDERS, "ttl": 90})["changed"]


def test_a_lease_that_is_granted_for_nothing_goes_again(modules, fake_etcd):
    fake_etcd.inject("/v3/kv/txn", Meanwhile(lambda: None))
    fake_etcd.inject("/v3/kv/txn", Refuse(7, "etcdserver: permission denied"))
    assert "permission denied" in modules.node(**ORDERS)["msg"]
    assert (fake_etcd.leases, fake_etcd.tree()) == ([], {})


def test_a_lease_that_ends_while_it_is_looked_at_is_replaced(modules, fake_etcd):
    lease = modules.node(**ORDERS)["nodes"][0]["lease"]
    fake_etcd.inject("/v3/lease/keepalive", Meanwhile(lambda: fake_etcd.revoke(lease)))
    again = modules.node(**ORDERS)
    assert (again["changed"], [again["nodes"][0]["lease"]]) == (True, fake_etcd.leases)
    assert fake_etcd.tree()[HERE + "ip"] == "10.0.0.40"


def test_a_node_whose_keys_have_lost_their_lease_is_withdrawn_all_the_same(modules, fake_etcd):
    lease = modules.node(**ORDERS)["nodes"][0]["lease"]
    for key, value in fake_etcd.tree(HERE).items():  # as a tool that copies keys from one etcd to another writes them
        fake_etcd.put(key, value)
    fake_etcd.revoke(lease)
    assert modules.node(name="orders", role="db", state="absent")["changed"]
    assert list(fake_etcd.tree()) == [ROSTER]
    assert not modules.node(name="orders", role="db", state="absent")["changed"]


def test_check_mode_touches_nothing_and_tells_the_same(modules, fake_etcd):
    steps = [ORDERS, ORDERS, {**ORDERS, "ttl": 90}, {"name": "orders", "role": "db", "state": "absent"}]
    for step in [*steps, steps[-1]]:
        before, leases = fake_etcd.revision, fake_etcd.leases
        would = modules.node(**step, check=True, diff=True)
        assert (fake_etcd.revision, fake_etcd.leases) == (before, leases)
        assert not fake_etcd.count("/v3/lease/keepalive") or step == steps[1]
        fake_etcd.received.clear()
        does = modules.node(**step, diff=True)
        assert (would["changed"], would["diff"]) == (does["changed"], does["diff"])
        fake_etcd.received.clear()


def test_a_list_gives_every_node_a_lease_of_its_own(modules, fake_etcd):
    nodes = [{"name": f"sw{number}", "role": "switch", "address": f"10.0.9.{number}"} for number in (1, 2, 3)]
    result = modules.node(nodes=nodes, ttl=60)
    leases = [node["lease"] for node in result["nodes"]]
    assert sorted(leases) == sorted(fake_etcd.leases)
    assert len(set(leases)) == 3
    assert not modules.node(nodes=nodes, ttl=60)["changed"]
    nodes[1]["address"] = "10.0.9.22"
    changed = modules.node(nodes=nodes, ttl=60, diff=True)
    assert [entry["before_header"] for entry in changed["diff"]] == ["switch/sw2"]
    gone = modules.node(nodes=nodes[:2], state="absent")
    assert gone["changed"]
    assert [node["name"] for node in modules.node_info()["nodes"]] == ["sw3"]


def test_an_empty_list_is_nothing_to_do(modules):
    assert not modules.node(nodes=[], ttl=60)["changed"]


def test_a_node_is_withdrawn_on_purpose_and_once(modules, fake_etcd):
    modules.node(**ORDERS)
    gone = modules.node(name="orders", role="db", state="absent", diff=True)
    assert (gone["changed"], gone["nodes"][0]["lease"], gone["nodes"][0]["ttl"]) == (True, None, 0)
    assert (gone["diff"][0]["before"]["address"], gone["diff"][0]["after"]) == ("10.0.0.40", "")
    assert fake_etcd.leases == []
    assert json.loads(fake_etcd.tree()[ROSTER])["state"] == "left"
    assert not modules.node(name="orders", role="db", state="absent")["changed"]


@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_node_kept_by_an_agent_is_refused_with_its_holder(modules, connect, fake_etcd, state):
    an_agent(connect, fake_etcd)
    before = fake_etcd.tree()
    refused = modules.node(**ORDERS, state=state)
    for part in (
        "db/orders is already registered by another holder",
        "10.0.0.9",
        "agent 1.2.3",
        "id m1",
        "another name",
    ):
        assert part in refused["msg"]
    assert fake_etcd.tree() == before


@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_node_of_the_articles_commands_is_refused_with_its_holder(modules, fake_etcd, state):
    fake_etcd.put(HERE + "ip", "10.0.0.5")
    refused = modules.node(**ORDERS, state=state)
    assert "registered by another holder (address 10.0.0.5, id none, no agent" in refused["msg"]
    assert fake_etcd.tree() == {HERE + "ip": "10.0.0.5"}


def test_a_name_taken_under_another_role_is_refused(modules, connect, fake_etcd):
    an_agent(connect, fake_etcd, role="web", name="orders")
    refused = modules.node(**ORDERS)
    assert "web/orders already has this name" in refused["msg"]
    assert [node["role"] for node in modules.node_info()["nodes"]] == ["web"]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"address": "10.0.0.300"}, "the address '10.0.0.300' is not an IP address"),
        ({"address": None}, "the address '' is not an IP address"),
        ({"address": "127.0.0.1"}, "is loopback"),
        ({"address": "10.0.0.1", "allowed_networks": ["192.168.0.0/16"]}, "outside the allowed networks"),
        ({"name": "localhost"}, "'localhost' is reserved"),
        ({"name": "a/b"}, "is not a host name"),
        ({"name": "a\nb"}, "is not a host name"),
        ({"role": "web servers"}, "role 'web servers' is not a valid name"),
        ({"tags": ["a b"]}, "tag 'a b' is not a valid name"),
        ({"services": {"pg": {"port": 0}}}, "port of service 'pg'"),
        ({"services": {"pg": {"prot": 5432}}}, "got 'prot'"),
        ({"services": {"pg": 5432}}, "service 'pg' is not a mapping"),
        ({"meta": {"text": "x" * 5000}}, "4096"),
        ({"health": "fine"}, "health must be one of"),
        ({"dc": "dc1"}, "expected no data centre in the layout {role}/{name}, got 'dc1'"),
        ({"layout": "{dc}/{role}/{name}"}, "expected a data centre"),
        ({"ttl": None}, "missing: ttl"),
        ({"ttl": 0}, "ttl: expected a positive number"),
        ({"ttl": 9_000_000_001}, "ttl: expected at most 9000000000 seconds"),
    ],
)
def test_what_readers_would_leave_out_is_refused(modules, fake_etcd, said, words):
    refused = modules.node(**{**ORDERS, **said})
    assert refused["failed"]
    assert words in refused["msg"]
    assert fake_etcd.tree() == {}


def test_one_bad_node_of_a_list_keeps_all_from_being_written(modules, connect, fake_etcd):
    good = {"name": "sw1", "role": "switch", "address": "10.0.9.1"}
    refused = modules.node(nodes=[good, {**good, "name": "sw2", "address": "nowhere"}], ttl=60)
    assert "Cannot register 'switch/sw2'" in refused["msg"]
    refused = modules.node(nodes=[good, {**good, "role": "router"}], ttl=60)
    assert "got switch/sw1 and router/sw1" in refused["msg"]
    assert (fake_etcd.tree(), fake_etcd.leases) == ({}, [])
    an_agent(connect, fake_etcd, role="switch", name="sw2")
    refused = modules.node(nodes=[good, {**good, "name": "sw2"}], ttl=60)
    assert "switch/sw2 is already registered by another holder" in refused["msg"]
    assert [node["name"] for node in modules.node_info()["nodes"]] == ["sw2"]


@pytest.mark.parametrize(
    "options",
    [
        {"ttl": 60},
        {"ttl": 60, "nodes": None},
        {"ttl": 60, "name": "sw1"},
        {"ttl": 60, "name": "sw1", "role": "switch", "nodes": []},
        {"ttl": 60, "nodes": [{"name": "sw1"}]},
    ],
)
def test_it_is_clear_which_nodes_are_meant(modules, fake_etcd, options):
    assert modules.node(**options)["failed"]
    assert not fake_etcd.received


def test_data_centres_are_part_of_the_key(modules, fake_etcd):
    modules.node(**ORDERS, dc="dc1", layout="{dc}/{role}/{name}", prefix="/infra")
    assert "/infra/dc1/db/orders/ip" in fake_etcd.tree()
    found = modules.node_info(layout="{dc}/{role}/{name}", prefix="/infra", dc="dc1")
    assert [node["dc"] for node in found["nodes"]] == ["dc1"]
    refused = modules.node_info(prefix="/infra")
    assert "but {dc}/{role}/{name} (such as" in refused["msg"]


def test_info_filters_and_tells_whom_it_leaves_out(modules, fake_etcd):
    modules.node(
        nodes=[{"name": f"w{number}", "role": "web", "address": f"10.0.0.{number}"} for number in (1, 2)], ttl=60
    )
    fake_etcd.put("/infrastructure/web/w3/ip", "nowhere")
    fake_etcd.put("/rollcall/infrastructure/maintenance/web/w2", '{"by": "ann", "reason": "disk"}')
    found = modules.node_info(role="web", maintenance=True)
    assert [(node["name"], node["maintenance"]["reason"]) for node in found["nodes"]] == [("w2", "disk")]
    assert found["rejected"] == [{"path": "'web/w3'", "reason": "the address 'nowhere' is not an IP address"}]
    assert (found["changed"], found["revision"]) == (False, fake_etcd.revision)
    assert modules.node_info(role="db")["nodes"] == []


def test_two_machines_of_one_name_are_both_left_out(modules, fake_etcd):
    fake_etcd.put("/infrastructure/web/w1/ip", "10.0.0.1")
    fake_etcd.put("/infrastructure/db/w1/ip", "10.0.0.2")
    found = modules.node_info()
    assert found["nodes"] == []
    assert "registered more than once" in found["rejected"][0]["reason"]


def test_an_empty_prefix_is_an_error_unless_declared_possible(modules, fake_etcd):
    refused = modules.node_info()
    for part in ("No node is registered under /infrastructure/", fake_etcd.endpoint, "allow_empty: true"):
        assert part in refused["msg"]
    assert modules.node_info(allow_empty=True)["nodes"] == []
