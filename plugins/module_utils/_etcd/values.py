# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Converts values, which are data for users and text in etcd.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import json
import typing as t


def dump(data: t.Any) -> str:
    """The JSON of users' data, with sorted fields: the same text for the same data."""
    return json.dumps(data, sort_keys=True, ensure_ascii=False)


def text_of(value: t.Any, current: t.Optional[str]) -> str:
    """The text to write for `value`: the `current` text if it already contains the same data."""
    if isinstance(value, str):
        return value
    text = dump(value)
    return current if current is not None and _dumped(current) == text else text


def _dumped(text: str) -> str:
    """The JSON in `text` in the form of `dump`; the text itself if it is not JSON, or nested too deeply for Python."""
    try:
        return dump(json.loads(text))
    except (ValueError, RecursionError):
        return text
