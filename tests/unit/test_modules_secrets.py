# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Passwords that stand where none is expected: no result shows them, nor the log of the host."""

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


def test_what_is_no_password_stays_to_be_read(modules, fake_etcd):
    fake_etcd.require_auth(root="hunter2")
    found = modules.etcd_kv_info(user="root:hunter2", endpoints=[fake_etcd.endpoint])
    arguments = found["invocation"]["module_args"]
    assert (found["count"], arguments["endpoints"]) == (0, [fake_etcd.endpoint])
    assert arguments["user"].startswith("root:***")
    refused = modules.etcd_kv_info(endpoints=["http://root:hunter2@etcd1", "http://[::1]:2379"])
    assert refused["msg"].startswith("An etcd endpoint must not carry credentials")
    assert refused["invocation"]["module_args"]["endpoints"] == ["http://root:********@etcd1", "http://[::1]:2379"]
