# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Words for the operator: lines on standard error, which systemd puts into the journal.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import os
import sys

# sd-daemon(3): the journal reads a priority from the start of a line. A terminal would only show it.
_ERROR, _WARNING, _INFO = ("<3>", "<4>", "<6>") if "JOURNAL_STREAM" in os.environ else ("", "", "")


def error(text: str) -> None:
    """Something that a person must put right."""
    _write(_ERROR, text)


def warning(text: str) -> None:
    """Something that is not as it should be, and may pass."""
    _write(_WARNING, text)


def info(text: str) -> None:
    """Something that happened."""
    _write(_INFO, text)


def _write(priority: str, text: str) -> None:
    line = "".join(char if char.isprintable() else "?" for char in text.replace("\n", " | "))
    sys.stderr.write(f"{priority}{line}\n")
    sys.stderr.flush()
