# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Roles in plays with keywords that their authors did not think of: any_errors_fatal, serial, strategy."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = Path(__file__).resolve().parents[3] / "roles"
MEMBERS = "m1 m2 m3"


def play(ansible_bin: Path, directory: Path, hosts: dict[str, dict[str, Any]], **keywords: Any) -> str:
    """Run one play over `hosts`; returns all that was printed."""
    inventory, book = directory / "hosts.json", directory / "play.yml"
    usual = {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}
    group = {"hosts": {name: {**usual, **variables} for name, variables in hosts.items()}}
    inventory.write_text(json.dumps({"all": {"children": {"etcd": group}}}))
    book.write_text(json.dumps([{"hosts": "all", "gather_facts": False, **keywords}]))
    command = [str(ansible_bin / "ansible-playbook"), "-i", str(inventory), str(book)]
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "COLUMNS": "10000"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=300).stdout


def rescues(tasks: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """All rescue sections in a list of tasks."""
    found = [task["rescue"] for task in tasks if "rescue" in task]
    return found + [
        inner for task in tasks for part in ("block", "rescue", "always") for inner in rescues(task.get(part, []))
    ]


def test_each_rescue_leaves_hosts_alone_that_did_not_fail() -> None:
    guarded = 0
    for file in ROLES.glob("*/tasks/*.yml"):
        for section in rescues(yaml.safe_load(file.read_text()) or []):
            first = section[0]
            if "ansible.builtin.include_tasks" in first:
                first = yaml.safe_load((file.parent / first["ansible.builtin.include_tasks"]).read_text())[0]
            assert (first["ansible.builtin.meta"], first["when"]) == (
                "end_host",
                "ansible_failed_task is not defined",
            ), file
            guarded += 1
    assert guarded >= 5


def test_a_host_that_did_not_fail_says_nothing_if_any_error_is_fatal(ansible_bin: Path, tmp_path: Path) -> None:
    hosts = {"m1": {}, "m2": {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}}
    block = {
        "name": "Ask",
        "block": [{"name": "Ask", "ansible.builtin.command": "true"}],
        "rescue": [{"name": "Explain", "ansible.builtin.include_tasks": str(ROLES / "etcd/tasks/explain.yml")}],
    }
    printed = play(ansible_bin, tmp_path, hosts, any_errors_fatal=True, tasks=[block])
    assert "fatal: [m2]: UNREACHABLE!" in printed
    assert "fatal: [m1]" not in printed
    assert "undefined" not in printed


@pytest.mark.parametrize(
    ("keyword", "value", "message"),
    [
        ("strategy", "free", 'Remove \\"strategy: free\\" from the play, or set it to linear.'),
        (
            "serial",
            1,
            "m2, m3 of the group etcd come in a later batch of this play. Nothing was started. For the first run, "
            "remove serial",
        ),
    ],
)
def test_the_role_etcd_says_in_its_own_words_that_all_members_are_needed_at_once(
    ansible_bin: Path, tmp_path: Path, keyword: str, value: Any, message: str
) -> None:
    tasks = yaml.safe_load((ROLES / "etcd/tasks/main.yml").read_text())
    begin = [task for task in tasks if "__etcd_begun" in json.dumps(task)]
    assert len(begin) == 2
    variables = {"etcd_name": "{{ inventory_hostname }}", "etcd_group": "etcd", "__etcd_peer_url": "http://x:2380"}
    bootstrap = {"name": "Bootstrap", "ansible.builtin.include_tasks": str(ROLES / "etcd/tasks/bootstrap.yml")}
    hosts: dict[str, dict[str, Any]] = {name: {} for name in MEMBERS.split()}
    printed = play(ansible_bin, tmp_path, hosts, tasks=[*begin, bootstrap], vars=variables, **{keyword: value})
    assert message in printed
    assert "undefined" not in printed


def test_a_variable_for_a_place_that_is_given_and_empty_is_an_error_of_every_role(
    ansible_bin: Path, tmp_path: Path
) -> None:
    """An empty path is the working directory, and an empty prefix all of etcd."""
    for role in ROLES.glob("*/tasks/main.yml"):
        assert "options" in role.read_text(), role
    wrong: dict[str, dict[str, Any]] = {
        "m1": {"rollcall_credentials": ""},
        "m2": {"rollcall_prefix": "/"},
        "m3": {"rollcall_prefix": "/staging", "rollcall_credentials": "/srv/credentials"},
    }
    task = {
        "ansible.builtin.include_role": {"name": "rollcall.discovery.agent", "tasks_from": "options"},
        "vars": {"__agent_role": "etcd"},
    }
    printed = play(ansible_bin, tmp_path, wrong, tasks=[task])
    assert 'rollcall_credentials: expected a directory of the controller, got \\"\\".' in printed
    assert 'rollcall_prefix: expected a prefix such as /infrastructure, got \\"/\\".' in printed
    assert printed.count("failed=0") == 1


def test_the_role_etcd_refuses_two_clusters_in_one_play(ansible_bin: Path, tmp_path: Path) -> None:
    tasks = yaml.safe_load((ROLES / "etcd/tasks/main.yml").read_text())
    (check,) = [task for task in tasks if "__etcd_strangers" in task.get("vars", {})]
    groups = {"name": "Make two groups", "ansible.builtin.group_by": {"key": "{{ etcd_group }}"}}
    hosts = {"m1": {"etcd_group": "eu"}, "m2": {"etcd_group": "us"}, "m3": {"etcd_group": "us"}}
    printed = play(ansible_bin, tmp_path, hosts, tasks=[groups, check])
    assert "m2, m3 of this play are not in the group eu of m1" in printed
    assert "m1 of this play are not in the group us of m2" in printed
    assert "--limit us" in printed
    alone = play(ansible_bin, tmp_path, {"m2": hosts["m2"], "m3": hosts["m3"]}, tasks=[groups, check])
    assert "not in the group" not in alone
    assert alone.count("failed=0") == 2
