# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers every request on port 8080 with the name of the host: the web service of the demo."""

from __future__ import annotations

import http.server
import socket


class Handler(http.server.BaseHTTPRequestHandler):
    """One request; the connection stays open, as a load balancer likes it."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer with the host's name."""
        body = f"{socket.gethostname()}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """A health check every second is no news."""


http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
