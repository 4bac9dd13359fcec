# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text that `ansible-inventory --list` prints as plain JSON.

Internal to the collection: no promise is made to other users of this file.

From 2.19 on ansible-core prints each text that is not trusted as a template as `{"__ansible_unsafe": "…"}`, which jq
and AWX's import do not understand. Text of HARMLESS characters cannot be a template, with any delimiters, and
neither can two such texts that an expression joins: the set has no brace, bracket, percent sign, hash, quote or control
character. Letters are those of ASCII, since a filter may turn others into marks when it normalizes them. Such text is
marked as trusted in `ansible-inventory --list`. All other text, and all text in every other program, stays untrusted.

TOML has no null, and ansible-core ends with a traceback for one, wherever it is. So `--list --toml` omits nulls.
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Mapping

from ansible import context
from ansible.template import is_trusted_as_template, trust_as_template

HARMLESS = re.compile(r"[A-Za-z0-9 ._:/@,+=-]*")


def marker() -> t.Callable[[t.Any], t.Any]:
    """The function that each value of a variable passes through: a Marker in `ansible-inventory --list`, else none."""
    return Marker(bool(context.CLIARGS.get("toml"))) if context.CLIARGS.get("list") else lambda value: value


class Marker:
    """Marks harmless text, and with `no_nulls` omits null values.

    Most texts of an inventory are the same for many hosts, so each is looked at once.
    """

    def __init__(self, no_nulls: bool = False) -> None:
        self._no_nulls = no_nulls
        self._known: dict[str, str] = {}

    def __call__(self, value: t.Any) -> t.Any:
        """`value` with each harmless text in it marked; keys are plain anyway. Lists and mappings are copied."""
        kind = type(value)
        if kind is str:
            marked = self._known.get(value)
            if marked is None:
                marked = self._known[value] = _marked(value)
            return marked
        if isinstance(value, str):  # with marks of Ansible, such as its origin or its vault
            return value if is_trusted_as_template(value) else _marked(value)
        if isinstance(value, Mapping):
            return {key: self(inner) for key, inner in value.items() if not self._is_left_out(inner)}
        if isinstance(value, (list, tuple)):
            return [self(inner) for inner in value if not self._is_left_out(inner)]
        return value

    def _is_left_out(self, value: t.Any) -> bool:
        return self._no_nulls and value is None


def _marked(text: str) -> str:
    return trust_as_template(text) if HARMLESS.fullmatch(text) else text
