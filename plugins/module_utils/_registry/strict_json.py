# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads untrusted JSON: limited in size and depth, without numbers and keys that other readers would misinterpret.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import json
import math
import typing as t

from .._etcd.text import shown, size
from .errors import InvalidNode
from .validation import MAX_VALUE, RESERVED_KEYS, reserved_key

Json = t.Dict[str, t.Any]

MAX_DEPTH = 16  # levels of nesting; readers that recurse, such as Ansible, must stay below their limit


def dump(fields: Json) -> str:
    """Compact JSON with sorted keys. Raises InvalidNode above 4 KiB, and for text that `load` would reject."""
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    if "\\ud" in text:  # perhaps half of a surrogate pair: the readers of the value would reject the whole node
        try:
            json.dumps(fields, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError as exc:
            near = exc.object[max(0, exc.start - 20) : exc.end + 20]
            raise InvalidNode(f"a text is not UTF-8, near {shown(near)}") from None
    if len(text) > MAX_VALUE:
        raise InvalidNode(f"a value has {len(text)} bytes, more than the {MAX_VALUE} that a key may have")
    return text


def load(text: str, what: str) -> Json:
    """Parse a JSON object of at most MAX_VALUE bytes. Raises InvalidNode."""
    if size(text) > MAX_VALUE:
        raise InvalidNode(f"the {what} is larger than {MAX_VALUE} bytes")
    fields = parse_json(text, what)
    if not isinstance(fields, dict):
        raise InvalidNode(f"the {what} is not a JSON object: {shown(text)}")
    return fields


def parse_json(text: str, what: str) -> t.Any:
    """Parse JSON, strictly enough that all readers agree on its content. Raises InvalidNode."""
    try:
        text.encode("utf-8")
        data = _STRICT.decode(text)
        if "\\u" in text:  # a lone surrogate cannot be encoded
            json.dumps(data, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise InvalidNode(f"the {what} is not JSON: {shown(text)}") from None
    # Each level but the last opens a bracket, so only a text with many brackets is searched.
    if text.count("{") + text.count("[") >= MAX_DEPTH and _is_deeper(data, MAX_DEPTH):
        raise InvalidNode(f"the {what} is nested more than {MAX_DEPTH} levels deep")
    # A key can contain escapes instead of letters; the search in the text only saves time.
    reserved = reserved_key(data) if RESERVED_KEYS in text or "\\u" in text else ""
    if reserved:
        raise InvalidNode(f"the {what} has the key {shown(reserved)}, which Ansible reserves")
    return data


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(text)
    return number


def _refuse_constant(word: str) -> t.Any:
    raise ValueError(word)


# JSON by its standard: Python also accepts NaN and Infinity, and reads numbers that are too large as Infinity.
_STRICT = json.JSONDecoder(parse_float=_finite, parse_constant=_refuse_constant)


def _is_deeper(data: t.Any, levels: int) -> bool:
    """Whether `data` has more than so many levels. A loop, since it guards against deep recursion."""
    values = [data]
    for _level in range(levels):
        if not values:
            return False
        values = [inner for value in values for inner in _inside(value)]
    return bool(values)


def _inside(value: t.Any) -> t.Iterable[t.Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
