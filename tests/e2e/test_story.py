# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The main job, as `make demo` shows it: real hosts, SSH, the installed collection and its playbook."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab import DEMO, Host
from tests.support.installed import CHECKOUT, DISCOVERED, Installed
from tests.support.traffic import Traffic
from tests.support.waiting import wait_for

Hosts = dict[str, Host]

pytestmark = [pytest.mark.e2e, pytest.mark.story]

CREDENTIALS = CHECKOUT / "build/lab/credentials"  # rollcall_credentials in tests/lab/group_vars/all.yml

TTL = 10.0  # seconds, register_ttl in tests/lab/hosts.yml

# How long clients may go on failing after a host's death: HAProxy notices it within 4 s, and ends what waits for an
# answer after 5.
LONGEST_FAILURE = 6.0


@pytest.fixture
def traffic(site: Hosts) -> Iterator[Traffic]:
    """Clients of the load balancer, which has both web hosts at its disposal."""
    began = time.time()
    with Traffic(site["lb1"].address) as clients:
        for name in ("web1", "web2"):
            wait_for(lambda name=name: clients.answered_by(name, began), f"an answer of {name}", 30)
        yield clients


def discovered(installed: Installed, group: str = "all") -> set[str]:
    """The hosts that the inventory has in a group, from etcd alone."""
    inventory = installed.inventory(DISCOVERED)
    if group == "all":
        return set(inventory["_meta"]["hostvars"])
    return set(inventory.get(group, {}).get("hosts", []))


def etcdctl(site: Hosts, command: str, user: str, check: bool = True) -> str:
    """Run etcdctl on etcd1 as a user of etcd, "" for nobody; returns all that it prints."""
    login = f"--user {user}:{(CREDENTIALS / 'passwords' / user).read_text().strip()}" if user else ""
    tls = "--endpoints https://localhost:2379 --cacert /etc/etcd/tls/ca.crt"
    done = site["etcd1"].exec(f"etcdctl {tls} {login} {command}", check=check)
    return done.stdout + done.stderr


def registered(site: Hosts) -> dict[str, dict[str, Any]]:
    """Every key below /infrastructure, as etcdctl tells of it."""
    found = json.loads(etcdctl(site, "get --prefix /infrastructure/ -w json", "inventory"))
    decoded = [{**kv, "key": _text(kv["key"]), "value": _text(kv["value"])} for kv in found["kvs"]]
    return {kv["key"]: kv for kv in decoded}


def _text(encoded: str) -> str:
    return base64.b64decode(encoded).decode()


def test_check_mode_touches_nothing_on_fresh_hosts(installed: Installed, hosts: Hosts, there_before: set[str]) -> None:
    if there_before & set(DEMO):
        pytest.skip("the demo's hosts were there before, and are not fresh")
    played = installed.play("rollcall.discovery.site", "--check", "--diff")
    assert all(counts["changed"] for counts in played.recap.values()), "it tells what it would do"
    for host in hosts.values():
        traces = host.exec(
            "ls -d /opt/rollcall /etc/rollcall /var/lib/etcd /etc/haproxy; command -v etcd haproxy", check=False
        )
        assert traces.stdout == ""


def test_a_second_run_changes_nothing(installed: Installed, site: Hosts) -> None:
    played = installed.play("rollcall.discovery.site")
    assert set(played.recap) == set(DEMO)
    assert played.total("changed") == 0, played.output
    assert f"{installed.root}/roles/etcd/tasks" in played.output, "not the installed collection was used"


def test_the_inventory_is_whoever_holds_a_lease(installed: Installed, site: Hosts) -> None:
    inventory = installed.inventory(DISCOVERED)
    groups = {name: sorted(group["hosts"]) for name, group in inventory.items() if "hosts" in group}
    assert groups == {
        "health_passing": sorted(DEMO),
        "role_etcd": ["etcd1", "etcd2", "etcd3"],
        "role_lb": ["lb1"],
        "role_web": ["web1", "web2"],
        "service_http": ["lb1"],
        "service_web": ["web1", "web2"],
    }
    for name, variables in inventory["_meta"]["hostvars"].items():
        assert variables["ansible_host"] == site[name].address


def test_etcdctl_reads_what_was_written(site: Hosts) -> None:
    kvs = registered(site)
    addresses = {key: kv["value"] for key, kv in kvs.items() if key.endswith("/ip")}
    assert addresses == {f"/infrastructure/{name[:-1]}/{name}/ip": host.address for name, host in site.items()}
    assert all(kv["lease"] for kv in kvs.values())


def test_a_node_may_write_its_own_keys_and_no_others(site: Hosts) -> None:
    node = "node/web/web1"
    assert site["web1"].address in etcdctl(site, "get /infrastructure/web/web1/ip", node)
    others = ("/infrastructure/web/web10/ip", "/infrastructure/web/web2/ip", "/infrastructure/lb/web1/ip")
    for key in (*others, "/rollcall/infrastructure/roster/web/web10", "/rollcall/infrastructure/consumers/lb1"):
        assert "permission denied" in etcdctl(site, f"put {key} 10.77.213.99", node, check=False), key
    assert "permission denied" in etcdctl(
        site, "put /infrastructure/web/web1/ip 10.77.213.99", "consumer/lb1", check=False
    )
    assert "user name is empty" in etcdctl(site, "get /infrastructure/web/web1/ip", "", check=False)


def test_a_password_is_in_no_configuration(site: Hosts) -> None:
    for name, unit, user in (("web1", "register", "node/web/web1"), ("lb1", "render", "consumer/lb1")):
        password = (CREDENTIALS / "passwords" / user).read_text().strip()
        configuration = site[name].exec(f"cat /etc/rollcall/{unit}.json; systemctl cat rollcall-{unit}").stdout
        assert user in configuration
        assert password not in configuration
        assert site[name].exec(f"stat -c %a /etc/rollcall/{unit}.password").stdout == "600\n"
        process = f"/proc/$(systemctl show rollcall-{unit} -P MainPID)"
        assert password not in site[name].exec(f"cat {process}/cmdline {process}/environ | tr '\\0' ' '").stdout


def test_a_play_reaches_the_hosts_that_were_discovered(installed: Installed, site: Hosts) -> None:
    done = installed.run("ansible", "role_web", "-i", str(DISCOVERED), "-m", "ansible.builtin.ping", "-o")
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(line.split(" => ")[0] for line in done.stdout.splitlines()) == ["web1 | SUCCESS", "web2 | SUCCESS"]


def test_a_restart_of_the_agent_is_no_event(site: Hosts) -> None:
    web2 = site["web2"]
    before = registered(site)
    process = web2.exec("systemctl show rollcall-register -P MainPID").stdout
    web2.exec("systemctl restart rollcall-register")
    wait_for(
        lambda: "Registered" in web2.exec("systemctl show rollcall-register -P StatusText").stdout, "the agent", 30
    )
    assert web2.exec("systemctl show rollcall-register -P MainPID").stdout != process
    after = registered(site)
    ours = [key for key in before if "/web2/" in key and "/checks/" not in key]
    assert ours
    assert [after[key] for key in ours] == [before[key] for key in ours]


def test_a_host_that_leaves_is_gone_at_once_and_missed_by_nobody(
    installed: Installed, site: Hosts, traffic: Traffic
) -> None:
    began = time.time()
    site["web2"].exec("systemctl stop rollcall-register")  # drains, then leaves
    try:
        assert discovered(installed, "role_web") == {"web1"}
        settled = time.time()
        wait_for(lambda: len(traffic.since(settled)) > 40, "requests", 20)
        assert {request.answer for request in traffic.since(settled)} == {"web1"}
    finally:
        site["web2"].exec("systemctl start rollcall-register")
    back = time.time()
    wait_for(lambda: traffic.answered_by("web2", back), "an answer of web2", 30)
    assert traffic.failures(began) == []


def test_a_host_that_dies_is_gone_and_comes_back_by_itself(installed: Installed, site: Hosts, traffic: Traffic) -> None:
    web1 = site["web1"]
    killed = time.time()
    web1.kill()
    try:
        wait_for(lambda: "web1" not in discovered(installed), "web1's absence", TTL + 20)
        gone = time.time()
        failures = traffic.failures(killed)
        last = max((failure.ended - killed for failure in failures), default=0.0)
        print(f"{last:.1f} s from the kill to the last failed request, {gone - killed:.1f} s to the absence")
        assert discovered(installed) == set(DEMO) - {"web1"}
        assert len([request for request in traffic.since(killed) if request.ok]) > 40
        assert all(failure.ended - killed < LONGEST_FAILURE for failure in failures), failures
    finally:
        booted = time.time()
        web1.boot()
    wait_for(lambda: traffic.answered_by("web1", booted), "an answer of web1", 60)
    served = min(request.ended for request in traffic.since(booted) if request.answer == "web1")
    print(f"{served - booted:.1f} s from power on to the first answer")
    wait_for(lambda: discovered(installed, "role_web") == {"web1", "web2"}, "web1 in the inventory", 30)
    assert traffic.failures(booted) == []
