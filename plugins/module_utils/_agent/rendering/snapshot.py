# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The last good state of the registry on disk: what is rendered from when etcd is away at the start.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import json
import os
import typing as t

from ..._etcd.wire import KeyValue
from ..._registry.following.mirror import Pulse, Selector, State
from ..host import log
from ..host.writer import Writer
from .state_directory import StateDirectory

Json = t.Dict[str, t.Any]

_NAME = "snapshot.json"
_VERSION = 1


class Snapshot:
    """One file, of state that the guard has let through. Only its owner may read it: values may be secrets.

    A thread writes it: nobody waits for its disk.
    """

    def __init__(self, state_dir: str) -> None:
        self._path = os.path.join(state_dir, _NAME)
        self._directory = StateDirectory(state_dir)
        self._writer = Writer("snapshot", private=True)
        self._saved: t.Tuple[str, t.Dict[Selector, Pulse]] = ("", {})

    def load(self, selectors: t.Sequence[Selector]) -> t.Optional[State]:
        """The saved state; None if there is no usable one of exactly these `selectors`."""
        try:
            content = self._directory.read(_NAME)
            state = _parse(json.loads(content)) if content else None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as exc:
            log.warning(f"The snapshot {self._path} cannot be used: {exc!r}", "RC-E-SNAPSHOT")
            return None
        if state is None or set(state.keys) != set(selectors):
            return None
        self._saved = (state.cluster, state.pulses())
        return state

    def save(self, state: State) -> None:
        """Keep `state`, synced to disk, unless it is saved already. A failure is logged, and tried again."""
        content = (state.cluster, state.pulses())
        if content == self._saved:
            return
        self._writer.put(self._path, json.dumps(_document(state), separators=(",", ":")).encode("ascii"))
        self._saved = content

    def flush(self, seconds: float) -> bool:
        """Whether the last one is on disk, for which it waits at most so long."""
        return self._writer.flush(seconds)


def _document(state: State) -> Json:
    followed = [
        {"key": selector.key, "prefix": selector.prefix, "kvs": list(keys.values())}
        for selector, keys in state.keys.items()
    ]
    return {"v": _VERSION, "revision": state.revision, "cluster": state.cluster, "followed": followed}


def _parse(data: Json) -> State:
    if data["v"] != _VERSION:
        raise ValueError(f"it has version {data['v']}, known is {_VERSION}")
    keys = {}
    for part in data["followed"]:
        kvs = [KeyValue(*fields) for fields in part["kvs"]]
        keys[Selector(part["key"], part["prefix"])] = {kv.key: kv for kv in kvs}
    return State(data["revision"], data["cluster"], keys)
