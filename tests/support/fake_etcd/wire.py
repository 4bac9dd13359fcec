# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""JSON as the gateway speaks it: base64, integers as strings, zero values left out."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from .refusal import INVALID_ARGUMENT, Refusal, key_missing
from .store import Interval, KeyValue

Json = dict[str, Any]


def check_fields(what: str, request: Json, known: str) -> None:
    """Refuse a field that is not among the `known` ones. etcd ignores it silently; in a test it is a typo."""
    unknown = sorted(set(request) - set(known.split()))
    if unknown:
        raise Refusal(INVALID_ARGUMENT, f"fake etcd: {what} has no field {', '.join(unknown)}")


def bytes_of(request: Json, name: str) -> bytes:
    """Decode a field; b"" where it is absent. Only padded base64 of the standard alphabet is taken, as in etcd 3.4."""
    data = request.get(name, "")
    if not isinstance(data, str):
        raise Refusal(INVALID_ARGUMENT, f"json: cannot unmarshal {data!r} into Go value of type []uint8")
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error as exc:
        raise Refusal(INVALID_ARGUMENT, "illegal base64 data at input byte 0") from exc


def int_of(request: Json, name: str) -> int:
    """An integer, given as number or string; 0 where it is absent."""
    return int(request.get(name, 0))


def interval_of(request: Json) -> Interval:
    """`key` and `range_end`; the key must be there."""
    key = bytes_of(request, "key")
    if not key:
        raise key_missing()
    return Interval(key, bytes_of(request, "range_end"))


def kv_answer(kv: KeyValue) -> Json:
    """A key as answers carry it."""
    return kv._asdict()


def encode(value: Any) -> Any:
    """What etcd sends for `value`: no zero values inside objects, base64 for bytes, strings for integers."""
    if isinstance(value, dict):
        return {name: encode(one) for name, one in value.items() if one or isinstance(one, dict)}
    if isinstance(value, list):
        return [encode(one) for one in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value
