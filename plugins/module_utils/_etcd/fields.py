# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parses the JSON of an answer and its fields without trusting them: a field has the type that etcd gives it, or the
answer is Malformed.

Internal to the collection: no promise is made to other users of this file.

The types are those of grpc-gateway (https://protobuf.dev/programming-guides/json/): 64-bit integers are strings, bytes
are base64, and zero values are absent.
"""

from __future__ import annotations

# The JSON decoder returns exactly these types, and isinstance() would accept true as a number.
# pylint: disable=unidiomatic-typecheck
import binascii
import json
import typing as t

Json = t.Dict[str, t.Any]
Item = t.TypeVar("Item")

# The limit of values in one answer, so that a small body cannot become gigabytes of objects: "[]," has 3 bytes, but
# needs 72 in memory. A range of 100,000 keys has 500,000 values.
MAX_VALUES = 1_000_000

_MAX_DIGITS = 20  # of a 64-bit integer; int() needs minutes for a million digits


class Malformed(ValueError):
    """The answer is not from etcd; the text says what is wrong with it."""


def parse(content: bytes) -> t.Any:
    """Parse the JSON of an answer. Raises Malformed."""
    if content.count(b",") + content.count(b"[") + content.count(b"{") > MAX_VALUES:
        raise Malformed(f"JSON with more than {MAX_VALUES} values")
    try:
        return _DECODER.decode(content.decode("utf-8"))
    except (ValueError, RecursionError) as exc:
        raise Malformed("not JSON") from exc


def number(data: Json, name: str) -> int:
    """A 64-bit integer, 0 if absent."""
    value = data.get(name, 0)
    if type(value) is str and len(value) <= _MAX_DIGITS:
        try:
            return int(value)
        except ValueError:
            pass
    elif type(value) is int:
        return value
    raise Malformed(f"{name} is not an integer")


def numbers(items: t.Sequence[Json], name: str) -> t.List[int]:
    """The 64-bit integer `name` of each message, 0 if absent.

    Many messages have the same value, so each distinct text is parsed only once.
    """
    given = [item.get(name, "0") for item in items]
    try:
        known = {text: number({name: text}, name) for text in set(given) if type(text) is str}
        return [known[text] for text in given]
    except (TypeError, KeyError):  # types other than text, which etcd does not use
        return [number(item, name) for item in items]


def text(data: Json, name: str) -> str:
    """A string, "" if absent."""
    value = data.get(name, "")
    if type(value) is not str:
        raise Malformed(f"{name} is not a string")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise Malformed(f"{name} is not UTF-8") from None
    return value


def flag(data: Json, name: str) -> bool:
    """A boolean, False if absent."""
    value = data.get(name, False)
    if type(value) is not bool:
        raise Malformed(f"{name} is not a boolean")
    return value


def coded(data: Json, name: str) -> str:
    """The text in a base64 string, "" if absent."""
    return decode(data.get(name, ""), name)


def decode(value: t.Any, name: str = "value") -> str:
    """The text in a base64 string. Bytes that are not UTF-8 become surrogates."""
    try:
        raw = binascii.a2b_base64(value)
        if (len(raw) + 2) // 3 * 4 == len(value):  # a2b_base64 skips characters that are not base64
            return raw.decode("utf-8", "surrogateescape")
    except (TypeError, ValueError):
        pass
    raise Malformed(f"{name} is not base64")


def mapping(data: Json, name: str) -> Json:
    """A message, empty if absent."""
    value = data.get(name, {})
    if type(value) is not dict:
        raise Malformed(f"{name} is not an object")
    return t.cast(Json, value)


def messages(data: Json, name: str) -> t.List[Json]:
    """The messages in a list, [] if it is absent."""
    value = data.get(name, [])
    if type(value) is not list or not all(type(item) is dict for item in value):
        raise Malformed(f"{name} is not a list of objects")
    return t.cast(t.List[Json], value)


def texts(data: Json, name: str) -> t.List[str]:
    """The strings in a list, [] if it is absent."""
    value = data.get(name, [])
    if type(value) is not list:
        raise Malformed(f"{name} is not a list")
    return [text({name: item}, name) for item in value]


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise Malformed("a number that is too long")
    return int(digits)


def _constant(name: str) -> t.NoReturn:
    raise Malformed(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_int=_integer, parse_constant=_constant)
