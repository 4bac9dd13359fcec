# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes untrusted text safe to print: no terminal escapes, no forged lines.

Internal to the collection: no promise is made to other users of this file.

Keys, values and error messages come from other hosts. All output to a terminal, a journal or Ansible's display passes
through `printable`; no other code escapes text for display.
"""

from __future__ import annotations

import re

_ENDS_WITH_ID = re.compile(r"\[RC-E-[A-Z0-9-]+\]$")


def printable(text: object, limit: int = 0) -> str:
    r"""`text` on one line, with escapes such as `\x1b` and `\n` for characters that cannot be printed.

    These include bidirectional controls and line separators (Unicode categories Cc, Cf, Zl, Zp, Cs). With a `limit`,
    the result has at most that many characters, and ends with "..." if it was truncated.
    """
    line = str(text)
    if limit and len(line) > limit:
        line = line[: limit + 1]  # escaping makes text longer, never shorter
    if not line.isprintable():
        line = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in line)
    return line if not limit or len(line) <= limit else f"{line[: max(0, limit - 3)]}..."


def shown(value: object) -> str:
    """`value` for a message: truncated, quoted, on one line."""
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."


def with_id(text: object, message_id: str) -> str:
    """`text` with the id of the message at its end, such as `[RC-E-UNREACHABLE]`, unless it ends with an id.

    All errors and warnings for users have an id; the troubleshooting guide has an entry for each.
    """
    line = str(text)
    return line if _ENDS_WITH_ID.search(line) else f"{line} [{message_id}]"


def size(text: str) -> int:
    """The size of `text` in etcd in bytes."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))  # counts an invalid byte as one
