# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host is: its roles, its address, and a configuration that changes while the lease stays."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.fixtures import programs_of
from tests.support.real_etcd import Cluster
from tests.support.registrant import KEYS, ROSTER, Changes, Registrant, hold, leases, values, wait_for

Register = Callable[..., Registrant]

API = "/infrastructure/api/web1/"
NETWORK = "198.18.77"  # of the range for benchmarks, RFC 2544


class Interface:
    """A network interface of this machine, up, without an address at first."""

    def __init__(self) -> None:
        self.name = f"rct{os.getpid()}"
        _ip("link", "add", self.name, "type", "bridge")
        _ip("link", "set", self.name, "addrgenmode", "none")  # no link-local address either
        _ip("link", "set", self.name, "up")

    def add(self, address: str) -> None:
        """Give it an address."""
        _ip("address", "add", address, "dev", self.name, *(["nodad"] if ":" in address else []))

    def delete(self, address: str) -> None:
        """Take an address from it."""
        _ip("address", "del", address, "dev", self.name)

    def end(self) -> None:
        """Remove it."""
        _ip("link", "del", self.name)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


@pytest.fixture
def interface() -> Iterator[Interface]:
    """An interface of the test's own."""
    if os.geteuid() != 0:
        pytest.skip("making a network interface needs root")
    made = Interface()
    yield made
    made.end()


def own(changes: Changes) -> list[tuple[str, str]]:
    """The keys of the host that have changed, with their new values."""
    return [(key, value) for _kind, key, value, _revision in changes.until_now() if key.startswith(KEYS)]


def reload(agent: Registrant, **changes: object) -> None:
    agent.configure(**changes)
    agent.send(signal.SIGHUP)


def test_several_roles_come_and_go_under_one_lease(etcd: Cluster, register: Register, changes: Changes) -> None:
    agent = register(etcd, role=None, roles=["web", "api"])
    agent.start()
    lease = agent.wait_phase("registered")["lease"]
    assert values(etcd) == values(etcd, API)
    assert leases(etcd, "/infrastructure/") == {lease}
    changes.clear()

    reload(agent, roles=["web", "db"])
    wait_for(lambda: values(etcd, "/infrastructure/db/web1/"), "the new role")
    seen = changes.until_now()
    assert len({revision for _kind, _key, _value, revision in seen}) == 1, "it is one transaction"
    gone = {key for kind, key, _value, _revision in seen if kind == "DELETE"}
    assert gone == {API + "ip", API + "node", API + "health"}
    assert not [key for _kind, key, _value, _revision in seen if key.startswith(KEYS)], "the other role knows nothing"
    assert json.loads(values(etcd, ROSTER.replace("/web/", "/api/"))[""])["state"] == "left"
    assert leases(etcd, "/infrastructure/") == {lease}

    agent.end(signal.SIGKILL)
    agent.configure(role="web", roles=None)
    agent.start()
    wait_for(lambda: not values(etcd, "/infrastructure/db/"), "the next process to leave the role")
    assert leases(etcd, "/infrastructure/") == {lease}

    assert agent.end() == 0
    assert values(etcd, "/infrastructure/") == {}
    assert json.loads(values(etcd, ROSTER)[""])["state"] == "left"


def test_a_duplicate_in_one_role_is_refused_as_a_whole_and_named(etcd: Cluster, register: Register) -> None:
    etcd.ctl("put", API + "ip", "10.0.0.9")
    agent = register(etcd, role=None, roles=["web", "api"])
    agent.start()
    status = agent.wait_phase("duplicate")
    assert status["message"].startswith("api/web1 is already registered by another holder (address 10.0.0.9, id none")
    assert values(etcd) == {}
    etcd.ctl("del", API + "ip")
    agent.wait_phase("registered")
    assert values(etcd) == values(etcd, API)


@pytest.mark.parametrize("series", ["3.5", "3.6"])  # from 3.6.9 on, a lease belongs to who may write all of its keys
def test_a_role_that_is_not_permitted_any_more_is_left_all_the_same(register: Register, series: str) -> None:
    with Cluster(programs_of(series)) as own:
        own.require_auth(root="r", node="n")
        for prefix in (KEYS, API, "/rollcall/"):
            own.permit("node", prefix)
        agent = register(own, role=None, roles=["web", "api"])
        agent.configure(etcd={"endpoints": own.endpoints, "user": "node", "password": "n"})
        agent.start()
        agent.wait_phase("registered")
        own.ctl("role", "revoke-permission", "node", "--prefix=true", API, user="root:r")
        reload(agent, roles=["web"])
        wait_for(lambda: not values(own, API, user="root:r"), "the role to be left")
        wait_for(lambda: agent.status["phase"] == "registered", "the other to be held")
        assert values(own, user="root:r")["ip"] == "10.0.0.5"


def test_a_reload_changes_services_tags_and_meta_with_one_key(
    etcd: Cluster, register: Register, changes: Changes
) -> None:
    agent = register(etcd, tags=["old"], meta={"rack": 1})
    agent.start()
    lease = agent.wait_phase("registered")["lease"]
    changes.clear()
    reload(agent, services={"api": {"port": 81}}, tags=["new"], meta={})
    wait_for(lambda: json.loads(values(etcd)["node"])["tags"] == ["new"], "the new tags")
    node = json.loads(values(etcd)["node"])
    assert (list(node["services"]), node["meta"]) == (["api"], {})
    assert [key for key, _value in own(changes)] == [KEYS + "node"]
    assert leases(etcd) == {lease}


def test_a_mistake_in_a_reload_is_told_until_it_is_mended(etcd: Cluster, register: Register) -> None:
    agent = register(etcd)
    agent.start()
    agent.wait_phase("registered")
    reload(agent, role="a/b")
    wait_for(lambda: "role: the role 'a/b' is not" in agent.status["config_problem"], "the mistake in the status")
    assert agent.status["phase"] == "registered"
    reload(agent, role="web", tags=["mended"])
    wait_for(lambda: json.loads(values(etcd)["node"])["tags"] == ["mended"], "the mended configuration")
    assert agent.status["config_problem"] == ""


def test_another_prefix_is_left_and_joined(etcd: Cluster, register: Register) -> None:
    agent = register(etcd)
    agent.start()
    agent.wait_phase("registered")
    reload(agent, prefix="/other")
    wait_for(lambda: values(etcd, "/other/web/web1/"), "the new prefix")
    assert values(etcd) == {}
    assert json.loads(values(etcd, ROSTER)[""])["state"] == "left"


def test_the_address_follows_its_interface(
    etcd: Cluster, register: Register, interface: Interface, changes: Changes
) -> None:
    agent = register(etcd, address={"interface": interface.name, "interval": 0.2})
    agent.start()
    status = agent.wait_phase("waiting")
    assert status["message"] == f"for an address of this host (interface {interface.name}): no usable address"
    interface.add(f"{NETWORK}.1/32")
    agent.wait_phase("registered")
    assert values(etcd)["ip"] == f"{NETWORK}.1"
    lease = agent.status["lease"]

    changes.clear()
    interface.add(f"{NETWORK}.2/32")  # another one beside it changes nothing
    interface.delete(f"{NETWORK}.1/32")
    wait_for(lambda: values(etcd)["ip"] == f"{NETWORK}.2", "the other address")
    assert own(changes) == [(KEYS + "ip", f"{NETWORK}.2")]

    interface.delete(f"{NETWORK}.2/32")  # the last one stays until there is another
    wait_for(lambda: agent.status["address_problem"] == "no usable address", "the trouble in the status")
    agent.wait_count("self_checks", 1)
    assert (values(etcd)["ip"], leases(etcd)) == (f"{NETWORK}.2", {lease})

    interface.add("fd77::7/128")
    wait_for(lambda: values(etcd)["ip"] == "fd77::7", "an IPv6 address where there is no other")
    interface.add(f"{NETWORK}.3/32")
    wait_for(lambda: values(etcd)["ip"] == f"{NETWORK}.3", "IPv4 goes first")
    assert leases(etcd) == {lease}


@pytest.mark.parametrize(
    ("source", "address"),
    [
        ({"cidr": f"{NETWORK}.0/24"}, f"{NETWORK}.1"),
        ({"cidr": "fd77::/64"}, "fd77::1"),
        ({"route": f"{NETWORK}.9"}, f"{NETWORK}.1"),
        ({"route": "fd77::9"}, "fd77::1"),
    ],
)
def test_an_address_from_a_network_or_a_route(
    etcd: Cluster, register: Register, interface: Interface, source: dict[str, str], address: str
) -> None:
    interface.add(f"{NETWORK}.1/24")
    interface.add("fd77::1/64")
    agent = register(etcd, address={**source, "interval": 0.2})
    agent.start()
    agent.wait_phase("registered")
    assert values(etcd)["ip"] == address


def test_an_address_from_a_command(etcd: Cluster, register: Register, tmp_path: Path, changes: Changes) -> None:
    says = tmp_path / "says"
    says.write_text("10.0.0.7\n")
    agent = register(etcd, address={"command": ["cat", str(says)], "interval": 0.2})
    agent.start()
    agent.wait_phase("registered")
    assert values(etcd)["ip"] == "10.0.0.7"
    changes.clear()
    for words, problem in (
        ("127.0.0.1", "is loopback"),
        ("<html>10.0.0.8</html>", "is not an IP address"),
        ("", "printed nothing"),
    ):
        says.write_text(words)
        wait_for(lambda problem=problem: problem in agent.status["address_problem"], problem)
    says.unlink()
    wait_for(lambda: "exit status 1" in agent.status["address_problem"], "the command's failure in the status")
    assert changes.until_now() == []
    says.write_text("10.0.0.8")
    wait_for(lambda: values(etcd)["ip"] == "10.0.0.8", "the new address")
    wait_for(lambda: agent.status["address_problem"] == "", "the end of the problem in the status")


def test_a_command_that_hangs_delays_no_keepalive(etcd: Cluster, register: Register) -> None:
    agent = register(etcd)
    agent.start()
    lease = agent.wait_phase("registered")["lease"]
    reload(agent, address={"command": ["sleep", "60"]})
    agent.wait_count("keepalives", 4)
    assert (agent.status["phase"], values(etcd)["ip"], leases(etcd)) == ("registered", "10.0.0.5", {lease})


def test_a_host_that_gets_its_name_late_registers_under_it(etcd: Cluster, register: Register) -> None:
    """As from DHCP, or by hostnamectl: what an image is called, many hosts are called at first."""
    hold(etcd, 600)
    named = ["unshare", "--uts", "sh", "-c", 'hostname web1 && exec "$@"', "sh"]
    agent = register(etcd, name=None, within=named)
    agent.start()
    agent.wait_phase("duplicate")
    assert agent.process is not None
    subprocess.run(["nsenter", "--target", str(agent.process.pid), "--uts", "hostname", "web7"], check=True)
    agent.wait_phase("registered")
    assert values(etcd, "/infrastructure/web/web7/")["ip"] == "10.0.0.5"
    assert values(etcd)["ip"] == "10.0.0.9", "the holder is left alone"
