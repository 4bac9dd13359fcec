# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The metadata of the collection are true of the collection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]


def load(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def test_the_action_group_has_every_module() -> None:
    modules = {path.stem for path in (ROOT / "plugins/modules").glob("*.py")} - {"__init__"}
    assert set(load("meta/runtime.yml")["action_groups"]["etcd"]) == modules


def test_the_oldest_ansible_core_is_the_one_tested() -> None:
    floor = load("meta/runtime.yml")["requires_ansible"].removeprefix(">=")
    assert f"ansible-core~={floor}\n" in (ROOT / "tests/requirements/dev.in").read_text(encoding="utf-8")


def test_both_environments_test_with_the_same_tools() -> None:
    def tools(name: str) -> set[str]:
        lines = (
            (ROOT / "tests/requirements" / name).read_text(encoding="utf-8").partition("# Tests")[2].splitlines()[1:]
        )
        return {line for line in lines if line and not line.startswith("#")}

    assert tools("dev.in") == tools("newest.in")
