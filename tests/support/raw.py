# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests to the JSON gateway without a client in between: what really goes over the wire."""

from __future__ import annotations

import http.client
import json
import urllib.parse
from typing import Any


def request(
    endpoint: str, path: str, body: dict[str, Any] | None = None, token: str = "", lines: int = 0
) -> tuple[int, str, str]:
    """POST `body`, or GET without one, on a connection of its own. Returns status, content type and text.

    Of a stream that is not refused only the first `lines` are read.
    """
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(endpoint).netloc, timeout=15)
    try:
        headers = {"Authorization": token} if token else {}
        connection.request("GET" if body is None else "POST", path, json.dumps(body), headers)
        response = connection.getresponse()
        if lines and response.status == 200:
            text = "".join(response.readline().decode() for _ in range(lines))
        else:
            text = response.read().decode()
        return response.status, response.headers["Content-Type"], text
    finally:
        connection.close()
