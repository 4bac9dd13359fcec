# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The users of etcd that the roles make for hosts: a real play, an etcd with TLS and passwords, etcdctl as witness."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.certs import Authority
from tests.support.playbook import Run, run_tasks
from tests.support.real_etcd import Cluster, Tls

OWN = "/infrastructure/web/web1/"
ROSTER = "/rollcall/infrastructure/roster/web/web1"
USER = {
    "name": "node/web/web1",
    "permissions": [{"prefix": OWN, "permission": "readwrite"}, {"key": ROSTER, "permission": "readwrite"}],
}
TASK = {
    "name": "user",
    "ansible.builtin.include_role": {"name": "rollcall.discovery.agent", "tasks_from": "user"},
    "vars": {"agent_user": USER},
}


@pytest.fixture(scope="module")
def secured(etcd_programs: Path, authority: Authority) -> Iterator[Cluster]:
    """An etcd that wants TLS and a password."""
    with Cluster(etcd_programs, 1, Tls(authority.ca_cert, authority.server()), ["--bcrypt-cost=4"]) as cluster:
        cluster.require_auth(root="hard-to-guess")
        yield cluster


def give(
    secured: Cluster, authority: Authority, ansible_bin: Path, directory: Path, *arguments: str, **more: Any
) -> Run:
    """Let the role give this host its user; the password of root lies where the role etcd leaves it."""
    passwords = directory / "credentials/passwords"
    passwords.mkdir(parents=True, exist_ok=True)
    (passwords / "root").write_text("hard-to-guess\n")
    (passwords / "root").chmod(0o600)
    variables: dict[str, Any] = {
        "rollcall_etcd_endpoints": secured.endpoints,
        "rollcall_etcd_ca_cert": str(authority.ca_cert),
        "rollcall_credentials": str(directory / "credentials"),
        **more,
    }
    return run_tasks(ansible_bin, directory, [TASK], *arguments, vars=variables)


def test_a_host_gets_a_user_that_may_write_its_own_keys_only(
    secured: Cluster, authority: Authority, ansible_bin: Path, tmp_path: Path
) -> None:
    played = give(secured, authority, ansible_bin, tmp_path, "-vvv", "--diff")
    assert played.rc == 0, played.output
    kept = tmp_path / "credentials/passwords/node/web/web1"
    password = kept.read_text().strip()
    assert len(password) == 32
    assert kept.stat().st_mode & 0o777 == 0o600
    assert password not in played.output
    assert "hard-to-guess" not in played.output

    login = f"node/web/web1:{password}"
    secured.ctl("put", f"{OWN}ip", "10.0.0.5", user=login)
    secured.ctl("put", ROSTER, "{}", user=login)
    for key in ("/infrastructure/web/web10/ip", f"{ROSTER}0", "/infrastructure/web/web1", "/x"):
        with pytest.raises(AssertionError, match="permission denied"):
            secured.ctl("put", key, "x", user=login)

    again = give(secured, authority, ansible_bin, tmp_path)
    assert again.rc == 0, again.output
    assert again.changed == []
    assert kept.read_text().strip() == password


def test_another_root_password_is_an_error_that_says_so(
    secured: Cluster, authority: Authority, ansible_bin: Path, tmp_path: Path
) -> None:
    played = give(secured, authority, ansible_bin, tmp_path, "-e", "rollcall_etcd_root_password=wrong")
    assert played.rc == 2
    assert "Authenticating as root failed" in played.output
    assert "Check user and password" in played.output


def test_no_sudo_runs_on_the_controller(
    secured: Cluster, authority: Authority, ansible_bin: Path, tmp_path: Path
) -> None:
    """Also if a variable of the inventory says that everything needs it."""
    sudo = tmp_path / "sudo"
    sudo.write_text(f"#!/bin/sh\ntouch {tmp_path}/used\nexit 1\n")
    sudo.chmod(0o755)
    task = {"name": "control", "ansible.builtin.command": "true"}
    become = {"ansible_become": True, "ansible_become_user": "nobody", "ansible_become_exe": str(sudo)}
    controlled = run_tasks(ansible_bin, tmp_path, [task], vars=become)
    assert (controlled.rc, (tmp_path / "used").exists()) == (2, True), "the program would be run"
    (tmp_path / "used").unlink()

    user = json.dumps({"agent_user": {"name": "node/web/web2", "permissions": []}})  # another test has created web1
    played = give(secured, authority, ansible_bin, tmp_path, "-e", user, **become)
    assert played.rc == 0, played.output
    assert not (tmp_path / "used").exists()
