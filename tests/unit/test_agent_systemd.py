# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signs of life for systemd: while bounded work goes on, and no longer than it may."""

from __future__ import annotations

import socket
import time

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.host.systemd import Notifier


@pytest.fixture
def manager(tmp_path, monkeypatch):
    """A service manager that wants a sign of life within 0.4 seconds."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "400000")
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        yield manager


def silent(manager, seconds):
    """Whether nothing comes for so long."""
    manager.settimeout(seconds)
    try:
        manager.recv(100)
    except TimeoutError:
        return True
    return False


def test_work_that_lasts_longer_than_it_may_is_a_hang(manager):
    notifier = Notifier()
    begun = time.monotonic()
    notifier.work(1.0)
    count = 0
    while not silent(manager, 0.8):
        count += 1
    assert count >= 4
    assert time.monotonic() - begun < 4


def test_when_work_is_done_only_the_loop_gives_signs_of_life(manager):
    notifier = Notifier()
    notifier.work(60.0)
    for _count in range(5):
        assert manager.recv(100) == b"WATCHDOG=1"
    notifier.work(0.0)
    deadline = time.monotonic() + 5
    while not silent(manager, 0.8):
        assert time.monotonic() < deadline
    notifier.work(60.0)
    assert not silent(manager, 5)
    assert not silent(manager, 5)
    notifier.work(0.0)


def test_without_a_watchdog_nothing_is_sent(manager, monkeypatch):
    monkeypatch.delenv("WATCHDOG_USEC")
    Notifier().work(1.0)
    assert silent(manager, 0.5)
