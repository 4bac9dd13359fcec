# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole output of ansible-playbook at -vvv, with secrets in parameters of a wrong type or name."""

from __future__ import annotations

import json

import pytest

from tests.support.playbook import run_tasks

SECRET = "only-the-operator-knows"
WEB = {"name": "web", "password": SECRET}
USERS = [[WEB, "web"], {"web": WEB}, [f"web:{SECRET}"], [["web", SECRET]], [{"name": "web", "pasword": SECRET}], SECRET]
CONNECTIONS = [
    {"password": {"x": SECRET}},
    {"password": [SECRET]},
    {"user": {"root": SECRET}},
    {"user": f"root:{SECRET}"},
    {"pasword": SECRET},
    {"endpoints": f"http://root:{SECRET}@127.0.0.1:9"},
    {"endpoints": {f"http://root:{SECRET}@127.0.0.1:9": 1}},
]


@pytest.mark.parametrize("mode", [(), ("--check", "--diff")])
def test_no_secret_is_in_the_output(ansible_bin, tmp_path, mode):
    # In a file of their own: ansible-core itself shows the lines of a playbook in which a task failed.
    secrets = {"secret_users": USERS, "secret_connections": CONNECTIONS}
    (tmp_path / "secrets.json").write_text(json.dumps(secrets))
    connection = {"endpoints": "http://127.0.0.1:9", "timeout": 1}
    tasks = [
        {
            "name": f"user {number}",
            "rollcall.discovery.etcd_user": {**connection, "users": f"{{{{ secret_users[{number}] }}}}"},
            "ignore_errors": True,
        }
        for number in range(len(USERS))
    ]
    tasks += [
        {
            "name": f"connection {number}",
            "rollcall.discovery.etcd_kv_info": {"key": "/a"},
            "module_defaults": {
                "rollcall.discovery.etcd_kv_info": f"{{{{ connection | combine(secret_connections[{number}]) }}}}"
            },
            "ignore_errors": True,
        }
        for number in range(len(CONNECTIONS))
    ]
    done = run_tasks(
        ansible_bin, tmp_path, tasks, "-vvv", *mode, vars_files=["secrets.json"], vars={"connection": connection}
    )
    failed = [result["task"] for result in done.results if result.get("failed")]
    assert failed == [task["name"] for task in tasks], done.output
    assert SECRET not in done.output
    assert SECRET not in json.dumps(done.results)
