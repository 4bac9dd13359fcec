# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role etcd on its bad days: nothing is started, restarted or deleted that should not be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import Host, Lab
from tests.support.installed import Installed

pytestmark = pytest.mark.e2e

NAMES = ("member1", "member2", "member3")
WAL = "/var/lib/etcd/data/member/wal"


class Members:
    """Three hosts, and the role applied to them."""

    def __init__(self, hosts: list[Host], installed: Installed, directory: Path, lab: Lab) -> None:
        self.hosts = hosts
        self._installed = installed
        self._playbook = directory / "etcd.yml"
        play = {"hosts": "etcd", "gather_facts": False, "roles": ["rollcall.discovery.etcd"]}
        self._playbook.write_text(json.dumps([play]))
        inventory = lab.inventory()["all"]
        addresses = {host.name: {"ansible_host": host.address} for host in hosts}
        self._inventory = directory / "hosts.json"
        everything = {"vars": inventory["vars"], "children": {"etcd": {"hosts": addresses}}}
        self._inventory.write_text(json.dumps({"all": everything}))

    def apply(self, *arguments: str, check: bool = True, **options: object):
        """Apply the role."""
        extra = json.dumps({"etcd_health_timeout": 10, **options})
        return self._installed.play(
            str(self._playbook), "-e", extra, *arguments, inventory=self._inventory, check=check
        )

    def setting(self, host: Host, name: str) -> str:
        """What the etcd that runs on `host` was started with."""
        lines = host.exec("tr '\\0' '\\n' </proc/$(pgrep -x etcd)/environ").stdout.splitlines()
        return dict(line.partition("=")[::2] for line in lines).get(name, "")

    def started(self, host: Host) -> int:
        """When etcd became ready on `host`, in microseconds of the machine all hosts share."""
        return int(host.exec("systemctl show etcd --property ActiveEnterTimestampMonotonic --value").stdout)

    def leader(self) -> Host:
        """The host that leads."""
        status = json.loads(self.hosts[0].exec("etcdctl endpoint status --cluster -w json").stdout)
        (url,) = [one["Endpoint"] for one in status if one["Status"]["header"]["member_id"] == one["Status"]["leader"]]
        (host,) = [host for host in self.hosts if f"//{host.address}:" in url]
        return host


@pytest.fixture(scope="module")
def fresh(lab: Lab, installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Members]:
    """Three hosts that the role has not seen yet."""
    yield Members(lab.create(NAMES), installed, tmp_path_factory.mktemp("members"), lab)
    lab.destroy(NAMES)


@pytest.fixture(scope="module")
def members(fresh: Members) -> Members:
    """A cluster."""
    fresh.apply()
    return fresh


def test_half_a_new_cluster_is_not_started(fresh: Members) -> None:
    played = fresh.apply("--limit", "member1", check=False)
    assert played.rc == 2
    assert (
        "a new cluster is started with all its members at once, but member2, member3 of the group etcd" in played.output
    )
    assert fresh.hosts[0].exec("systemctl is-active etcd", check=False).stdout == "inactive\n"
    assert fresh.hosts[0].exec(f"ls {WAL}", check=False).returncode != 0


def test_a_cluster_starts_and_a_second_run_changes_nothing(members: Members) -> None:
    listed = json.loads(members.hosts[0].exec("etcdctl member list -w json").stdout)["members"]
    assert sorted(member["name"] for member in listed) == sorted(NAMES)
    assert members.apply().total("changed") == 0
    assert members.apply("--limit", "member2").total("changed") == 0


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


def test_an_etcd_that_the_package_started_is_left_alone(lab: Lab, installed: Installed, tmp_path: Path) -> None:
    """Its data is not ours: neither deleted nor joined."""
    (host,) = lab.create(["lonely1"])
    try:
        host.exec("apt-get install -y -qq etcd-server etcd-client")
        host.exec("etcdctl put precious thing")
        Members([host], installed, tmp_path, lab).apply()
        assert host.exec("etcdctl get precious").stdout == ""
        assert host.exec("ls -d /var/lib/etcd/default/member/wal").returncode == 0
    finally:
        lab.destroy(["lonely1"])
