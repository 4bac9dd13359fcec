# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads keys that were written with etcd's v2 API.

Internal to the collection: no promise is made to other users of this file.

Keys of v2 are files in directories, each with a TTL of its own; clients of the v3 API cannot see them. etcd enables the
v2 API by default up to 3.3, and with --enable-v2 in 3.4 and 3.5. etcd 3.6 has removed it.
"""

from __future__ import annotations

import base64
import urllib.parse

from .errors import V2_KEY_NOT_FOUND, EtcdError
from .settings import Settings
from .transport import Transport
from .wire import RangeResult
from .wire_cluster import v2_tree


class V2Reader:
    """Reads from one etcd cluster. All methods raise EtcdError kinds; see errors.py."""

    def __init__(self, settings: Settings) -> None:
        self._transport = Transport(settings)
        login = f"{settings.user}:{settings.password}".encode()
        self._token = "Basic " + base64.b64encode(login).decode("ascii") if settings.user else ""

    def __enter__(self) -> V2Reader:
        return self

    def __exit__(self, *exc: object) -> None:
        self._transport.close()

    def read_all(self, prefix: str) -> RangeResult:
        """Read all files below the directory `prefix` with a quorum read; [] if the directory does not exist.

        Directories are not returned: when the last file in a directory expires, etcd leaves it behind empty. `revision`
        is the highest index of a file. A TTL serves the same purpose as a lease: `lease` is 1 if the file, or a
        directory that contains it, has a TTL, otherwise 0.
        """
        what = f"Reading the directory {prefix} over the v2 API"
        try:
            files = self._transport.call(what, v2_tree(urllib.parse.quote(prefix.strip("/"))), None, self._token)
        except EtcdError as exc:
            if exc.code == V2_KEY_NOT_FOUND:
                return RangeResult(0, [], 0)
            raise
        kvs = [kv for kv in files if kv.key.startswith(prefix)]
        return RangeResult(max((kv.mod_revision for kv in kvs), default=0), kvs, len(kvs))
