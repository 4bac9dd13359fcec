# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys of etcd, in the form in which a cache plugin or a file keeps them.

Internal to the collection: no promise is made to other users of this file.

The raw keys are kept, not what was built of them: a kept value passes the same checks as one fresh from etcd. One that
is damaged, or that another user has put there, is not used.
"""

from __future__ import annotations

import typing as t

from ansible_collections.rollcall.discovery.plugins.module_utils import _options
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd import wire
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.fields import decode
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.wire import KeyValue
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.node_set import Keys
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._reader import Reader

Json = dict[str, t.Any]


def source(options: t.Mapping[str, t.Any], reader: Reader) -> Json:
    """The source of the keys: from another etcd, or in another way, they are read anew. Raises RollcallError kinds."""
    settings = _options.settings(options)
    return {"etcd": settings.discovery_srv or [str(endpoint) for endpoint in settings.endpoints], **reader.source}


def dump(keys: Keys, source: Json) -> Json:
    """Plain JSON; `source` says from where and under which prefixes they were read."""
    parts = {part: [[_kept(kv.key), _kept(kv.value), *kv[2:]] for kv in kvs] for part, kvs in _parts(keys).items()}
    return {"source": source, "revision": keys.revision, **parts}


def load(kept: t.Any, source: Json) -> Keys | None:
    """The keys that `dump` wrote, or None if the value is something else or has another source."""
    try:
        if kept["source"] != source or not isinstance(kept["revision"], int):
            return None
        return Keys(kept["revision"], **{part: _keys(kept[part]) for part in _parts(Keys(0, ()))})
    except (TypeError, ValueError, KeyError):
        return None


def _parts(keys: Keys) -> dict[str, t.Sequence[KeyValue]]:
    return {"tree": keys.tree, "maintenance": keys.maintenance, "roster": keys.roster}


def _keys(rows: t.Any) -> list[KeyValue]:
    """Raises TypeError, ValueError or KeyError if these are no keys."""
    if not isinstance(rows, list):
        raise TypeError(rows)
    kvs = [KeyValue(_text(key), _text(value), *numbers) for key, value, *numbers in rows]
    for key, value, created, modified, version, lease in kvs:
        numbers = isinstance(created, int) and isinstance(modified, int) and isinstance(version, int)
        if not (isinstance(key, str) and isinstance(value, str) and numbers and isinstance(lease, int)):
            raise TypeError(key)
    return kvs


def _kept(text: str) -> str | Json:
    """Text as a cache plugin can keep it: if it is not UTF-8, its bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return {"base64": wire.encode(text)}
    return text


def _text(kept: t.Any) -> t.Any:
    """The text that `_kept` was made from."""
    return decode(kept["base64"]) if isinstance(kept, dict) else kept
