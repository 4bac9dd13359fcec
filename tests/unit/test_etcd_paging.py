# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading many keys: in pages, all as of one revision."""

from __future__ import annotations

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd import fields, wire
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import Compacted, EtcdError
from tests.support.fake_etcd import Answer, Cut, Drop, Meanwhile
from tests.support.waiting import wait_for

RANGE = "/v3/kv/range"


@pytest.fixture
def client(fake_etcd, connect):
    for number in range(10):
        fake_etcd.put(f"/p/{number}", str(number))
    return connect(endpoints=[fake_etcd.endpoint])


def ranges(fake):
    return [request.body for request in fake.received if request.path == RANGE]


def on_second_page(fake, action):
    fake.inject(RANGE, Meanwhile(lambda: None))
    fake.inject(RANGE, Meanwhile(action))


def test_every_page_is_limited_and_pinned_to_the_revision_of_the_first(fake_etcd, client):
    found = client.read_all("/p/", page=4)
    assert [kv.value for kv in found.kvs] == [str(number) for number in range(10)]
    bodies = ranges(fake_etcd)
    assert [body["limit"] for body in bodies] == [4, 4, 4]
    assert [body["revision"] for body in bodies] == [0, found.revision, found.revision]
    assert [fields.decode(body["key"]) for body in bodies] == ["/p/", "/p/3\0", "/p/7\0"]
    assert len({body["range_end"] for body in bodies}) == 1


@pytest.mark.parametrize("fault", [Drop(), Cut()])
def test_a_page_that_was_asked_for_ahead_and_never_came_is_asked_for_again(fake_etcd, client, fault):
    for meanwhile in (Meanwhile(lambda: None), Meanwhile(lambda: None), fault):
        fake_etcd.inject(RANGE, meanwhile)
    found = client.read_all("/p/", page=4)
    assert [kv.value for kv in found.kvs] == [str(number) for number in range(10)]
    assert len(ranges(fake_etcd)) == 4


def test_who_stops_in_the_middle_gets_the_answer_to_the_next_question(fake_etcd, client, monkeypatch):
    pages, parse_list = [], wire.KeyValue.parse_list

    def interrupted(items):
        pages.append(items)
        if len(pages) > 1:
            raise KeyboardInterrupt
        return parse_list(items)

    monkeypatch.setattr(wire.KeyValue, "parse_list", interrupted)
    with pytest.raises(KeyboardInterrupt):
        client.read_all("/p/", page=4)
    monkeypatch.undo()
    wait_for(lambda: len(ranges(fake_etcd)) == 3, "the page that was asked for ahead")
    assert client.get("/p/9").value == "9"


@pytest.mark.parametrize("keys", [0, 4, 8])
def test_no_page_is_asked_for_that_must_be_empty(fake_etcd, client, keys):
    for number in range(keys):
        fake_etcd.put(f"/exact/{number}", "")
    assert len(client.read_all("/exact/", page=4).kvs) == keys
    assert len(ranges(fake_etcd)) == max(keys // 4, 1)


@pytest.mark.parametrize(
    "action",
    [
        lambda fake: fake.put("/p/95", "later"),
        lambda fake: fake.put("/p/9", "changed"),
        lambda fake: fake.delete("/p/9"),
        lambda fake: fake.delete("/p/0"),
    ],
)
def test_what_changes_meanwhile_is_not_seen(fake_etcd, client, action):
    on_second_page(fake_etcd, lambda: action(fake_etcd))
    found = client.read_all("/p/", page=4)
    assert [kv.value for kv in found.kvs] == [str(number) for number in range(10)]
    assert found.revision == fake_etcd.revision - 1


def test_a_compaction_meanwhile_is_an_error_and_not_a_mixture(fake_etcd, client):
    def compact():
        fake_etcd.put("/elsewhere", "")
        fake_etcd.compact()

    on_second_page(fake_etcd, compact)
    with pytest.raises(Compacted, match="Reading keys under /p/ as of revision"):
        client.read_all("/p/", page=4)
    assert len(client.read_all("/p/", page=4).kvs) == 10


def test_a_server_that_counts_more_than_it_gives_is_not_asked_for_ever(fake_etcd, client):
    fake_etcd.inject(RANGE, Meanwhile(lambda: None))
    fake_etcd.inject(RANGE, Answer(200, "application/json", b'{"header":{"revision":"9"}}'))
    with pytest.raises(EtcdError, match="counted 10 keys and returned 4"):
        client.read_all("/p/", page=4)


def test_keys_alone_bring_no_values(fake_etcd, client):
    found = client.read_all("/p/", keys_only=True, page=3)
    assert [(kv.key, kv.value) for kv in found.kvs] == [(f"/p/{number}", "") for number in range(10)]


def test_many_keys_by_name_take_few_requests_at_one_revision(fake_etcd, client):
    fake_etcd.inject("/v3/kv/txn", Meanwhile(lambda: None))
    fake_etcd.inject("/v3/kv/txn", Meanwhile(lambda: fake_etcd.put("/p/9", "changed")))
    found = client.get_many([f"/none/{number}" for number in range(200)] + [f"/p/{number}" for number in range(10)])
    assert {key: kv.value for key, kv in found.items()} == {f"/p/{number}": str(number) for number in range(10)}
    assert fake_etcd.counts == {"/v3/kv/txn": 2}


def test_many_prefixes_take_one_request_at_one_revision_and_pages_only_where_they_are_large(fake_etcd, client):
    prefixes = ["/none/", *(f"/p/{number}" for number in range(9))]
    found = client.read_many([*prefixes, "/p/3"])
    assert {prefix: [kv.value for kv in read.kvs] for prefix, read in found.items()} == {
        prefix: [] if prefix == "/none/" else [prefix[-1]] for prefix in prefixes
    }
    assert {read.revision for read in found.values()} == {fake_etcd.revision}
    assert fake_etcd.counts == {"/v3/kv/txn": 1}


def test_what_does_not_fit_beside_other_prefixes_comes_in_pages_of_the_same_revision(fake_etcd, client, monkeypatch):
    monkeypatch.setattr("ansible_collections.rollcall.discovery.plugins.module_utils._etcd.client.PAGE", 8)
    fake_etcd.inject("/v3/kv/txn", Meanwhile(lambda: None))
    fake_etcd.inject(RANGE, Meanwhile(lambda: fake_etcd.delete("/p/9")))
    found = client.read_many(["/p/", "/p/1"])
    assert [kv.value for kv in found["/p/"].kvs] == [str(number) for number in range(10)]
    assert found["/p/"].revision == found["/p/1"].revision == fake_etcd.revision - 1
    assert [body["limit"] for body in ranges(fake_etcd)] == [10000]
