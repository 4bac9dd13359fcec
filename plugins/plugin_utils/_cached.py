# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was read from etcd, in the form that a cache plugin keeps.

Internal to the collection: no promise is made to other users of this file.

The raw keys are kept, not what was built of them: a cached value passes the same checks as one fresh from etcd.
"""

from __future__ import annotations

import typing as t

from ansible_collections.rollcall.discovery.plugins.module_utils import _options
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.wire import KeyValue
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.rollcall import Keys
from ansible_collections.rollcall.discovery.plugins.plugin_utils._reader import Reader

Json = dict[str, t.Any]


def source(options: t.Mapping[str, t.Any], reader: Reader) -> Json:
    """What the keys depend on: from another etcd, or in another way, they are read anew. Raises RollcallError kinds."""
    settings = _options.settings(options)
    return {"etcd": settings.discovery_srv or [str(endpoint) for endpoint in settings.endpoints], **reader.source}


def dump(keys: Keys, source: Json) -> Json:
    """Plain JSON; `source` says from where and under which prefixes they were read."""
    return {"source": source, "revision": keys.revision, "tree": _rows(keys.tree), "kept": _rows(keys.kept)}


def load(cached: t.Any, source: Json) -> Keys | None:
    """What `dump` made, or None where it is something else or was read from another source."""
    if not isinstance(cached, dict) or cached.get("source") != source:
        return None
    return Keys(cached["revision"], _keys(cached["tree"]), _keys(cached["kept"]))


def _rows(kvs: t.Iterable[KeyValue]) -> list[list[t.Any]]:
    return [list(kv) for kv in kvs]


def _keys(rows: t.Iterable[list[t.Any]]) -> list[KeyValue]:
    return [KeyValue(*row) for row in rows]
