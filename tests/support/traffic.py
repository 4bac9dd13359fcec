# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clients of a web service, and what they met with."""

from __future__ import annotations

import http.client
import threading
import time
from types import TracebackType
from typing import NamedTuple

PAUSE = 0.05  # seconds between two requests of a client
TIMEOUT = 20.0  # seconds: a request that takes so long has failed


class Request(NamedTuple):
    """One request. `ended` is Unix time in seconds, `seconds` what it took, `answer` the body or the error."""

    ended: float
    seconds: float
    ok: bool
    answer: str


class Traffic:
    """As a context: one client that connects anew for each request, and one that keeps its connection."""

    def __init__(self, host: str, port: int = 80) -> None:
        self._address = (host, port)
        self._stop = threading.Event()
        self._requests: list[Request] = []
        self._clients = [threading.Thread(target=self._run, args=(keep,), daemon=True) for keep in (False, True)]

    def __enter__(self) -> Traffic:
        for client in self._clients:
            client.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for client in self._clients:
            client.join(TIMEOUT + 5)

    def since(self, moment: float) -> list[Request]:
        """The requests that ended after `moment`."""
        return [request for request in list(self._requests) if request.ended >= moment]

    def failures(self, since: float) -> list[Request]:
        """Those of them that failed."""
        return [request for request in self.since(since) if not request.ok]

    def answered_by(self, name: str, since: float) -> bool:
        """Whether the host of that name has answered one of them."""
        return any(request.ok and request.answer == name for request in self.since(since))

    def _run(self, keep: bool) -> None:
        connection = self._connection()
        while not self._stop.wait(PAUSE):
            began = time.time()
            try:
                connection.request("GET", "/")
                response = connection.getresponse()
                answer, ok = response.read().decode().strip(), response.status == 200
            except (OSError, http.client.HTTPException) as exc:
                answer, ok = repr(exc), False
            if not (keep and ok):
                connection.close()  # http.client opens it again by itself
            ended = time.time()
            self._requests.append(Request(ended, ended - began, ok, answer))

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(*self._address, timeout=TIMEOUT)
