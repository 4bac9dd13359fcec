# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values that etcd would not send, in the place of good ones: missing, of another type, or not even JSON."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

from tests.fuzz.configs import places

VALUES = (
    None,
    True,
    [],
    {},
    [[]],
    [{}],
    [None],
    0,
    -1,
    2**70,
    1.5,
    "",
    "x",
    "9" * 30,
    "!!!!",
    "\ud800",
    "a\r\nb",
    "/v\u2028",
)
RAW = ("NaN", "1e999", "9" * 10_000, "[" * 100_000, "[" + "[]," * 100_000 + "[]]", '{"a":' * 5000, "nul", '"\\ud800"')


def spoil(rng: random.Random, answer: Any, times: int) -> tuple[Any, dict[str, str]]:
    """Change up to `times` values of `answer` in place. Returns it, and for `dump` the texts that are not JSON."""
    marks: dict[str, str] = {}
    for number in range(times):
        found = list(places(answer))
        if not found:
            break
        holder, key = rng.choice(found)
        kind = rng.randrange(5)
        if kind == 0:
            del holder[key]
        elif kind == 1:
            marks[f"raw {number}"] = rng.choice(RAW)
            holder[key] = f"raw {number}"
        else:
            holder[key] = copy.deepcopy(rng.choice(VALUES))
    return answer, marks


def dump(answer: Any, marks: dict[str, str]) -> str:
    """The JSON of an answer, with the text of each mark in its place."""
    text = json.dumps(answer)
    for mark, value in marks.items():
        text = text.replace(f'"{mark}"', value)
    return text
