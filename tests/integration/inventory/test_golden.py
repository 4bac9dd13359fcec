# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole of `ansible-inventory --list` is the contract: golden/*.json, made of golden/tree.json in etcd.

After a change on purpose write them anew, and read the difference:

    UPDATE_GOLDEN=1 make integration K=golden && git diff tests/integration/inventory/golden
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"
BAD = {
    "'web/web3'": "the address 'not an address' is not an IP address",
    "'web/web4'": "the node document is not JSON",
    "'web/web5'": "it has no ip key",
    "'web/localhost'": "the name 'localhost' is reserved",
    "'role_web'": "a group has this name",
    "'twin'": "the name is registered more than once, not by one machine: lb/twin, web/twin",
}


@pytest.fixture
def tree(etcd):
    """The golden tree, written by etcdctl."""
    for key, value in json.loads((GOLDEN / "tree.json").read_text()).items():
        etcd.ctl("put", "--", key, value if isinstance(value, str) else json.dumps(value))
    return etcd


@pytest.mark.parametrize("config", sorted(GOLDEN.glob("*.etcd.yml")), ids=lambda path: path.name)
def test_the_inventory_is_the_golden_one(run, tree, config):
    done = run("ansible-inventory", "-i", config, "--list", ETCDCTL_ENDPOINTS=",".join(tree.endpoints))
    found = done.inventory
    del found["_meta"]["profile"]
    golden = config.with_name(config.name.replace(".etcd.yml", ".json"))
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n")
    assert found == json.loads(golden.read_text())
    for name, reason in BAD.items():
        assert f"A node is left out: {name}: {reason}" in done.messages
    assert done.stderr.count("[WARNING]") == len(BAD)
