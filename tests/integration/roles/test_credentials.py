# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Controllers with the credentials of a cluster, with none, and with those of another one; a real etcd decides.

The role register is played on a host whose /etc is not ours; of the role etcd, the tasks that decide before anything is
changed. tests/e2e has whole members.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.certs import Authority
from tests.support.playbook import Run
from tests.support.played_host import Host
from tests.support.real_etcd import Cluster, Tls

ROOT = "hard-to-guess"


class Controller:
    """A directory with credentials, and an ansible-playbook that uses it."""

    def __init__(self, store: Path, etcd: Cluster, host: Host) -> None:
        self.store = store
        self._etcd = etcd
        self._host = host

    def play(self, *arguments: str, **options: Any) -> Run:
        """Give the role register to the host."""
        options = {
            "rollcall_etcd_endpoints": self._etcd.endpoints,
            "rollcall_credentials": str(self.store),
            **options,
        }
        return self._host.play(*arguments, **options)


@pytest.fixture(scope="module")
def secured(etcd_programs: Path, authority: Authority) -> Iterator[Cluster]:
    """An etcd that wants TLS and a password."""
    with Cluster(etcd_programs, 1, Tls(authority.ca_cert, authority.server()), ["--bcrypt-cost=4"]) as cluster:
        cluster.require_auth(root=ROOT)
        yield cluster


@pytest.fixture
def host(tmp_path: Path, ansible_bin: Path, secured: Cluster) -> Iterator[Host]:
    """A host that has never seen the role, and that etcd does not know."""
    made = Host(tmp_path, ansible_bin)
    yield made
    made.end()
    if "node/web/web1" in secured.ctl("user", "list", user=f"root:{ROOT}"):
        secured.ctl("user", "delete", "node/web/web1", user=f"root:{ROOT}")


def fill(store: Path, ca_cert: Path, root: str = ROOT) -> Path:
    """What the role etcd leaves."""
    (store / "tls").mkdir(mode=0o700, parents=True)
    (store / "passwords").mkdir(mode=0o700)
    shutil.copy(ca_cert, store / "tls/ca.crt")
    (store / "passwords/root").write_text(f"{root}\n")
    (store / "passwords/root").chmod(0o600)
    store.chmod(0o700)
    return store


@pytest.fixture
def first(secured: Cluster, host: Host, authority: Authority, tmp_path: Path) -> Controller:
    """The controller that has registered the host."""
    controller = Controller(fill(tmp_path / "first", authority.ca_cert), secured, host)
    played = controller.play()
    assert played.rc == 0, played.output
    return controller


def contents(host: Host) -> dict[str, bytes]:
    """Every file that the role writes on the host."""
    places = ("etc/rollcall", "etc/systemd/system", "opt/rollcall", "usr/local/bin")
    files = [file for place in places for file in (host.root / place).rglob("*")]
    return {str(file): file.read_bytes() for file in files if file.is_file() and file.suffix != ".pyc"}


def refused(host: Host, controller: Controller, *arguments: str, **options: Any) -> str:
    """A play that must fail before it changes anything on the host; returns its message."""
    before = contents(host)
    played = controller.play(*arguments, **options)
    assert (played.rc, played.changed) == (2, []), played.output
    assert contents(host) == before
    assert ROOT not in played.output
    return str(played.results[-1]["msg"])


def test_two_controllers_with_one_store_take_turns(first: Controller, secured: Cluster, host: Host) -> None:
    before = contents(host)
    for controller in (Controller(first.store, secured, host), first):
        played = controller.play()
        assert (played.rc, played.changed) == (0, []), played.output
    assert contents(host) == before
    assert (host.path("/etc/rollcall/register.password")).read_text() == (
        first.store / "passwords/node/web/web1"
    ).read_text().strip()


def test_a_controller_without_credentials_changes_nothing(
    first: Controller, secured: Cluster, host: Host, tmp_path: Path
) -> None:
    second = Controller(tmp_path / "second", secured, host)
    message = refused(host, second)
    assert f"Cannot find a CA in the credentials directory {second.store}" in message
    assert "set rollcall_credentials to the directory that your controllers share" in message
    assert "ansible-vault" in message
    assert not second.store.exists()
    shutil.copytree(first.store, second.store)
    played = second.play()
    assert (played.rc, played.changed) == (0, []), played.output


def test_a_new_host_is_not_configured_without_the_credentials_that_etcd_demands(
    secured: Cluster, host: Host, authority: Authority, tmp_path: Path
) -> None:
    none = Controller(tmp_path / "none", secured, host)
    assert "certificate verification failed" in refused(host, none)

    only_ca = Controller(fill(tmp_path / "only_ca", authority.ca_cert), secured, host)
    (only_ca.store / "passwords/root").unlink()
    message = refused(host, only_ca)
    assert "which has no password of root and a CA" in message
    assert "Authentication is enabled" in message

    wrong = Controller(fill(tmp_path / "wrong", authority.ca_cert, root="another"), secured, host)
    assert "authentication failed" in refused(host, wrong)

    other = Controller(fill(tmp_path / "other", Authority(tmp_path / "authority").ca_cert), secured, host)
    assert "certificate verification failed" in refused(host, other)


def test_a_controller_with_the_credentials_of_another_cluster_changes_nothing(
    first: Controller, secured: Cluster, host: Host, tmp_path: Path
) -> None:
    other = Controller(fill(tmp_path / "other", Authority(tmp_path / "authority").ca_cert), secured, host)
    message = refused(host, other, rollcall_etcd_validate_certs=False)
    assert "The host trusts the CA /etc/rollcall/ca.crt (SHA-256" in message
    assert "it belongs to another cluster" in message


def test_half_a_store_takes_nothing_from_a_host(first: Controller, secured: Cluster, host: Host) -> None:
    (first.store / "passwords/root").rename(first.store / "root")
    message = refused(host, first)
    assert "have passwords for etcd (/etc/rollcall/register.password)" in message
    assert "Cannot find a password of root in the credentials directory" in message
    (first.store / "root").rename(first.store / "passwords/root")

    password = first.store / "passwords/node/web/web1"
    password.rename(first.store / "lost")
    message = refused(host, first)
    assert "Cannot find the passwords of the etcd users node/web/web1 in the credentials directory" in message
    assert "etcdctl user delete" in message
    assert not password.exists()
    (first.store / "lost").rename(password)
    assert first.play().changed == []


def test_an_encrypted_store_is_read_and_written_encrypted(
    secured: Cluster, host: Host, authority: Authority, ansible_bin: Path, tmp_path: Path
) -> None:
    secret, wrong = tmp_path / "vault", tmp_path / "wrong"
    secret.write_text("open sesame")
    wrong.write_text("something else")
    controller = Controller(fill(tmp_path / "store", authority.ca_cert), secured, host)
    command = [ansible_bin / "ansible-vault", "encrypt", "--vault-password-file", secret]
    subprocess.run([*command, controller.store / "passwords/root"], check=True, capture_output=True)

    for arguments in ([], ["--vault-password-file", str(wrong)]):
        assert "Cannot decrypt" in refused(host, controller, *arguments)
    played = controller.play("--vault-password-file", str(secret))
    assert played.rc == 0, played.output
    made = (controller.store / "passwords/node/web/web1").read_bytes()
    assert made.startswith(b"$ANSIBLE_VAULT")
    assert len(host.path("/etc/rollcall/register.password").read_text()) == 32
    assert controller.play("--vault-password-file", str(secret)).changed == []
    for arguments in ([], ["--vault-password-file", str(wrong)]):
        assert "Cannot decrypt" in refused(host, controller, *arguments)


def test_a_store_that_others_may_write_is_refused(first: Controller, host: Host) -> None:
    first.store.chmod(0o777)
    assert f"run: chmod -R go-w {first.store}" in refused(host, first)


def test_an_etcd_without_users_needs_no_credentials(etcd: Cluster, host: Host, tmp_path: Path) -> None:
    plain = Controller(tmp_path / "none", etcd, host)
    assert plain.play().rc == 0
    assert plain.play().changed == []


def test_credentials_may_come_from_variables_alone(
    secured: Cluster, host: Host, authority: Authority, tmp_path: Path
) -> None:
    controller = Controller(tmp_path / "none", secured, host)
    named = {"rollcall_etcd_ca_cert": str(authority.ca_cert)}
    user = {"rollcall_etcd_user": "shared", "rollcall_etcd_password": "{{ lookup('ansible.builtin.env', 'SHARED') }}"}
    os.environ["SHARED"] = "from elsewhere"
    played = controller.play(**named, **user)
    assert played.rc == 0, played.output
    assert host.path("/etc/rollcall/register.password").read_text() == "from elsewhere"
    assert not controller.store.exists()


class Members(NamedTuple):
    """Two members of a cluster as the role etcd sees them, and the controller."""

    directory: Path
    etcd: Cluster
    ansible_bin: Path

    @property
    def store(self) -> Path:
        """Where the controller has its credentials."""
        return self.directory / "controller/.rollcall"

    def join(self, ca_cert: Path, *names: str) -> None:
        """Have them run in a cluster."""
        for name in names or ("m1", "m2"):
            tls = self.directory / name / "tls"
            tls.mkdir(parents=True, exist_ok=True)
            shutil.copy(ca_cert, tls / "ca.crt")
            (self.directory / name / "bootstrapped.conf").touch()

    def decide(self, *arguments: str, silent: str = "", users: bool = False, **options: Any) -> tuple[int, str]:
        """Run the tasks of the role that decide; returns the exit status and all that was printed.

        The host `silent` cannot be reached. With `users` those of etcd are added then.
        """
        inventory, book = self.store.parent / "hosts.json", self.directory / "play.yml"
        inventory.parent.mkdir(exist_ok=True)
        usual = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
        hosts = {name: {**usual, "member": str(self.directory / name)} for name in ("m1", "m2")}
        if silent:
            hosts[silent].update(ansible_connection="ssh", ansible_host="127.0.0.1", ansible_port="1")
        inventory.write_text(json.dumps({"all": {"children": {"etcd": {"hosts": hosts}}}}))
        role = {"name": "rollcall.discovery.etcd"}
        tasks: list[dict[str, Any]] = [
            {"ansible.builtin.stat": {"path": "{{ member }}/bootstrapped.conf"}, "register": "__etcd_bootstrapped"},
            {"ansible.builtin.include_role": {**role, "tasks_from": "credentials"}},
        ]
        if users:
            tasks.append({"ansible.builtin.include_role": {**role, "tasks_from": "auth"}})
        book.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
        places = {
            "__etcd_marker": "{{ hostvars[item | default(inventory_hostname)].member }}/bootstrapped.conf",
            "__etcd_tls_directory": "{{ member }}/tls",
            "__etcd_client_url": self.etcd.endpoints[0],
            "etcd_address": "127.0.0.1",
        }
        command = [
            self.ansible_bin / "ansible-playbook",
            "-i",
            inventory,
            book,
            "-e",
            json.dumps({**places, **options}),
        ]
        environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "COLUMNS": "10000"}
        done = subprocess.run(
            [*command, *arguments], capture_output=True, text=True, env=environment, check=False, timeout=300
        )
        assert users or ("changed=0" in done.stdout and "changed=1" not in done.stdout)
        assert "undefined" not in done.stdout + done.stderr
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def members(secured: Cluster, ansible_bin: Path, tmp_path: Path) -> Members:
    return Members(tmp_path, secured, ansible_bin)


def complete(store: Path, authority: Authority) -> Path:
    """A whole store, with the key of the CA."""
    fill(store, authority.ca_cert)
    shutil.copy(authority.ca_cert.with_name("ca.key"), store / "tls/ca.key")
    (store / "tls/ca.key").chmod(0o600)
    return store


def test_a_new_cluster_gets_one_authority_and_one_password(members: Members) -> None:
    rc, printed = members.decide()
    assert rc == 0, printed
    files = sorted(str(file.relative_to(members.store)) for file in members.store.rglob("*.*"))
    assert [file for file in files if "lock" not in file] == [
        "tls/ca.crt",
        "tls/ca.key",
        "tls/m1.crt",
        "tls/m1.key",
        "tls/m2.crt",
        "tls/m2.key",
    ]


def test_a_running_cluster_is_never_taken_for_a_new_one(members: Members, authority: Authority) -> None:
    members.join(authority.ca_cert)
    rc, printed = members.decide()
    assert rc == 2
    assert "the etcd members m1, m2 run in a cluster with a CA and passwords" in printed
    assert f"{members.store}/tls/ca.crt does not exist on the controller" in printed
    assert "rollcall_credentials" in printed
    assert "ansible-vault" in printed
    assert not members.store.exists()
    complete(members.store, authority)
    assert members.decide()[0] == 0


def test_a_member_that_the_play_leaves_out_speaks_for_the_cluster(members: Members, authority: Authority) -> None:
    members.join(authority.ca_cert, "m2")
    rc, printed = members.decide("--limit", "m1")
    assert rc == 2
    assert "the etcd members m2 run in a cluster" in printed
    assert not members.store.exists()


def test_a_member_that_cannot_be_reached_may_be_in_a_cluster(members: Members) -> None:
    rc, printed = members.decide("--limit", "m1", silent="m2")
    assert rc == 2
    assert "m2 cannot be reached and may run in a cluster" in printed
    assert not members.store.exists()


def test_another_authority_is_refused_unless_the_members_trust_it_already(
    members: Members, authority: Authority, tmp_path: Path
) -> None:
    other = Authority(tmp_path / "authority")
    members.join(authority.ca_cert)
    complete(members.store, other)
    rc, printed = members.decide()
    assert rc == 2
    assert "the member trusts the CA with SHA-256" in printed

    both = tmp_path / "both.crt"
    both.write_text(authority.ca_cert.read_text() + other.ca_cert.read_text())
    members.join(both)
    rc, printed = members.decide()
    assert rc == 0, printed


def test_half_a_store_is_refused(members: Members, authority: Authority) -> None:
    members.join(authority.ca_cert)
    complete(members.store, authority)
    (members.store / "passwords/root").rename(members.store / "root")
    rc, printed = members.decide()
    assert rc == 2
    assert "Cannot find the password of root" in printed
    assert "m1, m2 of the group etcd run in a cluster" in printed
    assert not (members.store / "passwords/root").exists()

    (members.store / "passwords/root").write_text("another\n")
    (members.store / "passwords/root").chmod(0o600)
    rc, printed = members.decide()
    assert rc == 2
    assert f"as root with the password from {members.store}/passwords/root: " in printed

    (members.store / "root").rename(members.store / "passwords/root")
    (members.store / "tls/ca.key").unlink()
    rc, printed = members.decide()
    assert rc == 2
    assert "ca.key: put it back, from the controller or the vault that has it" in printed


def test_a_cluster_that_gets_users_later_gets_a_password_of_root(
    etcd_programs: Path, authority: Authority, ansible_bin: Path, tmp_path: Path
) -> None:
    with Cluster(etcd_programs, 1, Tls(authority.ca_cert, authority.server())) as cluster:
        members = Members(tmp_path, cluster, ansible_bin)
        members.join(authority.ca_cert)
        complete(members.store, authority)
        (members.store / "passwords/root").unlink()
        rc, printed = members.decide()
        assert rc == 0, printed


def test_the_lost_password_of_a_user_is_not_replaced(members: Members, authority: Authority) -> None:
    members.join(authority.ca_cert)
    complete(members.store, authority)
    rc, printed = members.decide(users=True)
    assert rc == 0, printed
    (members.store / "passwords/inventory").unlink()
    rc, printed = members.decide(users=True)
    assert rc == 2, printed
    assert f"passwords of the etcd users inventory in the credentials directory {members.store}" in printed
    assert not (members.store / "passwords/inventory").exists()


def test_members_of_two_inventories_have_one_directory_or_an_error_that_names_both(members: Members) -> None:
    both = {"rollcall_credentials": f"{members.directory}/{{{{ inventory_hostname }}}}"}
    rc, printed = members.decide(**both)
    assert rc == 2
    assert f"got m1 has {members.directory}/m1, m2 has {members.directory}/m2" in printed
    assert not (members.directory / "m1").exists()
