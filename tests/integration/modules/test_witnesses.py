# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Python library etcd3 reads what modules write, under which lease, and modules and lookups what it writes.

What the other modules write is looked at by it in test_modules.py.
"""

from __future__ import annotations

import json

import etcd3
import pytest


@pytest.fixture
def library(etcd):
    """A client of etcd3."""
    with etcd3.client(host="127.0.0.1", port=etcd.members[0].port) as client:
        yield client


def task(name, module, /, **arguments):
    return {"name": name, f"rollcall.discovery.{module}": arguments}


def test_what_the_modules_write_under_a_lease_is_what_etcd3_reads(play, etcd, library):
    operations = [{"action": "put", "key": "/w/txn", "value": "grün", "lease": 4711}]
    tasks = [
        task("lease", "etcd_lease", lease=4711, ttl=600),
        task("key", "etcd_kv", key="/w/key", value="x", lease=4711),
        task("txn", "etcd_txn", compare=[{"key": "/w/txn", "exists": False}], success=operations),
        task("node", "node", name="db1", role="db", address="10.0.0.1", ttl=500, services={"db": {"port": 5432}}),
    ]
    run = play(tasks, module_defaults={"group/rollcall.discovery.etcd": {"endpoints": etcd.endpoints}})
    assert run.rc == 0, run.output
    seen = {about.key: (value, about.lease_id) for value, about in library.get_prefix("/w/")}
    assert seen == {b"/w/key": (b"x", 4711), b"/w/txn": ("grün".encode(), 4711)}
    about = library.get_lease_info(4711)
    assert (about.grantedTTL, sorted(about.keys)) == (600, [b"/w/key", b"/w/txn"])
    assert 0 < about.TTL <= 600

    found = {about.key: (value, about.lease_id) for value, about in library.get_prefix("/infrastructure/db/db1/")}
    [lease] = {lease for _value, lease in found.values()}
    assert library.get_lease_info(lease).grantedTTL == 500
    assert found[b"/infrastructure/db/db1/ip"][0] == b"10.0.0.1"
    assert json.loads(found[b"/infrastructure/db/db1/node"][0])["services"]["db"]["port"] == 5432
    assert etcd.ctl("get", "/w/txn", "--print-value-only") == "grün\n"
    assert f"remaining({library.get_lease_info(lease).TTL}s)" in etcd.ctl("lease", "timetolive", f"{lease:x}")


def test_what_etcd3_writes_under_a_lease_is_what_modules_and_lookups_read(play, etcd, library):
    lease = library.lease(600)
    library.put("/app/colour", "grün", lease=lease)
    library.put("/infrastructure/web/web1/ip", "10.0.0.5", lease=lease)
    library.transaction(
        compare=[library.transactions.version("/app/size") == 0],
        success=[library.transactions.put("/app/size", "7")],
        failure=[],
    )
    checks = [
        "lookup('rollcall.discovery.etcd', '/app/colour', return='value') == 'grün'",
        "query('rollcall.discovery.etcd', '/app/', prefix=true) | map(attribute='value') == ['grün', '7']",
        "lookup('rollcall.discovery.nodes', 'web1').address == '10.0.0.5'",
    ]
    tasks = [
        task("keys", "etcd_kv_info", key="/app/", prefix=True),
        task("nodes", "node_info"),
        task("same", "etcd_kv", key="/app/colour", value="grün", lease=lease.id),
        task("kept", "etcd_lease", lease=lease.id, state="present", ttl=600),
        {"name": "lookups", "ansible.builtin.assert": {"that": checks}},
    ]
    run = play(
        tasks,
        module_defaults={"group/rollcall.discovery.etcd": {"endpoints": etcd.endpoints}},
        vars={"rollcall_etcd_endpoints": etcd.endpoints},
    )
    assert (run.rc, run.changed) == (0, []), run.output
    kvs = {kv["key"]: (kv["value"], kv["lease"]) for kv in run["keys"]["kvs"]}
    assert kvs == {"/app/colour": ("grün", lease.id), "/app/size": ("7", 0)}
    assert [(node["name"], node["address"]) for node in run["nodes"]["nodes"]] == [("web1", "10.0.0.5")]
