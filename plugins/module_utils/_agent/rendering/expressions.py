# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Functions of templates that search text for a regular expression, under the names that confd's users know.

Internal to the collection: no promise is made to other users of this file.

Nodes write the text. One that makes a search slow must hold up neither the threads that follow etcd nor the files of
others, so searches have a deadline (`host/searching`).
"""

from __future__ import annotations

import re
import time
import typing as t

from ..._etcd.text import shown
from ..host import searching
from .keystore import TemplateFailed

_SECONDS = 10.0  # for one rendering
_MOST_KNOWN = 4096  # results that are kept: most values are as they were at the last rendering

_known: t.Dict[t.Tuple[str, str, t.Optional[str]], t.Optional[str]] = {}


class Expressions:
    """The searches of one rendering, in a bounded time."""

    def __init__(self, seconds: float = _SECONDS) -> None:
        self._deadline = time.monotonic() + seconds

    def functions(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        """By their names in templates."""
        return {"regexFind": self.find, "regexMatch": self.match, "regexReplaceAll": self.replace_all}

    def match(self, pattern: str, text: str) -> bool:
        """Whether a regular expression matches somewhere in a text. Raises TemplateFailed."""
        return self._search("regexMatch", pattern, text) is not None

    def find(self, pattern: str, text: str) -> str:
        """The first match of a regular expression, or an empty text. Raises TemplateFailed."""
        return self._search("regexFind", pattern, text) or ""

    def replace_all(self, pattern: str, text: str, replacement: str) -> str:
        r"""The text with each match replaced; `\1` stands for the first group. Raises TemplateFailed."""
        try:
            return str(self._search("regexReplaceAll", pattern, text, replacement))
        except (re.error, IndexError) as exc:
            raise TemplateFailed(f"regexReplaceAll: {shown(replacement)} is no replacement: {exc}") from None

    def _search(self, function: str, pattern: str, text: str, replacement: t.Optional[str] = None) -> t.Optional[str]:
        key = pattern, text, replacement
        if key not in _known:
            try:
                found = self._look(_compiled(function, pattern), text, replacement)
            except searching.SearchFailed as exc:
                raise TemplateFailed(f"{function}: {exc}, with the text {shown(text)}") from None
            if len(text) > searching.SEARCHED:
                return found
            if len(_known) >= _MOST_KNOWN:
                _known.clear()
            _known[key] = found
        return _known[key]

    def _look(self, pattern: t.Pattern[str], text: str, replacement: t.Optional[str]) -> t.Optional[str]:
        left = self._deadline - time.monotonic()
        if replacement is None:
            return searching.find(pattern, text, left)
        return searching.replace(pattern, text, replacement, left)


def _compiled(function: str, pattern: str) -> t.Pattern[str]:
    try:
        return re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as exc:
        raise TemplateFailed(f"{function}: {shown(pattern)} is no regular expression: {exc}") from None
