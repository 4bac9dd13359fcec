# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Operators' commands, and an agent that they are about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.command import Command
from tests.support.real_etcd import Cluster
from tests.support.registrant import Registrant, Server, values, wait_for

Register = Callable[..., Registrant]


@pytest.fixture
def rollcall(package: Path, tmp_path: Path) -> Iterator[Command]:
    """The program, from the archive that nodes get."""
    command = Command(package, tmp_path)
    yield command
    command.end()


@pytest.fixture
def rollcall_of_other_python(package: Path, tmp_path: Path, other_python: str) -> Iterator[Command]:
    """The program under another Python."""
    command = Command(package, tmp_path, other_python)
    yield command
    command.end()


@pytest.fixture
def agent(etcd: Cluster, register: Register, server: Server, tmp_path: Path) -> Registrant:
    """web1, registered and passing, with metrics."""
    server.open()
    check = server.check(service="web", rise=1, fall=1)
    made = register(etcd, checks={"port": check}, writes={"dwell": 0}, metrics_file=str(tmp_path / "rollcall.prom"))
    made.start()
    made.wait_phase("registered")
    wait_for(lambda: values(etcd).get("health") == "passing", "the health to be passing")
    return made
