# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures of the unit tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.inventory import read_inventory


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
