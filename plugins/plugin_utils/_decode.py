# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values of keys as data. They are anybody's, so decoding them can neither run nor exhaust anything.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import itertools
import json
import re
import typing as t

import yaml

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.text import shown
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.validation import reserved_key

SafeLoader: t.Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

MAX_DEPTH = 100  # lists and mappings within each other; libyaml's loader has no bound and crashes Python

_JSON_MARKS = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[][{}]', re.DOTALL)  # brackets outside of text, and texts


def decode(text: str, form: str) -> t.Any:
    """The data that `text` is as "json" or "yaml", or the text itself as "text". Raises ValueError that says why not.

    The result holds plain types: Ansible takes no text in it for a template.
    """
    if form == "text":
        return text
    try:
        data = _FORMS[form](text)
    except yaml.MarkedYAMLError as exc:
        said = ", ".join(filter(None, (exc.context, exc.problem)))  # all but the part of the value that it would show
        raise ValueError(f"{said}{_place(exc.problem_mark)}") from None
    except (ValueError, yaml.YAMLError) as exc:
        raise ValueError(" ".join(str(exc).split())) from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    reserved = reserved_key(data)
    if reserved:
        raise ValueError(f"it has the key {shown(reserved)}, which Ansible reserves")
    return data


def _json(text: str) -> t.Any:
    _refuse_bytes(text)
    _refuse_depth((mark[0] in "[{") - (mark[0] in "]}") for mark in _JSON_MARKS.finditer(text))
    data = json.loads(text, parse_constant=_refuse_constant)
    if "\\u" in text:  # an escape may stand for half of a character
        _refuse_bytes(json.dumps(data, ensure_ascii=False))
    return data


def _yaml(text: str) -> t.Any:
    _refuse_bytes(text)
    _refuse_depth(map(_step, yaml.parse(text, SafeLoader)))
    return yaml.load(text, SafeLoader)


def _step(event: yaml.Event) -> int:
    """Whether the event of a parser leads into a list or mapping (1), out of one (-1), or neither."""
    if isinstance(event, yaml.AliasEvent):  # a few of them can stand for more than the machine's memory
        raise ValueError("it has aliases, which are not followed")
    if getattr(event, "tag", None):  # what YAML has without them is what JSON has, and dates
        raise ValueError(f"it has the tag {event.tag}, and none is followed")
    return isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)


def _refuse_depth(steps: t.Iterable[int]) -> None:
    if any(depth > MAX_DEPTH for depth in itertools.accumulate(steps)):
        raise ValueError("it is nested too deeply")


def _refuse_bytes(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("it has text that is not UTF-8") from None


def _place(mark: t.Any) -> str:
    return f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""


def _refuse_constant(word: str) -> t.NoReturn:
    raise ValueError(f"{word} is not a number of JSON")


_FORMS: dict[str, t.Callable[[str], t.Any]] = {"json": _json, "yaml": _yaml}
