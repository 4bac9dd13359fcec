# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Python's garbage collector rests while an inventory is made, and no longer."""

from __future__ import annotations

import gc
import weakref

import pytest

from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory import _garbage_collector, _hosts
from tests.support.inventory import read_inventory, register_nodes, write_config


@pytest.fixture
def collections():
    """The generations that were collected."""
    seen = []

    def note(phase, info):
        if phase == "start":
            seen.append(info["generation"])

    gc.callbacks.append(note)
    yield seen
    gc.callbacks.remove(note)


def test_an_inventory_is_made_without_collections_and_leaves_the_collector_on(fake_etcd, tmp_path, monkeypatch):
    register_nodes(fake_etcd, "web1")
    config = write_config(tmp_path, endpoints=[fake_etcd.endpoint])
    states = []
    build = _hosts.build

    def observed(*given):
        states.append(gc.isenabled())
        return build(*given)

    monkeypatch.setattr(_hosts, "build", observed)
    assert list(read_inventory(config).hosts) == ["web1"]
    assert (states, gc.isenabled()) == ([False], True)


def test_a_failure_leaves_the_collector_on(fake_etcd, tmp_path):
    config = write_config(tmp_path, endpoints=[fake_etcd.endpoint])
    with pytest.raises(SystemExit):  # no node is registered
        read_inventory(config)
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off():
    gc.disable()
    try:
        with _garbage_collector.paused():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_cycle_of_the_pause_is_collected_afterwards(collections):
    class Cycle:
        pass

    with _garbage_collector.paused():
        for _number in range(100_000):
            one = Cycle()
            one.itself = one
        last = weakref.ref(one)
        del one
        assert not collections
    assert last() is not None
    gc.collect()
    assert last() is None
