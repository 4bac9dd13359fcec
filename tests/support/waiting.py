# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting for a fact instead of sleeping."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path


def wait_for(fact: Callable[[], bool], words: str, within: float = 5.0) -> None:
    """Look every 10 ms until `fact` holds; fail with `words` when it does not `within` so many seconds."""
    deadline = time.monotonic() + within
    while not fact():
        assert time.monotonic() < deadline, f"waited {within} s for {words}"
        time.sleep(0.01)


def has(file: Path, text: str) -> bool:
    """Say whether `file` exists and has `text`: a file that a process replaces may not be there yet."""
    return file.exists() and text in file.read_text()
