# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The projects in examples/ whose roles set hosts up, each as it is but for the addresses."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.lab import Host, Lab
from tests.support.examples import EXAMPLES, copy_example
from tests.support.installed import Installed, Played
from tests.support.traffic import Traffic
from tests.support.waiting import wait_for
from tests.tools.etcd_archive import demo_options

pytestmark = pytest.mark.e2e

CENTRES = ("eu", "us")
PASSWORD = "between-us"


def addresses_of(name: str) -> dict[str, str]:
    """The hosts of a project's hosts.yml with their addresses."""
    text = (EXAMPLES / name / "hosts.yml").read_text()
    return dict(re.findall(r"^ +([a-z0-9-]+): \{ansible_host: ([0-9.]+)\}$", text, re.MULTILINE))


@pytest.fixture(scope="module")
def hosts(lab: Lab) -> Iterator[dict[str, Host]]:
    """A host for each of the two projects."""
    names = [*addresses_of("two-datacentres"), *addresses_of("foreign-etcd")]
    yield {host.name: host for host in lab.create(names)}
    lab.destroy(names)


@pytest.fixture(scope="module")
def site(lab: Lab, installed: Installed, hosts: dict[str, Host], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project two-datacentres, applied as its README says."""
    replaced = {theirs: hosts[name].address for name, theirs in addresses_of("two-datacentres").items()}
    project = copy_example("two-datacentres", tmp_path_factory.mktemp("site"), replaced)
    options = project / "group_vars/etcd.yml"
    options.write_text(json.dumps({**yaml.safe_load(options.read_text()), **demo_options()[0]}))
    for centre in CENTRES:
        for playbook in ("demo", "site"):
            apply(lab, installed, project, f"rollcall.discovery.{playbook}", "--limit", centre)
    return project


def apply(lab: Lab, installed: Installed, project: Path, *arguments: str, **environment: str) -> Played:
    """Run a playbook on the hosts of a project's hosts.yml."""
    ssh = json.dumps(lab.inventory()["all"]["vars"])
    return installed.play(*arguments, "-e", ssh, inventory=project / "hosts.yml", **environment)


def test_each_of_two_data_centres_serves_its_own_and_one_inventory_has_both(
    lab: Lab, installed: Installed, hosts: dict[str, Host], site: Path
) -> None:
    inventory = installed.inventory(site / "inventory/etcd.yml")
    for centre in CENTRES:
        here = {name for name in hosts if name.startswith(centre)}
        assert set(inventory[f"dc_{centre}"]["hosts"]) == here
        with Traffic(hosts[f"{centre}-lb1"].address) as traffic:
            wait_for(lambda traffic=traffic, centre=centre: traffic.answered_by(f"{centre}-web1", 0), "an answer", 30)
            began = time.time()
            wait_for(lambda traffic=traffic, began=began: len(traffic.since(began)) > 20, "requests", 20)
            assert {request.answer for request in traffic.since(began)} == {f"{centre}-web1"}
        again = apply(lab, installed, site, "rollcall.discovery.site", "--limit", centre)
        assert again.total("changed") == 0, again.output
    seen = installed.play(str(site / "overview.yml"), inventory=site / "inventory/etcd.yml")
    assert "eu: eu-web1 is passing" in seen.output
    assert "us: us-web1 is passing" in seen.output


def test_agents_register_in_an_etcd_of_another_team(
    lab: Lab, installed: Installed, hosts: dict[str, Host], site: Path, tmp_path: Path
) -> None:
    etcd = hosts["eu-etcd1"]
    password = (site / ".rollcall/eu/passwords/root").read_text().strip()
    etcdctl = f"etcdctl --endpoints https://localhost:2379 --cacert /etc/etcd/tls/ca.crt --user root:{password}"
    for command in (
        f"user add shop:{PASSWORD}",
        "role add shop",
        "role grant-permission shop --prefix=true readwrite /shop/",
        "user grant-role shop shop",
    ):
        etcd.exec(f"{etcdctl} {command}")
    replaced = {theirs: hosts[name].address for name, theirs in addresses_of("foreign-etcd").items()}
    project = copy_example("foreign-etcd", tmp_path, {**replaced, "etcd.example.com": etcd.address})
    (project / "ca.crt").write_text((site / ".rollcall/eu/tls/ca.crt").read_text())
    secret = {"SHOP_ETCD_PASSWORD": PASSWORD}
    apply(lab, installed, project, str(project / "agents.yml"), **secret)
    assert apply(lab, installed, project, str(project / "agents.yml"), **secret).total("changed") == 0
    inventory = installed.inventory(project / "etcd.yml", **secret)
    assert set(inventory["role_api"]["hosts"]) == {"api1", "api2"}
