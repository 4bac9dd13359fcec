# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures of the unit tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule

from tests.support.fake_etcd import FakeEtcd
from tests.support.inventory import read_inventory, write_config
from tests.support.modules import Modules


@pytest.fixture
def failure(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """`failure(source, …)` reads inventory sources that must end the program; returns what was printed, in one line."""

    def read(*sources: Path) -> str:
        with pytest.raises(SystemExit) as stopped:
            read_inventory(*sources)
        assert stopped.value.code == 1
        printed = capsys.readouterr()
        assert printed.out == ""
        return " ".join(printed.err.split())

    return read


@pytest.fixture
def modules(fake_etcd: FakeEtcd, capsys: pytest.CaptureFixture[str]) -> Modules:
    """The modules, each run in this process against the fake etcd."""
    return Modules(capsys, endpoints=[fake_etcd.endpoint])


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The warnings of the modules."""
    warnings: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda module, warning: warnings.append(warning))
    return warnings


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The directory for what an inventory keeps; its one file of a kind: `[file] = state.glob("hosts-*")`."""
    return tmp_path / "state"


@pytest.fixture
def config(fake_etcd: FakeEtcd, tmp_path: Path, state: Path) -> Callable[..., Path]:
    """`config(option=value, …)` writes an inventory file for the fake etcd."""

    def write(**options: Any) -> Path:
        return write_config(tmp_path, **{"endpoints": [fake_etcd.endpoint], "state_dir": str(state), **options})

    return write
