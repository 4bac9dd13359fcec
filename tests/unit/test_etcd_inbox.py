# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What threads and signal handlers tell the agent's loop."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.inbox import Inbox


@pytest.fixture
def on_signal() -> Iterator[list[object]]:
    """The handler of SIGUSR1 is what the test puts into this list."""
    handlers: list[object] = []
    former = signal.signal(signal.SIGUSR1, lambda *_args: handlers[0]())  # type: ignore[operator]  # a callable
    yield handlers
    signal.signal(signal.SIGUSR1, former)


def test_messages_come_in_order_and_without_waiting() -> None:
    inbox: Inbox[int] = Inbox()
    for number in range(100_000):  # more than a pipe holds
        inbox.put(number)
    begun = time.monotonic()
    assert list(inbox.take(60)) == list(range(100_000))
    assert time.monotonic() - begun < 5


def test_no_message_ends_the_wait_in_time() -> None:
    inbox: Inbox[int] = Inbox()
    begun = time.monotonic()
    assert list(inbox.take(0.2)) == []
    assert 0.2 <= time.monotonic() - begun < 2


def test_a_thread_ends_the_wait() -> None:
    inbox: Inbox[str] = Inbox()
    threading.Timer(0.1, inbox.put, ["result"]).start()
    assert list(inbox.take(60)) == ["result"]


def test_a_signal_handler_ends_the_wait(on_signal: list[object]) -> None:
    inbox: Inbox[str] = Inbox()
    on_signal.append(lambda: inbox.put("signal"))
    threading.Timer(0.1, os.kill, [os.getpid(), signal.SIGUSR1]).start()
    assert list(inbox.take(60)) == ["signal"]


def test_a_sign_without_a_message_does_no_harm() -> None:
    """Two messages, two signs, and both messages are taken at the first."""
    inbox: Inbox[int] = Inbox()
    inbox.put(1)
    assert list(inbox.take(60)) == [1]
    inbox.put(2)
    taken = inbox.take(60)
    assert next(taken) == 2
    inbox.put(3)
    assert list(taken) == [3]
    assert list(inbox.take(0.1)) == []
    assert list(inbox.take(0.1)) == []
