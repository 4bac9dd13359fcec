# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tasks on the controller never use sudo: the variable ansible_become wins against the keyword become."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
FILES = sorted([*CHECKOUT.glob("roles/*/tasks/**/*.yml"), *CHECKOUT.glob("playbooks/*.yml")])

Json = dict[str, Any]


def on_the_controller(entry: Json) -> bool:
    """Whether a play, block or task is sent there."""
    places = (
        entry.get("delegate_to"),
        entry.get("connection"),
        entry.get("hosts"),
        entry.get("local_action") and "local",
    )
    return any(place in ("localhost", "127.0.0.1", "local") for place in places)


def controller_entries(entries: list[Json], inherited: Json) -> Iterator[tuple[Json, Json]]:
    """Every entry that is sent to the controller, with the variables it has."""
    for entry in entries:
        variables = {**inherited, **(entry.get("vars") or {})}
        if on_the_controller(entry):
            yield entry, variables
        for part in ("block", "rescue", "always", "tasks", "pre_tasks", "post_tasks", "handlers"):
            yield from controller_entries(entry.get(part) or [], variables)


def test_no_task_uses_sudo_on_the_controller() -> None:
    found = [
        (file.relative_to(CHECKOUT).as_posix(), entry.get("name"), variables.get("ansible_become"))
        for file in FILES
        for entry, variables in controller_entries(yaml.safe_load(file.read_text()) or [], {})
    ]
    assert len(found) >= 4
    assert [one for one in found if one[2] is not False] == []


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"delegate_to": "localhost"}, True),
        ({"hosts": "all", "connection": "local"}, True),
        ({"hosts": "localhost"}, True),
        ({"local_action": "ansible.builtin.command true"}, True),
        ({"hosts": "web"}, False),
        ({"delegate_to": "{{ item }}"}, False),
    ],
)
def test_every_way_to_the_controller_is_seen(entry: Json, expected: bool) -> None:
    assert on_the_controller(entry) is expected
