# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every layout and both APIs behind the plugin: guards, caches, clusters and filters are the same for all."""

from __future__ import annotations

import json

import pytest

from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._presets import PRESETS
from tests.support.fake_etcd import V2Store
from tests.support.fake_etcd.server import STANDING_LEASE
from tests.support.inventory import members, own_variables, read_inventory, write_config


@pytest.fixture
def config(fake_etcd, tmp_path):
    """Writes a configuration for the fake."""
    return lambda **options: write_config(tmp_path, **{"endpoints": [fake_etcd.endpoint], **options})


@pytest.fixture
def failure(capsys):
    """Reads a source that must fail; returns what was printed."""

    def read(source):
        with pytest.raises(SystemExit):
            read_inventory(source)
        return " ".join(capsys.readouterr().err.split())

    return read


def fill(etcd, layout):
    tree = {
        "json": {name: json.dumps({"ip": f"10.0.0.{name[-1]}", "role": "web"}) for name in ("web1", "web2")},
        "consul": {f"groups/eu/{name}": "web" for name in ("web1", "web2")},
        "script": {f"hosts/web/{name}": "" for name in ("web1", "web2")},
    }[layout]
    for key, value in tree.items():
        etcd.put(f"/infrastructure/{key}", value)


@pytest.mark.parametrize("layout", PRESETS)
def test_guards_filters_and_the_cache(fake_etcd, config, failure, tmp_path, layout):
    assert "There is no node under /infrastructure/" in failure(config(layout=layout))
    assert not read_inventory(config(layout=layout, allow_empty=True)).hosts
    fill(fake_etcd, layout)
    assert "fewer than min_hosts (3)" in failure(config(layout=layout, min_hosts=3))
    assert list(read_inventory(config(layout=layout, filters={"role": "web", "name": "web2"})).hosts) == ["web2"]
    caching = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(tmp_path / "cache")}
    first = read_inventory(config(layout=layout, **caching))
    fake_etcd.stop()
    second = read_inventory(config(layout=layout, **caching))
    assert own_variables(second, "web1") == own_variables(first, "web1")
    fake_etcd.put("/infrastructure/web:", "not of any layout")
    fake_etcd.start()
    assert "'web:'" in failure(config(layout=layout, strict_nodes=True))


@pytest.mark.parametrize("layout", PRESETS)
def test_a_tree_that_shrinks_and_an_etcd_that_is_away(fake_etcd, config, failure, tmp_path, layout):
    fill(fake_etcd, layout)
    guarded = {"layout": layout, "state_dir": str(tmp_path), "max_shrink": "30%"}
    last_good = {"layout": layout, "state_dir": str(tmp_path), "on_error": "use_cache", "max_cache_age": 60}
    read_inventory(config(**guarded))
    read_inventory(config(**last_good))
    for key in [key for key in fake_etcd.tree("/infrastructure/") if key.endswith("web1")]:
        fake_etcd.delete(key)
    assert "web1" in failure(config(**guarded))
    fake_etcd.stop()
    assert list(read_inventory(config(**last_good)).hosts) == ["web1", "web2"]


def test_several_clusters_each_with_a_layout_of_its_own(fake_etcd, config, failure):
    fake_etcd.put("/nodes/web1", json.dumps({"ip": "10.0.0.1", "role": "web"}), STANDING_LEASE)
    fake_etcd.put("/infrastructure/web/web2/ip", "10.0.0.2")
    own, theirs = {"name": "own", "dc": "eu"}, {"name": "theirs", "layout": "json", "prefix": "/nodes"}
    inventory = read_inventory(config(clusters=[own, theirs]))
    assert members(inventory, "role_web") == ["web1", "web2"]
    assert "who are trusted with more" in failure(config(clusters=[own, {**theirs, "layout": "script"}]))


def test_operators_may_spread_their_tree_over_clusters(fake_etcd, config):
    tree = {"groupvars/web/x": "1", "hostvars/web{n}/n": "{n}"}
    for number in "12":
        for key, value in {**tree, f"hosts/web/web{number}": ""}.items():
            fake_etcd.put(f"/c{number}/{key.format(n=number)}", value.format(n=number))
    clusters = [{"name": f"c{number}", "prefix": f"/c{number}"} for number in "12"]
    inventory = read_inventory(config(layout="script", clusters=clusters))
    assert {name: host.vars["n"] for name, host in inventory.hosts.items()} == {"web1": 1, "web2": 2}
    assert inventory.groups["web"].vars == {"x": 1}


def test_a_cache_of_another_layout_or_api_is_no_hit(fake_etcd, config, failure, tmp_path):
    caching = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(tmp_path / "cache")}
    fake_etcd.put("/infrastructure/web/web1/ip", "10.0.0.1")
    read_inventory(config(**caching))
    asked = len(fake_etcd.received)
    failure(config(layout="json", **caching))
    assert len(fake_etcd.received) > asked
    assert "needs --enable-v2" in failure(config(api="v2", **caching))


# The v2 API


@pytest.mark.parametrize(("layout", "place"), [("{role}/{name}", "web/web1"), ("{dc}/{role}/{name}", "eu/web/web1")])
def test_the_articles_trees_in_the_v2_store(fake_etcd, config, layout, place):
    fake_etcd.v2 = V2Store()
    fake_etcd.v2.put(f"/infrastructure/{place}/ip", "10.0.0.1", ttl=60)
    fake_etcd.v2.put(f"/infrastructure/{place.replace('web1', 'forever')}/ip", "10.0.0.2")
    fake_etcd.v2.mkdir(f"/infrastructure/{place.replace('web1', 'gone')}")
    fake_etcd.put("/infrastructure/web/v3/ip", "10.0.0.3")
    inventory = read_inventory(config(layout=layout, api="v2"))
    assert list(inventory.hosts) == ["web1"]
    assert members(inventory, "role_web") == ["web1"]
    assert not fake_etcd.received, "nothing is asked of v3"


def test_the_scripts_tree_in_the_v2_store(fake_etcd, config):
    fake_etcd.v2 = V2Store()
    fake_etcd.v2.put("/infrastructure/hosts/web/web1", "")
    assert members(read_inventory(config(layout="script", api="v2")), "web") == ["web1"]


def test_an_empty_v2_store_is_as_empty_as_any(fake_etcd, config, failure):
    fake_etcd.v2 = V2Store()
    fake_etcd.v2.mkdir("/infrastructure/web/gone")
    assert "There is no node under /infrastructure/: no node is registered" in failure(config(api="v2"))
    fake_etcd.v2.login = "inventory:sesame"
    printed = failure(config(api="v2", user="inventory", password="swordfish"))
    assert "Reading the directory /infrastructure/ over the v2 API failed" in printed
    assert "Check user and password" in printed
    assert "swordfish" not in printed
