# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The projects in examples/, each as it is but for the endpoints, with real etcd servers.

tests/e2e/test_examples.py applies their roles to hosts.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.inventory.conftest import Programs
from tests.support.certs import Authority
from tests.support.examples import EXAMPLES, copy_example
from tests.support.real_etcd import Cluster, Tls

PASSWORD = "between-us"


@pytest.fixture
def secured(etcd_programs: Path, authority: Authority) -> Iterator[Callable[..., Cluster]]:
    """`secured(shop="/shop/")` starts an etcd with TLS and a user who may read and write a prefix."""
    clusters: list[Cluster] = []

    def start(**users: str) -> Cluster:
        cluster = Cluster(etcd_programs, tls=Tls(authority.ca_cert, authority.server()), flags=["--bcrypt-cost=4"])
        clusters.append(cluster)
        cluster.start()
        cluster.require_auth(root="secret", **dict.fromkeys(users, PASSWORD))
        for name, prefix in users.items():
            cluster.permit(name, prefix)
        return cluster

    yield start
    for cluster in clusters:
        cluster.stop()


def test_every_example_is_in_the_table_and_describes_each_of_its_files() -> None:
    projects = {path for path in EXAMPLES.iterdir() if path.is_dir()}
    table = (EXAMPLES / "README.md").read_text()
    assert {f"[{path.name}]({path.name}/)" in table for path in projects} == {True}
    for path in projects:
        text = (path / "README.md").read_text()
        for file in path.rglob("*.yml"):
            name = str(file.relative_to(path))
            assert f"`{name}`" in text or name.startswith("group_vars/"), f"{path.name}/README.md lacks {name}"


def test_inventory_follows_leases_of_etcdctl(etcd: Cluster, run: Programs, tmp_path: Path) -> None:
    here = copy_example("inventory-only", tmp_path, {"http://127.0.0.1:2379": etcd.endpoints[0]})
    lease = etcd.ctl("lease", "grant", "600").split()[1]
    for number in (1, 2):
        etcd.ctl("put", f"--lease={lease}", f"/infrastructure/web/web{number}/ip", f"10.0.0.2{number}")
    listed = run("ansible-inventory", "-i", here / "etcd.yml", "--list").inventory
    assert listed["role_web"]["hosts"] == ["web1", "web2"]
    played = run("ansible-playbook", "-i", here / "etcd.yml", here / "hosts-file.yml")
    assert played.rc == 0, played.stdout + played.stderr
    assert (here / "hosts.txt").read_text() == "10.0.0.21 web1\n10.0.0.22 web2\n"

    etcd.ctl("del", "/infrastructure/web/web2/ip")
    emptied = run("ansible-playbook", "-i", here / "etcd.yml", here / "hosts-file.yml")
    assert emptied.rc == 1
    assert "min_hosts" in emptied.messages


def test_two_datacentres_are_one_inventory_and_one_may_be_away(
    secured: Callable[..., Cluster], authority: Authority, run: Programs, tmp_path: Path
) -> None:
    clusters = {"eu": secured(inventory="/"), "us": secured(inventory="/")}
    endpoints = {}
    for number, (dc, cluster) in enumerate(clusters.items(), start=1):
        endpoints |= {f"https://10.{number}.0.1{member}:2379": cluster.endpoints[0] for member in (1, 2, 3)}
        login = f"inventory:{PASSWORD}"
        lease = cluster.ctl("lease", "grant", "600", user=login).split()[1]
        key = f"/infrastructure/web/{dc}-web1/ip"
        cluster.ctl("put", f"--lease={lease}", key, f"10.{number}.0.21", user=login)
    here = copy_example("two-datacentres", tmp_path, endpoints)
    for dc in clusters:
        credentials = here / ".rollcall" / dc
        (credentials / "tls").mkdir(mode=0o700, parents=True)
        (credentials / "passwords").mkdir(mode=0o700)
        shutil.copy(authority.ca_cert, credentials / "tls/ca.crt")
        (credentials / "passwords/inventory").write_text(PASSWORD)
        (credentials / "passwords/inventory").chmod(0o600)
        (credentials / "passwords/inventory").chmod(0o600)

    source = here / "inventory/etcd.yml"
    for state in ("both are there", "one is away"):
        listed = run("ansible-inventory", "-i", source, "--list").inventory
        assert listed["dc_eu"]["hosts"] == ["eu-web1"], state
        assert listed["dc_us"]["hosts"] == ["us-web1"], state
        clusters["us"].members[0].kill()
    played = run("ansible-playbook", "-i", source, here / "overview.yml")
    assert played.rc == 0, played.stdout + played.stderr
    assert "eu: eu-web1 is passing" in played.stdout
    assert "us: us-web1 is passing" in played.stdout

    hosts = run("ansible-inventory", "-i", here / "hosts.yml", "--list").inventory["_meta"]["hostvars"]
    assert {name: host["etcd_group"] for name, host in hosts.items()} == {name: f"{name[:2]}_etcd" for name in hosts}
    assert {host["register_role"] for host in hosts.values()} == {"etcd", "web", "lb"}


def test_a_foreign_etcd_with_tls_takes_nodes_under_a_prefix(
    secured: Callable[..., Cluster], authority: Authority, run: Programs, tmp_path: Path
) -> None:
    cluster = secured(shop="/shop/")
    here = copy_example("foreign-etcd", tmp_path, {"https://etcd.example.com:2379": cluster.endpoints[0]})
    shutil.copy(authority.ca_cert, here / "ca.crt")
    secret = {"SHOP_ETCD_PASSWORD": PASSWORD}
    played = run("ansible-playbook", here / "register.yml", **secret)
    assert played.rc == 0, played.stdout + played.stderr
    listed = run("ansible-inventory", "-i", here / "etcd.yml", "--list", **secret).inventory
    assert listed["role_database"]["hosts"] == ["orders-db"]
    assert listed["tag_rack_1"]["hosts"] == ["sw1"]
