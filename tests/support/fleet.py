# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many nodes in one process: the agent's own turns, done by a few threads for as many agents as memory holds."""

from __future__ import annotations

import heapq
import itertools
import json
import random
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.host.clock import boottime
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.registering.agent import Agent
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.registering.run_directory import (
    Memory,
    RunDirectory,
)

Json = dict[str, Any]
Turn = Callable[[], float]  # does what is due, and returns when (boottime) to come again


class Node(RunDirectory):
    """The agent of one host of the role `fleet`, without a process of its own; `status` is what it shows.

    `etcd` has further settings of the connection, as the agent's configuration has them.
    """

    def __init__(
        self, directory: Path, number: int, endpoints: Sequence[str], ttl: int, self_check: float, **etcd: str
    ) -> None:
        super().__init__(str(directory))
        self.name = f"node{number:05}"
        self.status: Json = {}
        config = directory / "config.json"
        address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        settings = {"name": self.name, "role": "fleet", "address": address, "ttl": ttl, "self_check": self_check}
        config.write_text(json.dumps({"etcd": {"endpoints": list(endpoints), **etcd}, **settings}))
        self._agent = Agent(str(config), self)

    def turn(self) -> float:
        """What the two threads of an agent do, one after the other."""
        self._agent.renew()
        due = self._agent.turn()
        return min(due, self._agent.renew())

    def show(self, status: Json) -> None:
        """Keep the status instead of writing it."""
        self.status = status

    def remember(self, memory: Memory) -> None:
        """No other process will come."""


class Fleet:
    """Does every turn when it is due, the first ones spread over `within` seconds. A context manager."""

    def __init__(self, turns: Iterable[Turn], within: float, threads: int = 8) -> None:
        order = itertools.count()  # so that the heap never compares two turns
        now = boottime()
        self._due = [(now + random.uniform(0, within), next(order), turn) for turn in turns]
        heapq.heapify(self._due)
        self._order = order
        self._change = threading.Condition()
        self._over = False
        self._threads = [threading.Thread(target=self._work, daemon=True) for _number in range(threads)]

    def __enter__(self) -> Fleet:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        with self._change:
            self._over = True
            self._change.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (turn := self._next()) is not None:
            due = turn()
            with self._change:
                heapq.heappush(self._due, (due, next(self._order), turn))
                self._change.notify()

    def _next(self) -> Turn | None:
        """Wait for the next turn; None when it is over."""
        with self._change:
            while not self._over:
                pause = self._due[0][0] - boottime() if self._due else None
                if pause is not None and pause <= 0:
                    return heapq.heappop(self._due)[2]
                self._change.wait(pause)
            return None
