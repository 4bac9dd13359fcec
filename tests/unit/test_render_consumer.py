# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The consumer key and those who write it."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.consumer import Applied, Consumer
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.client import Client
from tests.support.fake_etcd import FakeEtcd
from tests.support.waiting import wait_for

KEY = "/rollcall/infrastructure/consumers/lb1"
Connect = Callable[..., Client]


def test_renderer_that_shares_its_name_with_another_is_told_once(
    fake_etcd: FakeEtcd, connect: Connect, capsys: pytest.CaptureFixture[str]
) -> None:
    consumers = [Consumer(connect(endpoints=[fake_etcd.endpoint]), KEY, 2) for _ in range(2)]
    witness, said = connect(endpoints=[fake_etcd.endpoint]), ""
    writers = set()

    def both_are_told() -> bool:
        nonlocal said
        said += capsys.readouterr().err
        found = witness.get(KEY)
        if found is not None:
            writers.add(found.lease)
        return said.count(f"Another renderer publishes {KEY}, too") == 2

    for number, consumer in enumerate(consumers):
        consumer.publish(Applied(str(number), True, "", 1, None))
        consumer.start()
    wait_for(both_are_told, "both to be told", 15)
    end = time.monotonic() + 2
    while time.monotonic() < end:
        assert both_are_told(), said
        time.sleep(0.1)
    assert len(writers) == 2
    for consumer in consumers:
        consumer.stop(leave=True)
