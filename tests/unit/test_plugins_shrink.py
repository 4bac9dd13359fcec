# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guard that compares an inventory with the hosts of the last accepted run."""

from __future__ import annotations

import json

import pytest

from tests.support.fake_etcd import FakeEtcd
from tests.support.fake_etcd.server import STANDING_LEASE
from tests.support.inventory import address_of, read_inventory, register_nodes

TEN = [f"web{number}" for number in range(10)]


def lose(etcd, *names):
    for name in names:
        etcd.delete(f"/infrastructure/web/{name}/ip")


@pytest.fixture
def ten(fake_etcd, config):
    """Ten hosts were there in the last run, and `max_shrink` is 30."""
    register_nodes(fake_etcd, *TEN)
    read_inventory(config(max_shrink=30))
    return fake_etcd


def test_so_many_may_be_missing_and_no_more(ten, config, failure, state):
    lose(ten, *TEN[:3])
    assert len(read_inventory(config(max_shrink="30%")).hosts) == 7
    lose(ten, *TEN[3:6])  # of seven
    printed = failure(config(max_shrink=30))
    assert "There are 4 hosts where the last accepted run had 7: 43 % fewer, and max_shrink is 30 %" in printed
    assert "Missing are web3, web4, web5." in printed
    assert "ANSIBLE_ROLLCALL_MAX_SHRINK=100" in printed
    [file] = state.iterdir()
    assert str(file) in printed


def test_of_many_missing_hosts_some_are_named(ten, config, failure):
    lose(ten, *TEN[:8])
    assert "Missing are web0, web1, web2, web3, web4 and 3 more" in failure(config(max_shrink=30))


def test_a_refused_run_changes_nothing_and_is_refused_again(ten, config, failure, state):
    [file] = state.iterdir()
    before = file.read_text()
    lose(ten, *TEN[:5])
    assert "had 10: 50 % fewer" in failure(config(max_shrink=30))
    with pytest.raises(SystemExit):
        read_inventory(config(max_shrink=30))
    assert file.read_text() == before


def test_the_environment_accepts_one_run(ten, config, failure, monkeypatch):
    lose(ten, *TEN[:5])
    failure(config(max_shrink=30))
    with monkeypatch.context() as patched:
        patched.setenv("ANSIBLE_ROLLCALL_MAX_SHRINK", "100")
        assert len(read_inventory(config(max_shrink=30)).hosts) == 5
    assert len(read_inventory(config(max_shrink=30)).hosts) == 5
    lose(ten, *TEN[5:7])
    failure(config(max_shrink=30))


def test_without_the_file_there_is_nothing_to_compare_with(ten, config, state):
    lose(ten, *TEN[:5])
    [file] = state.iterdir()
    file.unlink()
    assert len(read_inventory(config(max_shrink=30)).hosts) == 5


@pytest.mark.parametrize("content", ["{", "[]", '{"hosts": 7}', '{"hosts": [7]}', "{}"])
def test_a_damaged_file_is_an_error_for_it_hides_what_is_missing(ten, config, failure, state, content):
    [file] = state.iterdir()
    file.write_text(content)
    assert f"The file {file} is damaged; delete it" in failure(config(max_shrink=30))


def test_nodes_that_left_on_purpose_do_not_count(ten, config, failure):
    lose(ten, *TEN[:5])
    for name in TEN[:4]:
        ten.put(f"/rollcall/infrastructure/roster/web/{name}", json.dumps({"state": "left"}))
    ten.put("/rollcall/infrastructure/roster/web/web4", json.dumps({"state": "joined"}))
    assert len(read_inventory(config(max_shrink=20)).hosts) == 5
    lose(ten, "web5", "web6")
    assert "There are 3 hosts where the last accepted run had 5" in failure(config(max_shrink=20))


def test_lost_nodes_are_missing_although_they_are_hosts(ten, config, failure):
    for name in TEN:
        ten.put(f"/rollcall/infrastructure/roster/web/{name}", json.dumps({"state": "joined"}))
    lose(ten, *TEN[:5])
    assert "There are 5 hosts" in failure(config(max_shrink=30, lost=True))
    assert "fewer than min_hosts (6)" in failure(config(lost=True, min_hosts=6))


def test_all_gone_is_the_same_as_too_many_gone(ten, config, failure):
    lose(ten, *TEN)
    assert "There are 0 hosts" in failure(config(max_shrink=99, allow_empty=True))


def test_trees_without_a_roster_are_compared_too(fake_etcd, config, failure):
    for name in ("web1", "web2"):
        fake_etcd.put(f"/nodes/{name}", json.dumps({"ip": address_of(name)}), STANDING_LEASE)
    options = {"layout": "json", "prefix": "/nodes", "max_shrink": "10 %"}
    read_inventory(config(**options))
    fake_etcd.delete("/nodes/web2")
    assert "Missing are web2." in failure(config(**options))


def test_other_filters_have_nothing_to_compare_with(ten, config):
    assert list(read_inventory(config(max_shrink=0, filters={"name": "web1"})).hosts) == ["web1"]


def test_the_fleet_is_the_same_when_its_etcd_moves(ten, config, failure):
    lose(ten, *TEN[:5])
    here = ten.endpoint.replace("127.0.0.1", "localhost")
    assert "had 10: 50 % fewer" in failure(config(max_shrink=30, endpoints=[here, "http://127.0.0.1:1"]))
    with FakeEtcd() as other:
        register_nodes(other, *TEN[:5])
        assert "had 10: 50 % fewer" in failure(config(max_shrink=30, endpoints=[other.endpoint]))
        register_nodes(other, *TEN)
        assert len(read_inventory(config(max_shrink=0, endpoints=[other.endpoint])).hosts) == 10


def test_another_file_or_prefix_is_another_fleet(ten, config, tmp_path):
    ten.put("/staging/web/web1/ip", "10.0.0.1")
    assert list(read_inventory(config(max_shrink=0, prefix="/staging")).hosts) == ["web1"]
    lose(ten, *TEN[:5])
    other = tmp_path / "other.etcd.yml"
    config(max_shrink=30).rename(other)
    assert len(read_inventory(other).hosts) == 5


def test_clusters_are_told_apart_by_their_names(ten, config, failure):
    def of(name, *endpoints):
        return config(max_shrink=30, endpoints=..., clusters=[{"name": name, "endpoints": list(endpoints)}])

    read_inventory(of("eu", ten.endpoint))
    lose(ten, *TEN[:5])
    assert "had 10" in failure(of("eu", ten.endpoint, "http://127.0.0.1:1"))
    assert len(read_inventory(of("us", ten.endpoint)).hosts) == 5


def test_new_hosts_make_up_for_missing_ones(ten, config):
    """What counts is how many fewer there are: a fleet that is replaced is no fleet that is lost."""
    lose(ten, *TEN[:5])
    register_nodes(ten, *(f"new{number}" for number in range(4)))
    assert len(read_inventory(config(max_shrink=10)).hosts) == 9


def test_nobody_who_does_not_ask_for_it_has_a_file(fake_etcd, config, state):
    register_nodes(fake_etcd, "web1")
    read_inventory(config())
    assert not state.exists()


@pytest.mark.parametrize("given", ["many", "-1", "101", "30 hosts", "", "1e2", "%"])
def test_what_is_no_percentage(fake_etcd, config, failure, given):
    assert f"max_shrink is '{given}': it must be a percentage" in failure(config(max_shrink=given))
    assert not fake_etcd.received
