# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The projects in examples/, as a user copies them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def copy_example(name: str, directory: Path, replaced: Mapping[str, str]) -> Path:
    """Copy a project below `directory` and replace its endpoints or addresses; each must occur in the project."""
    target = directory / name
    shutil.copytree(EXAMPLES / name, target)
    anything = re.compile("|".join(rf"{re.escape(text)}(?![0-9])" for text in replaced))
    found = set()
    for path in target.rglob("*.yml"):
        text = path.read_text()
        found |= set(anything.findall(text))
        path.write_text(anything.sub(lambda match: replaced[match[0]], text))
    assert found == set(replaced), f"{name} lacks {set(replaced) - found}"
    return target
