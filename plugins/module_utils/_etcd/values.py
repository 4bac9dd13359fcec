# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values that users give as data and etcd keeps as text.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import json
import typing as t


def dump(data: t.Any) -> str:
    """JSON as it is written for users' data: fields sorted, the same text for the same data."""
    return json.dumps(data, sort_keys=True, ensure_ascii=False)


def text_of(value: t.Any, current: t.Optional[str]) -> str:
    """The text to write for `value`: the `current` one where that is the same data already."""
    if isinstance(value, str):
        return value
    text = dump(value)
    return current if current is not None and _dumped(current) == text else text


def _dumped(text: str) -> str:
    """The JSON in `text` as `dump` writes it; the text itself where it is none, or nested too deep for Python."""
    try:
        return dump(json.loads(text))
    except (ValueError, RecursionError):
        return text
