# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many keys of etcd, some of which their reader may not be allowed to see.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import typing as t

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.client import Client
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import PermissionDenied
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.wire import KeyValue

Found = dict[str, KeyValue]  # each key once, in the requested order, and by name under a prefix


def read(client: Client, names: t.Sequence[str], prefix: bool, revision: int) -> tuple[Found, dict[str, str]]:
    """The keys that are there, or all under the prefixes, as of one revision (0: now), and errors by refused names.

    etcd refuses a request as a whole. So a refused request for several names is repeated with one name each.
    Raises EtcdError kinds.
    """
    try:
        if not prefix:
            return client.get_many(names, revision), {}
        return {kv.key: kv for found in client.read_many(names, revision).values() for kv in found.kvs}, {}
    except PermissionDenied as exc:
        once = list(dict.fromkeys(names))
        return _one_by_one(client, once, prefix, revision) if once[1:] else ({}, {once[0]: str(exc)})


def _one_by_one(client: Client, names: t.Sequence[str], prefix: bool, revision: int) -> tuple[Found, dict[str, str]]:
    found: Found = {}
    denied: dict[str, str] = {}
    for name in names:
        try:
            one = client.read_all(name, revision) if prefix else client.range(name, revision=revision)
        except PermissionDenied as exc:
            denied[name] = str(exc)
            continue
        revision = revision or one.revision
        found.update((kv.key, kv) for kv in one.kvs)
    return found, denied
