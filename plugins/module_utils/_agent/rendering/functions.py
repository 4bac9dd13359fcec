# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Functions of templates that need nothing but their arguments, most of them under the names that confd gives them.

Internal to the collection: no promise is made to other users of this file.

Each is a function and a filter: `split(text, ",")` or `text | split(",")`. A filter of Jinja2 keeps its own meaning.
Text out of JSON or base64 follows the rule for values of keys: no control characters, unless a template says raw=true.
Otherwise an escaped line break in a value would be a new line of configuration.
"""

from __future__ import annotations

import base64 as _base64
import binascii
import hashlib
import os
import posixpath
import re
import socket
import typing as t

from ..._etcd.text import shown
from ..._registry.errors import InvalidNode
from ..._registry.strict_json import parse_json
from .keystore import Pair, TemplateFailed, is_plain

_MAX_NUMBERS = 100_000  # of seq: more is a mistake, and would fill the memory


def from_json(text: str, raw: bool = False) -> t.Any:
    """The data of a JSON text. Raises TemplateFailed."""
    try:
        data = parse_json(text, "value")
    except InvalidNode as exc:
        raise TemplateFailed(f"from_json: {exc}") from None
    return data if raw else _plain(data, "from_json")


def json_object(text: str, raw: bool = False) -> t.Dict[str, t.Any]:
    """confd's `json`: the data of a JSON object. Raises TemplateFailed."""
    data = from_json(text, raw)
    if not isinstance(data, dict):
        raise TemplateFailed(f"json: expected an object, got {shown(text)}")
    return data


def json_array(text: str, raw: bool = False) -> t.List[t.Any]:
    """confd's `jsonArray`: the data of a JSON array. Raises TemplateFailed."""
    data = from_json(text, raw)
    if not isinstance(data, list):
        raise TemplateFailed(f"jsonArray: expected an array, got {shown(text)}")
    return data


def to_json(data: t.Any, indent: t.Optional[int] = None) -> str:
    """JSON on one line without blanks, as Go writes it, or indented. Fields are sorted. Raises TemplateFailed."""
    import json

    try:
        separators = (",", ":") if indent is None else (",", ": ")
        return json.dumps(
            data, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=separators, indent=indent
        )
    except (TypeError, ValueError, RecursionError) as exc:
        raise TemplateFailed(f"to_json: {exc}") from None


def getenv(name: str, default: str = "") -> str:
    """An environment variable of the renderer."""
    return os.environ.get(name) or default


def hostname() -> str:
    """The name of this host."""
    return socket.gethostname()


def file_exists(path: str) -> bool:
    """Whether a file or directory exists."""
    return os.path.exists(path)


def base(path: str) -> str:
    """The last part of a path, as Go's path.Base: "." for an empty one."""
    return posixpath.basename(path.rstrip("/")) or ("/" if path else ".")


def directory(path: str) -> str:
    """All but the last part of a path, as Go's path.Dir."""
    return posixpath.normpath(posixpath.dirname(path) or ".")


def split(text: str, separator: str) -> t.List[str]:
    """The parts of a text; its characters if the separator is empty."""
    return text.split(separator) if separator else list(text)


def seq(first: int, last: int) -> t.List[int]:
    """The whole numbers from `first` to `last`, both included; empty if `last` is smaller. Raises TemplateFailed."""
    if last - first >= _MAX_NUMBERS:
        raise TemplateFailed(f"seq: {first} to {last} are more than {_MAX_NUMBERS} numbers")
    return list(range(first, last + 1))


def atoi(text: str) -> int:
    """The number that a text stands for. Raises TemplateFailed."""
    if not re.fullmatch(r"[+-]?[0-9]{1,19}", text):
        raise TemplateFailed(f"atoi: {shown(text)} is not a whole number")
    return int(text)


def div(dividend: int, divisor: int) -> int:
    """The quotient, cut towards zero as in Go. Raises TemplateFailed."""
    _refuse_zero("div", divisor)
    quotient = abs(dividend) // abs(divisor)
    return quotient if (dividend < 0) == (divisor < 0) else -quotient


def mod(dividend: int, divisor: int) -> int:
    """The remainder, with the sign of the dividend as in Go. Raises TemplateFailed."""
    return dividend - div(dividend, divisor) * divisor


def base64_encode(text: str) -> str:
    """Base64 of a text."""
    return _base64.b64encode(text.encode("utf-8", "surrogateescape")).decode("ascii")


def base64_decode(text: str, raw: bool = False) -> str:
    """The text of base64. Raises TemplateFailed."""
    try:
        decoded = _base64.b64decode(text, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise TemplateFailed(f"base64Decode: {shown(text)} is not base64 of UTF-8 text") from None
    return decoded if raw else str(_plain(decoded, "base64Decode"))


def sha256sum(text: str) -> str:
    """The SHA-256 digest of a text, in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def sort_by_length(values: t.Sequence[str]) -> t.List[str]:
    """The shortest first."""
    return sorted(values, key=len)


def sort_kv_by_length(pairs: t.Sequence[Pair]) -> t.List[Pair]:
    """Pairs of key and value, the shortest key first."""
    return sorted(pairs, key=lambda pair: len(pair.key))


def squote(text: t.Any) -> str:
    """A text in single quotes."""
    return f"'{text}'"


def snakecase(text: str) -> str:
    """`snakeCase` becomes `snake_case`."""
    return re.sub(r"[\s.-]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text)).lower()


def trim_prefix(text: str, prefix: str) -> str:
    """The text without `prefix` at its start."""
    return text[len(prefix) :] if prefix and text.startswith(prefix) else text


def trim_suffix(text: str, suffix: str) -> str:
    """The text without `suffix` at its end."""
    return text[: -len(suffix)] if suffix and text.endswith(suffix) else text


def _refuse_zero(function: str, divisor: int) -> None:
    if divisor == 0:
        raise TemplateFailed(f"{function}: division by zero")


def _plain(data: t.Any, function: str) -> t.Any:
    """`data` itself. Raises TemplateFailed if a text in it has a control character."""
    waiting = [data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str) and not is_plain(value):
            raise TemplateFailed(
                f"{function}: a line break or another control character in {shown(value)}. "
                "Correct the value, or say raw=true if the template can take it"
            )
        if isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            waiting += value
    return data


FUNCTIONS: t.Mapping[str, t.Callable[..., t.Any]] = {
    "atoi": atoi,
    "base": base,
    "base64Decode": base64_decode,
    "base64Encode": base64_encode,
    "dir": directory,
    "div": div,
    "fromJson": from_json,
    "from_json": from_json,
    "getenv": getenv,
    "json": json_object,
    "jsonArray": json_array,
    "mod": mod,
    "seq": seq,
    "sha256sum": sha256sum,
    "snakecase": snakecase,
    "sortByLength": sort_by_length,
    "sortKVByLength": sort_kv_by_length,
    "split": split,
    "squote": squote,
    "toJson": to_json,
    "toLower": str.lower,
    "toUpper": str.upper,
    "to_json": to_json,
    "trimPrefix": trim_prefix,
    "trimSuffix": trim_suffix,
}

# The results of these can change while the renderer runs.
OF_THE_HOST: t.Mapping[str, t.Callable[..., t.Any]] = {"fileExists": file_exists, "hostname": hostname}
