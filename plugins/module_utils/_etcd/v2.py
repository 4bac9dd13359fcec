# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""etcd's v2 API, to read a tree that was written with it.

Internal to the collection: no promise is made to other users of this file.

Keys of v2 are files in directories, each with a TTL of its own, and a v3 client cannot see them. Up to etcd 3.3 the
API is on, 3.4 and 3.5 have it with --enable-v2, 3.6 has it no more.
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
    """Reads from one etcd. Every method raises EtcdError kinds; see errors.py."""

    def __init__(self, settings: Settings) -> None:
        self._transport = Transport(settings)
        login = f"{settings.user}:{settings.password}".encode()
        self._token = "Basic " + base64.b64encode(login).decode("ascii") if settings.user else ""

    def __enter__(self) -> V2Reader:
        return self

    def __exit__(self, *exc: object) -> None:
        self._transport.close()

    def read_all(self, prefix: str) -> RangeResult:
        """Read every file below the directory `prefix`, as the quorum has it; nothing where there is none.

        Directories are not told: etcd leaves an empty one behind when the last file in it expires. `revision` is the
        highest index of a file. A TTL is not a lease, but means the same: `lease` is 1 where the file, or a directory
        that it is in, has one, else 0.
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
