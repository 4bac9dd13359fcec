# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role etcd: who is let in, and its bad days, when nothing is started, restarted or deleted that should not be."""

from __future__ import annotations

import http.client
import json
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab import Host, Lab
from tests.support.installed import Installed
from tests.support.waiting import wait_for
from tests.tools.etcd_archive import demo_options

pytestmark = pytest.mark.e2e

NAMES = ("member1", "member2", "member3")
WAL = "/var/lib/etcd/data/member/wal"


class Members:
    """Three hosts, and the role applied to them."""

    def __init__(self, hosts: list[Host], installed: Installed, directory: Path, lab: Lab, **options: object) -> None:
        self.hosts = hosts
        self._options = {"etcd_health_timeout": 10, **options}
        self._installed = installed
        self._playbook = directory / "etcd.yml"
        play = {"hosts": "etcd", "gather_facts": False, "roles": ["rollcall.discovery.etcd"]}
        self._playbook.write_text(json.dumps([play]))
        inventory = lab.inventory()["all"]
        addresses = {host.name: {"ansible_host": host.address} for host in hosts}
        self._inventory = directory / "hosts.json"
        everything = {"vars": inventory["vars"], "children": {"etcd": {"hosts": addresses}}}
        self._inventory.write_text(json.dumps({"all": everything}))
        self.credentials = directory / ".rollcall"  # where the role has them by default

    def apply(self, *arguments: str, check: bool = True, **options: object):
        """Apply the role."""
        extra = json.dumps({**self._options, **options})
        return self._installed.play(
            str(self._playbook), "-e", extra, *arguments, inventory=self._inventory, check=check
        )

    def etcdctl(self, command: str, user: str = "root", check: bool = True) -> str:
        """Run etcdctl on the first host, as a user of etcd or as nobody. Returns all that it prints."""
        login = f"--user {user}:{self.password(user)}" if user else ""
        line = f"etcdctl --endpoints https://localhost:2379 --cacert /etc/etcd/tls/ca.crt {login} {command}"
        done = self.hosts[0].exec(line, check=check)
        return done.stdout + done.stderr

    def password(self, user: str) -> str:
        """The one that the role has made."""
        return (self.credentials / "passwords" / user).read_text().strip()

    def strict(self) -> ssl.SSLContext:
        """Verifies as Python 3.13 does by default."""
        context = ssl.create_default_context(cafile=str(self.credentials / "tls/ca.crt"))
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    def setting(self, host: Host, name: str) -> str:
        """What the etcd that runs on `host` was started with."""
        lines = host.exec("tr '\\0' '\\n' </proc/$(pgrep -x etcd)/environ").stdout.splitlines()
        return dict(line.partition("=")[::2] for line in lines).get(name, "")

    def started(self, host: Host) -> int:
        """When etcd became ready on `host`, in microseconds of the machine all hosts share."""
        return int(host.exec("systemctl show etcd --property ActiveEnterTimestampMonotonic --value").stdout)

    def leader(self) -> Host:
        """The host that leads."""
        status = json.loads(self.etcdctl("endpoint status --cluster -w json"))
        (url,) = [one["Endpoint"] for one in status if one["Status"]["header"]["member_id"] == one["Status"]["leader"]]
        (host,) = [host for host in self.hosts if f"//{host.address}:" in url]
        return host


@pytest.fixture(scope="module")
def fresh(lab: Lab, installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Members]:
    """Three hosts that the role has not seen yet."""
    yield Members(lab.create(NAMES), installed, tmp_path_factory.mktemp("members"), lab, **demo_options()[0])
    lab.destroy(NAMES)


@pytest.fixture(scope="module")
def members(fresh: Members) -> Members:
    """A cluster."""
    fresh.apply()
    return fresh


def test_half_a_new_cluster_is_not_started(fresh: Members) -> None:
    played = fresh.apply("--limit", "member1", check=False)
    assert played.rc == 2
    assert "a new cluster starts with all its members at once, but member2, member3 of the group etcd" in played.output
    assert fresh.hosts[0].exec("systemctl is-active etcd", check=False).stdout == "inactive\n"
    assert fresh.hosts[0].exec(f"ls {WAL}", check=False).returncode != 0


def test_a_cluster_starts_and_a_second_run_changes_nothing(members: Members) -> None:
    listed = json.loads(members.etcdctl("member list -w json"))["members"]
    assert sorted(member["name"] for member in listed) == sorted(NAMES)
    assert members.apply().total("changed") == 0
    assert members.apply("--limit", "member2").total("changed") == 0


def test_a_second_controller_needs_the_credentials(
    members: Members, lab: Lab, installed: Installed, tmp_path: Path, ansible_bin: Path
) -> None:
    second = Members(members.hosts, installed, tmp_path, lab, **demo_options()[0])
    played = second.apply(check=False)
    assert (played.rc, played.total("changed")) == (2, 0), played.output
    assert "run in a cluster with a CA and passwords" in played.output
    assert not second.credentials.exists()
    assert second.apply("--limit", "member2", check=False).total("changed") == 0
    assert not second.credentials.exists()

    shutil.copytree(members.credentials, second.credentials)
    secret = tmp_path / "vault"
    secret.write_text("open sesame")
    files = [*second.credentials.glob("passwords/*"), *second.credentials.glob("tls/*.key")]
    command = [ansible_bin / "ansible-vault", "encrypt", "--vault-password-file", secret, *files]
    subprocess.run(command, check=True, capture_output=True)
    assert second.apply("--vault-password-file", str(secret)).total("changed") == 0
    refused = second.apply(check=False)
    assert (refused.rc, refused.total("changed")) == (2, 0)
    assert "Cannot decrypt" in refused.output
    assert members.apply().total("changed") == 0


def health(host: Host, context: ssl.SSLContext, port: int = 2379) -> tuple[int, bytes]:
    """Status of /health, on a connection of its own, and the certificate that was shown."""
    connection = http.client.HTTPSConnection(host.address, port, timeout=10, context=context)
    try:
        connection.request("GET", "/health")
        shown = connection.sock.getpeercert(binary_form=True)
        return connection.getresponse().status, shown
    finally:
        connection.close()


def test_certificates_are_verified_from_outside(members: Members) -> None:
    for host in members.hosts:
        assert health(host, members.strict())[0] == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            health(host, ssl.create_default_context())


def test_plain_http_is_refused(members: Members) -> None:
    connection = http.client.HTTPConnection(members.hosts[0].address, 2379, timeout=10)
    connection.request("GET", "/health")
    with pytest.raises(http.client.RemoteDisconnected):
        connection.getresponse()


def test_who_has_no_certificate_of_the_authority_is_no_peer(members: Members) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        health(members.hosts[0], members.strict(), 2380)


def test_keys_stay_where_they_belong(members: Members) -> None:
    found = {host.exec("stat -c '%U:%G %a' /etc/etcd/tls/server.key").stdout for host in members.hosts}
    assert found == {"root:etcd 640\n"}
    assert members.hosts[0].exec("ls /etc/etcd/tls").stdout.split() == ["ca.crt", "server.crt", "server.key"]
    assert members.credentials.joinpath("tls").stat().st_mode & 0o777 == 0o700
    assert members.credentials.joinpath("passwords/root").stat().st_mode & 0o777 == 0o600


def test_who_has_no_password_is_refused(members: Members) -> None:
    assert "user name is empty" in members.etcdctl("get /infrastructure/x", user="", check=False)


def test_users_may_do_what_they_are_for(members: Members) -> None:
    app = {"name": "app", "permissions": [{"prefix": "/app/", "permission": "readwrite"}]}
    played = members.apply(etcd_users=[app])
    assert all(members.password(user) not in played.output for user in ("root", "inventory", "app"))
    assert members.apply(etcd_users=[app]).total("changed") == 0
    assert "OK" in members.etcdctl("put /app/x 1", user="app")
    assert "OK" in members.etcdctl("put /infrastructure/x 1", user="operator")
    assert "/infrastructure/x" in members.etcdctl("del /infrastructure/x --prev-kv", user="operator")
    for user, key in (("app", "/infrastructure/x"), ("inventory", "/infrastructure/x"), ("operator", "/app/x")):
        assert "permission denied" in members.etcdctl(f"put {key} 1", user=user, check=False)
    assert members.etcdctl("get --prefix /infrastructure/", user="inventory") == ""


@contextmanager
def visitors(members: Members) -> Iterator[list[str]]:
    """Ask every member in turn, on a new connection each time; gives what failed."""
    failures: list[str] = []
    over = threading.Event()

    def visit() -> None:
        while not over.is_set():
            for host in members.hosts:
                try:
                    status, _shown = health(host, members.strict())
                    failures.extend([f"{host.name}: {status}"] if status != 200 else [])
                except OSError as exc:
                    failures.append(f"{host.name}: {exc}")

    thread = threading.Thread(target=visit)
    thread.start()
    try:
        yield failures
    finally:
        over.set()
        thread.join()


def test_a_renewed_certificate_is_taken_without_a_restart(members: Members) -> None:
    context = members.strict()
    before = {host.name: (members.started(host), health(host, context)[1]) for host in members.hosts}
    with visitors(members) as failures:
        members.apply(etcd_cert_renew_before=400)  # days: more than they were made for
        for host in members.hosts:
            wait_for(lambda host=host: health(host, context)[1] != before[host.name][1], f"{host.name}'s new one", 10)
    assert failures == []
    assert [members.started(host) for host in members.hosts] == [before[host.name][0] for host in members.hosts]
    assert members.apply().total("changed") == 0, "one that has just been renewed is left alone"


def test_another_authority_means_restarts_one_after_the_other(members: Members, tmp_path: Path) -> None:
    """A second CA beside the first, as when one is to take the place of the other."""
    other = tmp_path / "other.crt"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "/dev/null", "-out", str(other)]
    subprocess.run([*command, "-subj", "/O=other", "-days", "1"], check=True, capture_output=True)
    both = tmp_path / "both.crt"
    both.write_text((members.credentials / "tls/ca.crt").read_text() + other.read_text())
    mine = str(members.credentials / "tls/{{ inventory_hostname }}")
    before = {host.name: members.started(host) for host in members.hosts}
    members.apply(etcd_ca_cert=str(both), etcd_cert=f"{mine}.crt", etcd_key=f"{mine}.key")
    assert all(members.started(host) > before[host.name] for host in members.hosts)
    assert members.apply().total("failed") == 0, "back to the one"


def test_tls_is_not_switched_off_in_a_running_cluster(members: Members) -> None:
    before = {host.name: members.started(host) for host in members.hosts}
    played = members.apply(etcd_tls=False, check=False)
    assert played.rc == 2
    assert "is part of a cluster that runs with TLS" in played.output
    assert played.total("changed") == 0
    assert {host.name: members.started(host) for host in members.hosts} == before


def test_a_changed_setting_restarts_one_after_the_other_the_leader_last(members: Members) -> None:
    leader = members.leader()
    before = {host.name: members.started(host) for host in members.hosts}
    members.apply(etcd_settings={"heartbeat-interval": 200})
    assert all(members.setting(host, "ETCD_HEARTBEAT_INTERVAL") == "200" for host in members.hosts)
    after = {host.name: members.started(host) for host in members.hosts}
    assert all(after[name] > before[name] for name in NAMES)
    assert max(after, key=after.__getitem__) == leader.name


def test_a_member_that_does_not_come_back_ends_the_restarts_and_the_next_run_goes_on(members: Members) -> None:
    played = members.apply(etcd_settings={"heartbeat-interval": "nonsense"}, check=False)
    assert played.rc == 2
    assert "invalid value" in played.output, "etcd's own words are shown"
    running = [host for host in members.hosts if host.exec("pgrep -x etcd", check=False).returncode == 0]
    states = [host.exec("systemctl is-active etcd", check=False).stdout.strip() for host in members.hosts]
    assert states.count("active") == 2, states
    assert all(members.setting(host, "ETCD_HEARTBEAT_INTERVAL") == "200" for host in running)

    members.apply(etcd_settings={"heartbeat-interval": 150})
    assert all(members.setting(host, "ETCD_HEARTBEAT_INTERVAL") == "150" for host in members.hosts)


def test_a_member_without_its_data_is_started_by_nobody(members: Members) -> None:
    host = members.hosts[2]
    host.exec("systemctl stop etcd && mv /var/lib/etcd/data /var/lib/etcd/elsewhere")
    try:
        host.exec("systemctl start etcd", check=False)
        assert host.exec("systemctl is-active etcd", check=False).stdout == "inactive\n"
        played = members.apply(check=False)
        assert "member3 has run before" in played.output
        assert f"its data is gone: {WAL} does not exist" in played.output
        assert host.exec(f"ls {WAL}", check=False).returncode != 0
    finally:
        host.exec("rm -rf /var/lib/etcd/data && mv /var/lib/etcd/elsewhere /var/lib/etcd/data")
    members.apply()
    assert host.exec("systemctl is-active etcd").stdout == "active\n"


def test_a_cluster_without_tls_stays_as_it_is(lab: Lab, installed: Installed, tmp_path: Path) -> None:
    """So does the data of an etcd that the package started: it is neither deleted nor joined."""
    (host,) = lab.create(["lonely1"])
    try:
        host.exec("apt-get update -q && apt-get install -y -qq etcd-server etcd-client")
        host.exec("etcdctl put precious thing")
        lonely = Members([host], installed, tmp_path, lab)
        lonely.apply(etcd_tls=False)
        assert host.exec("etcdctl get precious").stdout == ""
        assert host.exec("ls -d /var/lib/etcd/default/member/wal").returncode == 0

        host.exec("etcdctl put mine here")
        played = lonely.apply(check=False)
        assert "is part of a cluster that runs without TLS" in played.output
        assert "Set etcd_tls to false to keep the cluster as it is" in played.output
        assert played.total("changed") == 0
        assert lonely.apply(etcd_tls=False).total("changed") == 0
        assert host.exec("etcdctl get mine --print-value-only").stdout == "here\n", "no password was demanded"
    finally:
        lab.destroy(["lonely1"])
