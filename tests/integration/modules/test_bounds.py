# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node that says too much is rejected, and costs its readers next to nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd import wire

KEYS = 78_000
VALUES, VALUE = 60, 1_400_000  # 84 MB, and a third more on the wire; etcd takes no request above 1.5 MiB
ALLOWED = 60  # MB for a page of small keys, decoded
ALLOWED_LARGE = 260  # MB: an answer of 64 MiB, whose parts are joined, is given up

# Prints the nodes, the reasons, and by how many kB the peak of memory has risen.
READER = """
import resource, sys
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.client import Client
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.settings import Settings
from ansible_collections.rollcall.discovery.plugins.module_utils._registry import node_set
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.following import mirror
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.layout import Layout
layout = Layout()
client = Client(Settings.from_mapping({"endpoints": [sys.argv[1]], "timeout": 60}))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
if sys.argv[2] == "follow":
    state = mirror.read_state(client, [mirror.Selector(layout.prefix)], layout)
    call = node_set.assemble(state.revision, state.under(layout.prefix), [], layout)
else:
    call = node_set.read(client, layout)
print([node.name for node in call.nodes])
for rejected in call.rejected:
    print(rejected)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def read(etcd, how):
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", READER, etcd.endpoints[0], how]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    nodes, *rejected, grown = done.stdout.splitlines()
    return nodes, rejected, int(grown) / 1000


@pytest.fixture
def neighbours(etcd):
    """Good nodes on both sides of the bad one, in the order of the keys."""
    etcd.put("/infrastructure/web/a/ip", "10.0.0.1")
    etcd.put("/infrastructure/web/z/ip", "10.0.0.2")
    return etcd


@pytest.mark.parametrize("how", ["read", "follow"])
def test_a_node_of_78000_keys_is_one_line_and_no_memory(neighbours, connect, how):
    client = connect(endpoints=neighbours.endpoints)
    puts = [wire.put(f"/infrastructure/web/evil/odd{number}", "x" * 100) for number in range(KEYS)]
    for start in range(0, KEYS, wire.MAX_TXN_OPS):
        client.txn(success=puts[start : start + wire.MAX_TXN_OPS])
    nodes, rejected, grown = read(neighbours, how)
    assert nodes == "['a', 'z']"
    assert rejected == ["'web/evil': it has more than 64 keys"]
    assert grown < ALLOWED, grown


def test_a_node_of_large_values_is_one_line_and_bounded_memory(neighbours, connect):
    client = connect(endpoints=neighbours.endpoints, timeout=60)
    for number in range(VALUES):
        client.put(f"/infrastructure/web/evil/odd{number}", "x" * VALUE)
    nodes, [rejected], grown = read(neighbours, "read")
    assert nodes == "['a', 'z']"
    assert "'web/evil': the value of its key" in rejected
    assert grown < ALLOWED_LARGE, grown
