# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts that register when they boot, from an image or with a file for cloud-init; with our agent, and without it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.lab import Host, Lab
from tests.support.installed import Installed
from tests.support.open_etcd import OpenEtcd, open_etcd
from tests.support.waiting import wait_for

pytestmark = pytest.mark.e2e

Json = dict[str, Any]

TTL = 10
SEED = "/var/lib/cloud/seed/nocloud"
METRICS = "/var/lib/prometheus/node-exporter/rollcall.prom"  # in a directory that neither image nor host has
# What an image for clouds has: a source to believe. The lab's own network and SSH stay, and a minbase has no locales.
CLOUD = """\
datasource_list: [NoCloud, None]
network: {config: disabled}
disable_root: false
ssh_deletekeys: false
locale: false
"""


class Place(NamedTuple):
    """An etcd, and what the hosts that are to be born need to know."""

    lab: Lab
    installed: Installed
    etcd: OpenEtcd
    suite: str


@pytest.fixture(scope="module", params=["trixie", "bookworm"])
def place(request: pytest.FixtureRequest, lab: Lab, installed: Installed) -> Iterator[Place]:
    with open_etcd(lab, request.param) as etcd:
        yield Place(lab, installed, etcd, request.param)


@pytest.fixture(scope="module", params=["agent", "etcdctl", "image"])
def way(request: pytest.FixtureRequest) -> str:
    """A file for cloud-init with our agent, one with etcdctl, or an image in which the role has run."""
    return str(request.param)


@pytest.fixture(scope="module")
def born(place: Place, way: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host that has just booted, and calls itself born-… since then."""
    options = {
        "rollcall_etcd_endpoints": [place.etcd.endpoint],
        "register_role": "web",
        "register_ttl": TTL,
        "register_self_check": 3,
        "register_method": "etcdctl" if way == "etcdctl" else "agent",
        "register_services": {} if way == "etcdctl" else {"web": {"port": 8080}},
        "register_metrics_file": "" if way == "etcdctl" else METRICS,
    }
    name = f"{place.suite[:4]}-{way}"
    (host,) = place.lab.create([name], suite=place.suite)
    try:
        (bake if way == "image" else seed)(place, host, options, tmp_path_factory.mktemp("born"))
        host.stop()
        assert place.etcd.values(name) == place.etcd.values(f"born-{way}") == {}, "nobody has registered yet"
        host.boot()
        yield host
    finally:
        place.lab.destroy([name])


def bake(place: Place, host: Host, options: Json, directory: Path) -> None:
    """Run the role as it is done where an image is built; the host gets its name after that."""
    book, inventory = directory / "image.yml", directory / "hosts.json"
    play = {"hosts": "all", "gather_facts": False, "roles": ["rollcall.discovery.register"]}
    book.write_text(json.dumps([{**play, "vars": {**options, "register_start": False}}]))
    hosts = {host.name: {"ansible_host": host.address}}
    variables = place.lab.inventory()["all"]["vars"]
    inventory.write_text(json.dumps({"all": {"hosts": hosts, "vars": variables}}))
    place.installed.play(str(book), inventory=inventory)
    assert place.installed.play(str(book), inventory=inventory).total("changed") == 0
    assert host.exec("systemctl is-active rollcall-register", check=False).stdout.strip() == "inactive"
    host.exec("echo born-image >/etc/hostname")


def seed(place: Place, host: Host, options: Json, directory: Path) -> None:
    """Make a stock image of it, with cloud-init as clouds have it, and nothing else but the file."""
    options["user_data_dest"] = str(directory / "web.yml")
    done = place.installed.run("ansible-playbook", "rollcall.discovery.user_data", "-e", json.dumps(options))
    assert done.returncode == 0, done.stdout + done.stderr
    name = f"born-{options['register_method']}"
    host.exec("apt-get update -q && apt-get install -qy --no-install-recommends cloud-init", timeout=600)
    host.exec(f"cloud-init clean --logs && mkdir -p {SEED}")
    host.exec(f"cat >{SEED}/user-data", stdin=(directory / "web.yml").read_text())
    host.exec(f"cat >{SEED}/meta-data", stdin=f"instance-id: i-{name}\nlocal-hostname: {name}\n")
    host.exec("cat >/etc/cloud/cloud.cfg.d/99_lab.cfg", stdin=CLOUD)


def wait_registered(host: Host) -> None:
    """Wait until this boot's service says that it holds the registration."""
    status = "systemctl show -P StatusText rollcall-register"
    wait_for(lambda: host.exec(status).stdout.startswith("Registered"), "the service to hold the registration", 60)


def test_it_boots_as_a_registered_host(place: Place, way: str, born: Host) -> None:
    host, name = born, f"born-{way}"
    wait_for(lambda: place.etcd.values(name).get("ip") == host.address, f"{name}: {host.console()}", 120)
    if way != "etcdctl":
        assert json.loads(place.etcd.values(name)["node"])["services"]["web"]["port"] == 8080
        assert place.etcd.values(name)["health"] == "passing"
        registered = f"""grep --quiet '^rollcall_phase{{phase="registered"}} 1' {METRICS}"""
        wait_for(lambda: host.exec(registered, check=False).returncode == 0, "the metrics to say so", 60)
    score = host.exec("systemd-analyze security rollcall-register --no-pager").stdout.splitlines()[-1]
    assert float(score.split(":")[1].split()[0]) <= 2.0, score


def test_without_the_directory_of_the_metrics_it_is_registered_all_the_same(way: str, born: Host) -> None:
    if way == "etcdctl":
        pytest.skip("it writes no metrics")
    directory = Path(METRICS).parent
    born.exec(f"mv {directory} {directory}.away && systemctl restart rollcall-register")
    try:
        wait_registered(born)
    finally:
        born.exec(f"mv {directory}.away {directory} && systemctl restart rollcall-register")
    wait_registered(born)


def test_what_is_lost_comes_back(place: Place, way: str, born: Host) -> None:
    name = f"born-{way}"
    wait_for(lambda: "ip" in place.etcd.values(name), "the host", 60)
    lease = place.etcd.lease(name)
    place.etcd.ctl(f"del /infrastructure/web/{name}/ip")
    wait_for(lambda: place.etcd.values(name).get("ip") == born.address, "a key deleted by hand", 20)
    assert place.etcd.lease(name) == lease
    place.etcd.ctl(f"lease revoke {lease}")
    wait_for(lambda: place.etcd.values(name).get("ip") == born.address, "a lease revoked by hand", 20)


def test_a_crash_is_no_event(place: Place, way: str, born: Host) -> None:
    name = f"born-{way}"
    lease = place.etcd.lease(name)
    born.exec("systemctl kill --signal=KILL rollcall-register")
    wait_registered(born)
    assert place.etcd.lease(name) == lease


def test_a_cut_a_reset_and_a_reboot(place: Place, way: str, born: Host) -> None:
    name = f"born-{way}"
    born.cut()
    try:
        wait_for(lambda: place.etcd.values(name) == {}, "the host to be lost", 3 * TTL)
    finally:
        born.rejoin()
    wait_for(lambda: place.etcd.values(name).get("ip") == born.address, "the host after the cut", 6 * TTL)
    born.kill()
    born.boot()
    wait_registered(born)  # its keys may still be those of the boot before
    assert place.etcd.values(name)["ip"] == born.address
    born.stop()
    assert place.etcd.values(name) == {}, "it has left on purpose"
    born.boot()
    wait_for(lambda: place.etcd.values(name).get("ip") == born.address, "the host after a reboot", 3 * TTL)
