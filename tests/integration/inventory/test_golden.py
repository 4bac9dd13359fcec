# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole of `ansible-inventory --list` is the contract: each *.json in golden, made by the *.etcd.yml of its name.

It is compared as printed: only text that could be a template comes as `{"__ansible_unsafe": "…"}`.

What is in etcd is the tree.json of the same directory: golden itself has the roll call's own layout, choices what an
operator may decide of hosts and groups, clusters several etcds in one source, and the others a layout that people
already had.

After a change on purpose write them anew, and read the difference:

    UPDATE_GOLDEN=1 make integration K=golden && git diff tests/integration/inventory/golden
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"
BAD = {  # by directory: what is left out, and why
    "golden": {
        "'web/web3'": "the address 'not an address' is not an IP address",
        "'web/web4'": "the node document is not JSON",
        "'web/web5'": "it has no ip key",
        "'web/localhost'": "the name 'localhost' is reserved",
        "'role_web'": "a group has this name",
        "'twin'": "the name is registered more than once, and not by the same machine: lb/twin, web/twin",
    },
    "choices": {"'us-east/web/bad'": "the address 'web.example.com' is not an IP address"},
    "clusters": {
        "us: 'us-2/web/bad'": "the address '?' is not an IP address",
        "'twin'": "the name is registered more than once, and not by the same machine: "
        "eu:eu/web/twin, us:us-2/web/twin",
    },
    "json": {
        "'nowhere'": "the document has no ip",
        "'loop'": "the address 127.0.0.1 is loopback",
        "'text'": "the document is not JSON",
        "'ill'": "the health 'so-so' is not one of passing, warning, critical, drain",
        "'all'": "the name 'all' is reserved",
        "'twin'": "the name is registered more than once",
        "'odd'": "the role 'a b' is not a valid name",
        "'deep/er'": "the key does not fit the layout json",
    },
    "consul": {
        "'us/localhost'": "the name 'localhost' is reserved",
        "'us/loop'": "the address 127.0.0.1 is loopback",
        "'us/list'": "the metadata is not a JSON object: '[1]'",
        "'us/odd'": "the group 'not a word' is not a valid name",
        "'webservers'": "a group has this name",
        "'rome'": "the name is registered more than once",
        "'else/us/db1'": "the key does not fit the layout consul",
    },
    "script": {
        "'groups/site/all'": "the group 'all' is Ansible's own",
        "'localhost'": "the name 'localhost' is reserved",
        "'loop'": "the address 127.0.0.1 is loopback",
        "'hosts/a b/web3'": "the group 'a b' is not a valid name",
        "'db'": "a group has this name",
        "'nobody'": "it has variables and is in no group",
        "'127.1'": "the address '127.1' is not an IP address",
        "2 keys": "they do not fit the layout script, such as 'hosts'",
    },
}
NOTES = {  # by configuration: what else there is to know
    "lost.etcd.yml": ["since the roster has no address of theirs that may be used: web9.us-east"],
}
NOT_TAKEN = {  # by directory: the variables that only trusted_variables would let pass
    "consul": ["a-b", "ansible_connection"],
    "script": ["ansible_become", "ansible_connection", "inventory_hostname"],
}


@pytest.fixture
def filled(etcd, config):
    """The tree beside the configuration, written by etcdctl."""
    for key, value in json.loads((config.parent / "tree.json").read_text()).items():
        etcd.put(key, value if isinstance(value, str) else json.dumps(value))
    return etcd


@pytest.mark.parametrize("config", sorted(GOLDEN.rglob("*.etcd.yml")), ids=lambda path: path.name)
def test_the_inventory_is_the_golden_one(run, filled, config):
    done = run("ansible-inventory", "-i", config, "--list", ETCDCTL_ENDPOINTS=",".join(filled.endpoints))
    found = done.inventory
    del found["_meta"]["profile"]
    golden = config.with_name(config.name.replace(".etcd.yml", ".json"))
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n")
    assert found == json.loads(golden.read_text())
    bad, not_taken, notes = BAD[config.parent.name], NOT_TAKEN.get(config.parent.name, []), NOTES.get(config.name, [])
    for name, reason in bad.items():
        assert f"Node rejected: {name}: {reason}" in done.messages
    for name in not_taken:
        assert f"The variable '{name}' is not taken from etcd (1 x)" in done.messages
    for note in notes:
        assert note in done.messages
    assert done.stderr.count("[WARNING]") == len(bad) + len(not_taken) + len(notes)
