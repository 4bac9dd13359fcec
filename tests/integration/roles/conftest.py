# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of roles share."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator

import pytest

Handler = http.server.BaseHTTPRequestHandler
Answer = Callable[[Handler], None]


class Mirror(http.server.ThreadingHTTPServer):
    """A web server that gives its `answers` in turn, and the last of them ever after. `asked` counts."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[Answer] = [self.busy]
        self.asked = 0

    @property
    def url(self) -> str:
        """Of whatever it gives; signed, as the URLs of object stores are."""
        return f"http://127.0.0.1:{self.server_port}/runtime.tar.gz?signature=s3cret&x=1"

    @staticmethod
    def busy(handler: Handler) -> None:
        """It has too much to do."""
        handler.send_error(503)

    @staticmethod
    def silent(handler: Handler) -> None:
        """It ends the connection without a word."""

    @staticmethod
    def endless(handler: Handler) -> None:
        """It sends until the client hangs up."""
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"x" * 65536)
        except OSError:
            pass

    @staticmethod
    def escaping(handler: Handler) -> None:
        """Its reason for a refusal would colour a terminal."""
        handler.send_error(503, "\x1b[31mred")

    @staticmethod
    def content(body: bytes, promised: int = 0) -> Answer:
        """A file; where more is `promised` than there is, the connection ends in the middle of it."""

        def answer(handler: Handler) -> None:
            handler.send_response(200)
            handler.send_header("Content-Length", str(promised or len(body)))
            handler.end_headers()
            handler.wfile.write(body)

        return answer


class _Handler(Handler):
    server: Mirror

    def do_GET(self) -> None:
        self.server.asked += 1
        answers = self.server.answers
        (answers.pop(0) if len(answers) > 1 else answers[0])(self)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    """A web server; `mirror.answers` says what it does."""
    with Mirror() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
