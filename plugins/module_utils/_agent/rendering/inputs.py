# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inputs of a rendering: it is repeated only if one of them has changed.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import copy
import itertools
import typing as t

from ..._etcd.files import read_regular
from ..._registry.select import select
from .keystore import KeyReads
from .view import View

Function = t.Callable[..., t.Any]
_T = t.TypeVar("_T")


class Inputs:
    """The inputs of one rendering, noted as the template asks for them; `keys` are those among the keys."""

    def __init__(self, keys: KeyReads) -> None:
        self._keys = keys
        self._filters: t.List[t.Dict[str, t.Any]] = []
        self._sources: t.Dict[str, t.Optional[bytes]] = {}
        self._elsewhere = False

    def note_nodes(self, filters: t.Mapping[str, t.Any]) -> None:
        """Note that the nodes that pass `filters` were read."""
        self._filters.append(copy.deepcopy(dict(filters)))

    def note_source(self, path: str, content: t.Optional[bytes]) -> None:
        """Note that the file of a template was read; None: it does not exist."""
        self._sources[path] = content

    def elsewhere(self, function: Function) -> Function:
        """`function`, but a rendering that calls it is always repeated: its answer can change at any time."""

        def call(*args: t.Any, **named: t.Any) -> t.Any:
            self._elsewhere = True
            return function(*args, **named)

        return call

    def unchanged(self, before: View, after: View) -> bool:
        """Whether a rendering that read these in `before` would read the same in `after`."""
        if self._elsewhere or not self._has_sources():
            return False
        nodes = _differing(before.nodes, after.nodes)
        if any(select(nodes, **filters) for filters in self._filters):
            return False
        names = {kv.key for kv in _differing(before.keys.kvs.values(), after.keys.kvs.values())}
        return not any(map(self._keys.cover, names))

    def _has_sources(self) -> bool:
        try:
            return all(source(path) == content for path, content in self._sources.items())
        except OSError:
            return False


def source(path: str) -> t.Optional[bytes]:
    """The file of a template, None if it does not exist. Waits for no named pipe. Raises OSError."""
    try:
        return read_regular(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _differing(before: t.Iterable[_T], after: t.Iterable[_T]) -> t.List[_T]:
    """The objects that are not in both. Quick if most have kept their place."""
    pairs = [pair for pair in itertools.zip_longest(before, after) if pair[0] is not pair[1]]
    old, new = ({id(one): one for one in side if one is not None} for side in zip(*pairs)) if pairs else ({}, {})
    return [one for key, one in {**old, **new}.items() if (key in old) != (key in new)]
