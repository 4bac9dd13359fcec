# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets in any parameter: no result shows them, nor the log of the host, and no result has asterisks for a value."""

from __future__ import annotations

import json

import pytest
from ansible.module_utils.basic import AnsibleModule

from tests.support.modules import Modules

SECRET = "hunter2/s3cret,x9"


@pytest.fixture
def modules(capsys):
    return Modules(capsys, key="/a")


@pytest.mark.parametrize(
    "options",
    [
        {"endpoints": [f"http://root:{SECRET}@etcd1:2379"]},
        {"endpoints": ["http://etcd1:2379", "root:hunter2@etcd2"]},
        {"endpoints": "http://etcd1:2379,https://root:s3cret@etcd2"},
        {"endpoints": ["http://root:hunter2@etcd1,http://root:s3cret@etcd2"]},
        {"host": f"root:{SECRET}@etcd1", "port": 2379},
        {"user": f"root:{SECRET}", "endpoints": ["http://bad url"]},
        {"user": f"root:{SECRET}", "password": "another", "endpoints": ["http://bad url"]},
        {"user": f"root:{SECRET}", "key": None},
        {"endpoints": f"http://root:{SECRET}@etcd1", "no_such_option": True},
        {"user": 5, "endpoints": [None, 7], "host": "root@etcd1"},
    ],
)
def test_a_password_in_another_option_is_shown_nowhere(modules, monkeypatch, options):
    logged = []
    monkeypatch.setattr(AnsibleModule, "log", lambda module, message, log_args=None: logged.append((message, log_args)))
    refused = modules.etcd_kv_info(**options)
    assert refused["failed"]
    shown = json.dumps([refused, logged])
    for part in ("hunter2", "s3cret", "x9", "another"):
        assert part not in shown


WITH_USERS = {"endpoints": ["http://127.0.0.1:9"], "user": "root", "password": "another"}
PEM = "-----BEGIN PRIVATE KEY-----\nhunter2MIGHAgEAMBMGByqGSM49AgEGs3cret\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize("mode", [{}, {"check": True, "diff": True}])
@pytest.mark.parametrize(
    "options",
    [
        {"users": [{"name": "web", "password": SECRET}, "web"]},
        {"users": [{"name": "web", "password": SECRET}, 7, None]},
        {"users": {"name": "web", "password": SECRET}},
        {"users": {"web": {"password": SECRET}}},
        {"users": {"web": SECRET}},
        {"users": [{"web": SECRET}]},
        {"users": [f"web:{SECRET}"]},
        {"users": [["web", SECRET]]},
        {"users": [[[{"name": "web", "password": SECRET}]]]},
        {"users": f"web:{SECRET}"},
        {"users": [f"{{'name': 'web', 'password': '{SECRET}', 'x'}}"]},
        {"users": [json.dumps({"name": "web", "password": SECRET, "x": 1})]},
        {"users": [{"name": "web", "pasword": SECRET}]},
        {"users": [{"name": "web", "password": {"x": SECRET}}]},
        {"users": [{"name": "web", "password": {SECRET: "x"}}]},
        {"users": [{"name": "web", "password": [f"it's \\ {SECRET}"]}]},
        {"users": [{"name": "web", "password": SECRET, "roles": 5, "x": [SECRET]}]},
        {"users": [], "pasword": SECRET},
        {"users": [], "items": [{"name": "web", "password": SECRET}]},
        {"users": [], "password": [SECRET]},
        {"users": [], "password": {"value": SECRET}},
        {"users": [{"name": "web"}], "user": {"root": SECRET}},
        {"users": [{"name": "web"}], "user": [f"root:{SECRET}"]},
        {"users": [{"name": "web"}], "endpoints": {f"http://root:{SECRET}@etcd1": 1}},
        {"users": [{"name": "web"}], "discovery_srv": f"root:{SECRET}@example.com", "endpoints": None},
        {"users": [{"name": "web"}], "ca_cert": {"password": SECRET}},
        {"users": [{"name": "web"}], "tls_server_name": [{"etcd": {"root_passwd": [SECRET]}}]},
        {"users": [{"name": "web"}], "client_key": PEM, "client_cert": "/nonexistent"},
        {"users": [{"name": "web"}], "key_file": PEM, "client_cert": "/nonexistent"},
    ],
)
def test_a_password_in_a_parameter_of_the_wrong_type_or_name_is_shown_nowhere(capsys, monkeypatch, options, mode):
    logged = []
    monkeypatch.setattr(AnsibleModule, "log", lambda module, message, log_args=None: logged.append((message, log_args)))
    refused = Modules(capsys, **{**WITH_USERS, **options}).etcd_user(**mode)
    assert refused["failed"]
    shown = json.dumps([refused, logged])
    for part in ("hunter2", "s3cret", "x9", "another"):
        assert part not in shown


def test_a_secret_that_is_a_number_is_known_at_any_depth(capsys):
    refused = Modules(capsys, **WITH_USERS).etcd_user(users=[{"name": "web", "password": 987654321}, [987654321]])
    assert refused["failed"]
    assert "987654321" not in json.dumps(refused)


@pytest.fixture
def web(fake_etcd, capsys):
    """Modules that log in with a password which is a part of what etcd holds."""
    fake_etcd.put("/app/url", "http://web.example/")
    fake_etcd.put("/app/size", "7")
    fake_etcd.put("/infrastructure/db/db1/ip", "10.0.0.1")
    fake_etcd.put("/infrastructure/db/db1/node", json.dumps({"meta": {"site": "web-eu"}}))
    fake_etcd.require_auth(root="web")
    return Modules(capsys, endpoints=[fake_etcd.endpoint], user="root", password="web")


READS = [
    ("etcd_kv_info", {"key": "/app/url"}, "kvs[0]"),
    ("etcd_kv_info", {"key": "/app/", "prefix": True}, "kvs[1]"),
    ("node_info", {}, "nodes[0]"),
    ("etcd_txn", {"success": [{"action": "get", "key": "/app/", "prefix": True}]}, "responses[0]"),
]
WRITES = [
    ("etcd_kv", {"key": "/app/url", "value": "x"}, "old_value"),
    ("etcd_kv", {"key": "/app/url", "state": "absent"}, "old_value"),
    ("etcd_kv", {"key": "/app/size", "value": "web.example"}, "value"),
    ("etcd_kv", {"key": "/app/", "state": "absent", "prefix": True, "value": "web"}, None),
    ("etcd_txn", {"success": [{"action": "put", "key": "/app/size", "value": "a web"}]}, "success[0]"),
    ("etcd_txn", {"success": [{"action": "put", "key": "/web/size", "value": "8"}]}, "success[0]"),
    ("etcd_lock", {"key": "/lock", "owner": "web1", "ttl": 60}, "owner"),
]


@pytest.mark.parametrize("mode", [{}, {"check": True, "diff": True}])
@pytest.mark.parametrize(("name", "options", "place"), [case for case in READS + WRITES if case[2]])
def test_a_value_that_holds_the_password_of_the_task_is_an_error_before_anything_is_changed(
    web, fake_etcd, name, options, place, mode
):
    before = fake_etcd.tree("/")
    refused = getattr(web, name)(**mode, **options)
    assert refused["failed"]
    assert f"Cannot return {place}" in refused["msg"]
    assert "contains the password or another secret option of this task" in refused["msg"]
    assert "***" not in refused["msg"]
    assert fake_etcd.tree("/") == before
    assert refused["invocation"]["module_args"]["password"] == "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"


def test_what_was_read_after_a_change_is_null_instead_of_asterisks(web, fake_etcd, monkeypatch):
    warned = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda module, warning: warned.append(warning))
    success = [{"action": "put", "key": "/app/size", "value": "8"}, {"action": "get", "key": "/app/url"}]
    done = web.etcd_txn(success=success)
    assert done["changed"] and fake_etcd.tree("/app/")["/app/size"] == "8"
    assert done["responses"][1]["kvs"][0]["value"] is None
    assert "***" not in json.dumps(done["responses"])
    assert [warning.partition(":")[0] for warning in warned] == ["Cannot return responses[1]"]


@pytest.mark.parametrize("password", ["a", "e", "7", "null"])
def test_the_error_stays_readable_whatever_the_password(fake_etcd, capsys, password):
    fake_etcd.put("/k", f"-{password}-")
    fake_etcd.require_auth(root=password)
    refused = Modules(capsys, endpoints=[fake_etcd.endpoint], user=f"root:{password}").etcd_kv_info(key="/k")
    assert refused["msg"].startswith("Cannot return kvs[0]")
    assert "it contains the password or another secret option of this task" in refused["msg"]
    arguments = refused["invocation"]["module_args"]
    assert password not in (arguments["user"].partition(":")[2], arguments["password"])


def test_what_is_no_password_stays_to_be_read(modules, fake_etcd):
    fake_etcd.require_auth(root="hunter2")
    found = modules.etcd_kv_info(user="root:hunter2", endpoints=[fake_etcd.endpoint])
    arguments = found["invocation"]["module_args"]
    assert (found["count"], arguments["endpoints"]) == (0, [fake_etcd.endpoint])
    assert arguments["user"].startswith("root:***")
    refused = modules.etcd_kv_info(endpoints=["http://root:hunter2@etcd1", "http://[::1]:2379"])
    assert refused["msg"].startswith("endpoints: expected URLs without credentials")
    assert refused["invocation"]["module_args"]["endpoints"] == ["http://root:********@etcd1", "http://[::1]:2379"]
