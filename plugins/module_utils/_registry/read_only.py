# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Dicts and lists that cannot be changed, so that many readers can share them.

Internal to the collection: no promise is made to other users of this file.

For readers they are dicts and lists: in JSON, in comparisons, in Jinja's tests. A copy of one can be changed.
"""

from __future__ import annotations

import typing as t


def read_only(value: t.Any) -> t.Any:
    """`value` with all dicts and lists in it made read-only. Its nesting is limited by the validation of nodes."""
    if isinstance(value, dict):
        return ReadOnlyDict((key, read_only(item)) for key, item in value.items()) if value else _EMPTY_DICT
    if isinstance(value, list):
        return ReadOnlyList(map(read_only, value)) if value else _EMPTY_LIST
    return value


def _refuse(self: t.Any, *_args: t.Any, **_named: t.Any) -> t.NoReturn:
    copy = "dict(…)" if isinstance(self, dict) else "… | list"
    raise TypeError(f"cannot change a node, since all templates share it: change a copy ({copy})")


class ReadOnlyDict(t.Dict[t.Any, t.Any]):
    """A dict that cannot be changed."""

    __slots__ = ()
    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse


class ReadOnlyList(t.List[t.Any]):
    """A list that cannot be changed."""

    __slots__ = ()
    __setitem__ = __delitem__ = __iadd__ = __imul__ = append = clear = extend = insert = pop = remove = reverse = (
        sort
    ) = _refuse


_EMPTY_DICT, _EMPTY_LIST = ReadOnlyDict(), ReadOnlyList()
