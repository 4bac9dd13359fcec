# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real `rollcall register`, from the very archive that nodes get, against a real etcd; etcdctl is the witness."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.real_etcd import Cluster
from tests.support.registrant import Changes, Registrant, Server, unpack_runtime


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runtime as the role unpacks it on a node."""
    return unpack_runtime(tmp_path_factory.mktemp("runtime"))


@pytest.fixture
def register(tmp_path: Path, package: Path) -> Iterator[Callable[..., Registrant]]:
    """Makes an agent, web1 of role web unless told otherwise; not started yet. All are killed after the test."""
    made: list[Registrant] = []

    def make(etcd: Cluster, python: str = sys.executable, within: Sequence[str] = (), **changes: Any) -> Registrant:
        directory = tmp_path / f"host{len(made)}"
        directory.mkdir()
        config = {
            "etcd": {"endpoints": etcd.endpoints},
            "name": "web1",
            "role": "web",
            "address": "10.0.0.5",
            "services": {"web": {"port": 8080}},
            "ttl": 3,
            "self_check": 1,
            "drain_time": 0.2,
            **changes,
        }
        made.append(Registrant(directory, package, python, config, within))
        return made[-1]

    yield make
    for agent in made:
        if agent.alive:
            agent.send(signal.SIGCONT)
            agent.end(signal.SIGKILL)


@pytest.fixture
def agent(etcd: Cluster, register: Callable[..., Registrant]) -> Registrant:
    """A host that is registered and goes on."""
    made = register(etcd)
    made.start()
    made.wait_phase("registered")
    return made


@pytest.fixture
def changes(etcd: Cluster, etcd_programs: Path) -> Iterator[Changes]:
    """What happens in etcd during the test."""
    watched = Changes(etcd, etcd_programs)
    yield watched
    watched.stop()


@pytest.fixture
def server() -> Iterator[Server]:
    """A port for checks, closed at first."""
    made = Server()
    yield made
    made.close()


@pytest.fixture(params=["3.8", "3.13"])
def other_python(request: pytest.FixtureRequest) -> str:
    """The oldest and the newest Python that nodes have, on the path or of pyenv."""
    version = str(request.param)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = sorted(pyenv.glob(f"{version}.*/bin/python{version}"))
    python = str(found[-1]) if found else shutil.which(f"python{version}")
    if python is None:
        pytest.skip(f"there is no Python {version}, neither on the path nor of pyenv")
    return python
