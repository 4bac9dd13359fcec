# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an agent makes of the maintenance of its host."""

from __future__ import annotations

import json
import time

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.registering import own_maintenance
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.layout import Identity, Layout

LAYOUT = Layout()
NAMES = [Identity("", role, "web1") for role in ("web", "api")]
KEY = "/rollcall/infrastructure/maintenance/api/web1"


class Clock:
    """Both clocks of the host; `jump` moves the wall clock alone."""

    def __init__(self, monkeypatch):
        self.wall, self.boot = time.time(), 1000.0
        monkeypatch.setattr(time, "time", lambda: self.wall)
        monkeypatch.setattr(own_maintenance, "boottime", lambda: self.boot)

    def go_on(self, seconds):
        self.wall += seconds
        self.boot += seconds

    def jump(self, seconds):
        self.wall += seconds


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
def look(fake_etcd, connect):
    """Looks as the agent does at each self-check; returns what holds."""
    client, about = connect(endpoints=[fake_etcd.endpoint]), own_maintenance.Maintained(600)

    def look():
        about.read(client, LAYOUT, NAMES)
        return about.fields, about.next_look()

    return look


def test_a_key_that_is_over_for_long_is_deleted(fake_etcd, clock, look):
    fake_etcd.put(KEY, json.dumps({"by": "ann", "since": int(clock.wall), "until": int(clock.wall) + 60}))
    fields, due = look()
    assert (fields["by"], 59 <= due <= 60) == ("ann", True)
    clock.go_on(61)
    assert look() == (None, 600)
    clock.go_on(300)
    assert look() == (None, 300)
    assert KEY in fake_etcd.tree()
    clock.go_on(301)
    assert look()[0] is None
    assert KEY not in fake_etcd.tree()


def test_a_clock_that_jumps_ahead_for_a_while_puts_nobody_back_into_service(fake_etcd, clock, look):
    fake_etcd.put(KEY, json.dumps({"by": "ann", "until": int(clock.wall) + 7200}))
    clock.jump(100_000)
    for _minute in range(9):
        assert look()[0] is None
        clock.go_on(60)
    clock.jump(-100_000)
    assert look()[0]["by"] == "ann"
    clock.jump(100_000)
    assert look() == (None, 600), "and it begins anew"
    assert KEY in fake_etcd.tree()


def test_a_key_that_is_written_anew_is_given_its_time(fake_etcd, clock, look):
    fake_etcd.put(KEY, json.dumps({"until": int(clock.wall) - 1}))
    look()
    clock.go_on(599)
    fake_etcd.put(KEY, json.dumps({"until": int(clock.wall) - 1}))
    clock.go_on(2)
    assert look() == (None, 600)
    assert KEY in fake_etcd.tree()


@pytest.mark.parametrize("value", ["soon", "[]"])
def test_what_nobody_can_read_is_left_alone(fake_etcd, clock, look, value):
    fake_etcd.put(KEY, value)
    assert look() == (None, float("inf"))
    assert fake_etcd.tree()[KEY] == value
