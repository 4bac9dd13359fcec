# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys that mean something to Ansible's own JSON never come out of etcd: they would run code when facts are cached."""

from __future__ import annotations

import json

import pytest

from tests.support.inventory import write_config
from tests.support.playbook import run_tasks


def trusted(template):
    """What Ansible's JSON takes for a text that it may evaluate."""
    tags = [{"__ansible_type": "TrustedAsTemplate"}]
    return {"__ansible_type": "_AnsibleTaggedStr", "value": template, "tags": tags}


@pytest.fixture
def mark(tmp_path):
    return tmp_path / "this-was-run"


@pytest.fixture
def evil(etcd, mark):
    """A good node beside one whose meta is a command, and a key with the same."""
    value = trusted(f"{{{{ lookup('ansible.builtin.pipe', 'touch {mark}') }}}}")
    etcd.put("/infrastructure/web/good/ip", "10.0.0.1")
    etcd.put("/infrastructure/web/evil/ip", "10.0.0.2")
    etcd.put("/infrastructure/web/evil/node", json.dumps({"v": 1, "meta": {"deep": [{"motd": value}]}}))
    etcd.put("/app/motd", json.dumps({"deep": [value]}))
    return etcd


@pytest.fixture
def cached_play(ansible_bin, tmp_path, monkeypatch, evil):
    """Runs tasks with a cache of facts in JSON files, and with etcd as the inventory's second source."""
    monkeypatch.setenv("ANSIBLE_CACHE_PLUGIN", "ansible.builtin.jsonfile")
    monkeypatch.setenv("ANSIBLE_CACHE_PLUGIN_CONNECTION", str(tmp_path / "facts"))
    inventory = write_config(tmp_path, endpoints=evil.endpoints)

    def run(*tasks, **options):
        return run_tasks(ansible_bin, tmp_path, list(tasks), "-i", str(inventory), *options.pop("arguments", ()))

    return run


def test_what_a_node_says_is_not_run_from_the_cache_of_facts(cached_play, evil, mark, tmp_path):
    connection = {"endpoints": evil.endpoints}
    lookup = f"query('rollcall.discovery.nodes', endpoints={evil.endpoints})"
    first = cached_play(
        {"name": "info", "rollcall.discovery.node_info": connection, "register": "info"},
        {
            "name": "keep",
            "ansible.builtin.set_fact": {
                "cacheable": True,
                "kept_nodes": "{{ info.nodes }}",
                "kept_lookup": f"{{{{ {lookup} }}}}",
                "kept_inventory": "{{ hostvars | dict2items | map(attribute='value.rollcall_meta', default={}) }}",
            },
        },
    )
    assert first.rc == 0, first.output
    assert [node["name"] for node in first["info"]["nodes"]] == ["good"]
    [rejected] = first["info"]["rejected"]
    assert rejected["path"] == "'web/evil'"
    assert "has the key '__ansible_type', which Ansible reserves" in rejected["reason"]
    assert mark.name not in "".join(file.read_text() for file in (tmp_path / "facts").iterdir())
    second = cached_play({"name": "show", "ansible.builtin.debug": {"msg": "{{ kept_nodes }} {{ kept_lookup }}"}})
    assert second.rc == 0, second.output
    assert "good" in second["show"]["msg"]
    assert not mark.exists()


def test_a_decoded_value_is_an_error_that_names_the_key(cached_play, evil, mark):
    for decode in ("json", "yaml"):
        lookup = f"lookup('rollcall.discovery.etcd', '/app/motd', decode='{decode}', endpoints={evil.endpoints})"
        done = cached_play(
            {"name": "keep", "ansible.builtin.set_fact": {"cacheable": True, "motd": f"{{{{ {lookup} }}}}"}}
        )
        assert done.rc != 0
        assert "The value of /app/motd in etcd cannot be decoded" in done.output
        assert "'__ansible_type', which Ansible reserves" in done.output
    assert not mark.exists()


@pytest.mark.parametrize("arguments", [["--diff"], ["--diff", "--check"]], ids=["diff", "check"])
def test_nothing_fails_after_a_write(cached_play, evil, arguments):
    value = json.dumps({"__ansible_vault": 7})
    write = {"key": "/app/motd", "value": value, "endpoints": evil.endpoints}
    transaction = {
        "endpoints": evil.endpoints,
        "success": [{"action": "put", "key": "/app/motd", "value": value + " "}],
    }
    done = cached_play(
        {"name": "write", "rollcall.discovery.etcd_kv": write},
        {"name": "transaction", "rollcall.discovery.etcd_txn": transaction},
        {"name": "read", "rollcall.discovery.etcd_kv_info": {"key": "/app/motd", "endpoints": evil.endpoints}},
        arguments=arguments,
    )
    assert done.rc == 0, done.output
    assert done.changed == ["write", "transaction"]
