# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the v2 API answers to a recursive GET: directories and files, made by whoever tests."""

from __future__ import annotations

import base64
import json
import urllib.parse

from .wire import Json

PATH = "/v2/keys"


class V2Store:
    """The tree of v2, which has nothing in common with the keys of v3. `login` is user:password where one is needed."""

    def __init__(self) -> None:
        self.login = ""
        self._index = 3  # what a fresh etcd counts up to by itself
        self._root: Json = {"dir": True, "nodes": {}}

    def put(self, key: str, value: str, ttl: int = 0) -> None:
        """Write a file, with a time to live in seconds where one is given; it does not end here."""
        directory, _slash, name = key.rpartition("/")
        file: Json = {"key": key, "value": value, **self._indices()}
        self.mkdir(directory)["nodes"][name] = {**file, "ttl": ttl} if ttl else file

    def mkdir(self, key: str) -> Json:
        """Make a directory and those above it; returns it."""
        node = self._root
        for part in filter(None, key.split("/")):
            path = f"{node.get('key', '')}/{part}"
            if part not in node["nodes"]:
                node["nodes"][part] = {"key": path, "dir": True, "nodes": {}, **self._indices()}
            node = node["nodes"][part]
        return node

    def page(self, path: str, authorization: str) -> tuple[int, bytes, str]:
        """Status, body and content type of a GET."""
        if self.login and authorization != "Basic " + base64.b64encode(self.login.encode()).decode():
            return self._error(401, 110, "The request requires user authentication", "Insufficient credentials")
        key = urllib.parse.unquote(path.removeprefix(PATH).partition("?")[0])
        node = self._root
        for part in filter(None, key.split("/")):
            node = node.get("nodes", {}).get(part)
            if node is None:
                return self._error(404, 100, "Key not found", key)
        return 200, json.dumps({"action": "get", "node": _shown(node)}).encode() + b"\n", "application/json"

    def _indices(self) -> Json:
        self._index += 1
        return {"createdIndex": self._index, "modifiedIndex": self._index}

    def _error(self, status: int, code: int, message: str, cause: str) -> tuple[int, bytes, str]:
        error = {"errorCode": code, "message": message, "cause": cause, "index": self._index}
        return status, json.dumps(error).encode() + b"\n", "application/json"


def _shown(node: Json) -> Json:
    """A node as it is answered: an empty directory has no `nodes`."""
    nodes = [_shown(node["nodes"][name]) for name in sorted(node.get("nodes", {}))]
    return {**{key: value for key, value in node.items() if key != "nodes"}, **({"nodes": nodes} if nodes else {})}
