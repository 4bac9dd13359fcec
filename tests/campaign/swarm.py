# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Thousands of nodes: the agents of a fleet in a few processes, and what they go through."""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import multiprocessing.connection
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.support.fleet import Fleet, Node, Turn

_INTERVAL = 0.5  # seconds between two reports of a process
_SELF_CHECK = 60.0  # seconds, the agent's default
_THREADS = 32  # of each process; nodes do not wait for each other, so there are more than are ever busy


@dataclasses.dataclass
class Sample:
    """How the nodes of one process are, and how long each keepalive took in seconds since the last sample."""

    registered: int
    leases_lost: int
    keepalives: list[float]


class Swarm:
    """`nodes` agents that join within `within` seconds. A context manager; `look` must be called now and then."""

    def __init__(
        self, directory: Path, nodes: int, processes: int, endpoints: Sequence[str], ttl: int, within: float
    ) -> None:
        self.nodes = nodes
        self.keepalives: list[float] = []  # seconds each; the user may clear it
        context = multiprocessing.get_context("spawn")
        self._pipes: list[multiprocessing.connection.Connection] = []
        self._processes = []
        self._samples: dict[int, Sample] = {}
        for first in range(processes):
            ours, theirs = context.Pipe()
            arguments = (theirs, directory, range(first, nodes, processes), list(endpoints), ttl, within)
            self._pipes.append(ours)
            self._processes.append(context.Process(target=_run, args=arguments, daemon=True))

    def __enter__(self) -> Swarm:
        for process in self._processes:
            process.start()
        return self

    def __exit__(self, *exc: object) -> None:
        for pipe in self._pipes:
            pipe.send("end")
        for process in self._processes:
            process.join(10)
            process.kill()

    @property
    def registered(self) -> int:
        """How many were registered at the last look."""
        return sum(sample.registered for sample in self._samples.values())

    @property
    def leases_lost(self) -> int:
        """How many leases were lost since the beginning."""
        return sum(sample.leases_lost for sample in self._samples.values())

    def look(self, seconds: float) -> None:
        """Take what the processes report for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            for pipe in multiprocessing.connection.wait(self._pipes, left):
                assert isinstance(pipe, multiprocessing.connection.Connection)
                sample = pipe.recv()
                self.keepalives += sample.keepalives
                self._samples[pipe.fileno()] = sample

    def wait(self, fact: Callable[[], bool], words: str, within: float) -> float:
        """Look until `fact` holds; returns the seconds it took."""
        begun = time.monotonic()
        while not fact():
            self.look(_INTERVAL / 5)
            assert time.monotonic() - begun < within, f"{within} s for {words}: {self.registered} of {self.nodes}"
        return time.monotonic() - begun


def _run(
    pipe: multiprocessing.connection.Connection,
    directory: Path,
    numbers: Sequence[int],
    endpoints: Sequence[str],
    ttl: int,
    within: float,
) -> None:
    """The process: nodes of these numbers."""
    with (directory / f"log{numbers[0]}").open("w") as log, contextlib.redirect_stderr(log):
        nodes = [Node(directory / str(number), number, endpoints, ttl, _SELF_CHECK) for number in numbers]
        taken: deque[float] = deque()
        with Fleet([_timed(node, taken) for node in nodes], within, _THREADS):
            while not pipe.poll(_INTERVAL):
                statuses = [node.status for node in nodes]
                pipe.send(
                    Sample(
                        sum(status.get("phase") == "registered" for status in statuses),
                        sum(status["counts"]["leases_lost"] for status in statuses if status),
                        [taken.popleft() for _number in range(len(taken))],
                    )
                )


def _timed(node: Node, taken: deque[float]) -> Turn:
    """The node's turn, which adds the seconds that a keepalive took, if it was one and nothing else."""

    def count() -> tuple[int, int]:
        counts = node.status["counts"] if node.status else {"keepalives": 0, "self_checks": 0}
        return counts["keepalives"], counts["self_checks"]

    def turn() -> float:
        keepalives, checks = count()
        begun = time.monotonic()
        due = node.turn()
        if count() == (keepalives + 1, checks):
            taken.append(time.monotonic() - begun)
        return due

    return turn
