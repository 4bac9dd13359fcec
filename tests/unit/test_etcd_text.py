# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Foreign text on a terminal."""

from __future__ import annotations

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.text import printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("web-1 → é", "web-1 → é"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("line\nFAILED! => forged", "line\\nFAILED! => forged"),
        ("\u202eevil\u2028", "\\u202eevil\\u2028"),
        ("\udcff", "\\udcff"),
        ("\x9b2J", "\\x9b2J"),
    ],
)
def test_text_that_a_terminal_would_interpret_is_escaped(text: str, expected: str) -> None:
    assert printable(text) == expected


def test_long_text_is_cut_at_the_limit() -> None:
    assert printable("x" * 100, 10) == "xxxxxxx..."
    assert printable("\x1b" * 10_000_000, 10) == "\\x1b\\x1..."[:10]
    assert printable("x" * 10, 10) == "x" * 10
