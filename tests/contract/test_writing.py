# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many keys at once against every server: what fits into one transaction, and what is split."""

from __future__ import annotations

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd import wire, writing
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import EtcdError, LeaseNotFound
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.writing import Wanted


def write(client, wanted):
    return writing.write(client, writing.compare(client, wanted))


def transactions(changes):
    """How many keys each transaction has written."""
    revisions = [change.mod_revision for change in changes.all]
    return [revisions.count(revision) for revision in sorted(set(revisions))]


def test_as_many_keys_as_etcd_takes_are_one_transaction(client):
    full = [Wanted(f"/k/{number}", "x", mod_revision=0) for number in range(wire.MAX_TXN_OPS)]
    assert transactions(write(client, full)) == [wire.MAX_TXN_OPS]
    assert not any(change.changed for change in write(client, full).all)
    more = [Wanted(f"/m/{number}", "x") for number in range(wire.MAX_TXN_OPS + 1)]
    assert transactions(write(client, more)) == [wire.MAX_TXN_OPS, 1]


@pytest.mark.parametrize("key", ["/short", "/" + "k" * 2000])
def test_as_many_bytes_as_etcd_takes_are_one_transaction(client, key):
    keys = [f"{key}/{number:03}" for number in range(wire.MAX_TXN_OPS)]
    size = wire.MAX_REQUEST // len(keys)
    guarded = [Wanted(name, "x" * (size - 3 * len(name)), mod_revision=0) for name in keys]
    assert transactions(write(client, guarded)) == [len(keys)]
    plain = [Wanted(name, "ü" * ((size - len(name)) // 2)) for name in keys]
    assert transactions(write(client, plain)) == [len(keys)]
    larger = [Wanted(name, "y" * (size - len(name) + 20)) for name in keys]
    assert transactions(write(client, larger)) == [len(keys) - 1, 1]
    assert client.range(key, prefix=True, count_only=True).count == len(keys)


def test_a_value_larger_than_etcd_takes_is_refused_by_its_name(connect, etcd_of_series):
    client = connect(endpoints=etcd_of_series.endpoints)
    with pytest.raises(EtcdError, match="Changing /large failed: .*request is too large"):
        write(client, [Wanted("/large", "x" * 1_600_000)])


def test_a_lease_that_is_not_there_leaves_all_keys_of_the_transaction(client):
    client.put("/gone", "x")
    with pytest.raises(LeaseNotFound, match="Changing /a and 2 more failed"):
        write(client, [Wanted("/a", "x"), Wanted("/gone"), Wanted("/b", "x", lease=4711)])
    assert [kv.key for kv in client.range("/", prefix=True).kvs] == ["/gone"]


def test_a_key_that_changed_since_leaves_all_keys_of_the_transaction(client):
    client.put("/a", "x")
    changes = writing.compare(
        client, [Wanted("/b", "y"), Wanted("/a", "y", mod_revision=client.get("/a").mod_revision)]
    )
    client.put("/a", "theirs")
    with pytest.raises(EtcdError, match="mod_revision of /a: expected .*Nothing was changed"):
        writing.write(client, changes)
    assert client.get("/b") is None
