# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTP to etcd's JSON gateway: one persistent connection, failover between endpoints, limits of time and size.

Internal to the collection: no promise is made to other users of this file.

A transport belongs to one thread. It ignores proxy settings in the environment and connects to etcd directly.
"""

from __future__ import annotations

import http.client
import json
import socket
import time
import typing as t

from .certificates import certificates
from .connection import Connection
from .dial import avoid
from .endpoints import Endpoint
from .errors import (
    AnswerTooLarge,
    EtcdError,
    NotGateway,
    OutcomeUnknown,
    Unavailable,
    Unreachable,
    WatchEnded,
    error_from_answer,
)
from .fields import Malformed, parse
from .settings import Settings
from .srv import discover
from .text import printable
from .timed_socket import TooMuch
from .wire import Method

Json = t.Dict[str, t.Any]
Answer = t.TypeVar("Answer")
Following = t.Callable[[bytes], t.Optional[Json]]

_MAX_REASON = 300  # characters of an http.client error, which can quote lines of the answer
_PIECE = 1 << 20  # bytes per read
_FRAMING = 1 << 20  # bytes for the headers, chunk framing and trailers of an answer

# The exceptions of http.client for answers that are not HTTP; ValueError and OverflowError come from invalid numbers.
_FAILURES = (OSError, http.client.HTTPException, ValueError, OverflowError)

_MIN_SHARE = 0.2  # seconds for one endpoint, even if almost no time is left


class Transport:
    """Sends requests to the first endpoint that answers; endpoints that fail move to the end of the list."""

    def __init__(self, settings: Settings) -> None:
        self._timeout = settings.timeout
        self._settings = settings
        self._srv = settings.discovery_srv
        self._order: t.List[Endpoint] = list(settings.endpoints)
        self._discovered: t.List[Endpoint] = []
        self._tls = settings.tls
        self._persistent: t.Optional[t.Tuple[Endpoint, Connection]] = None
        self._ahead: t.Optional[t.Tuple[str, t.Optional[Json], str]] = None  # sent, but the answer is not read yet

    @property
    def endpoint(self) -> str:
        """The endpoint that is tried first: the last one that answered, or the first of the list."""
        return str(self._order[0]) if self._order else f"the SRV records of {self._srv}"

    def call(
        self,
        what: str,
        method: Method[Answer],
        body: t.Optional[Json],
        token: str = "",
        following: t.Optional[Following] = None,
    ) -> Answer:
        """POST `body`, or GET if it is None, and return the decoded answer.

        `what` describes the request in messages. `following` computes from the raw answer the body of the next call of
        this method (None: there is no next call), which is sent before this answer is decoded.

        Raises Unreachable with the failure of each endpoint, NotGateway if none of them is an etcd, OutcomeUnknown, or
        the EtcdError in the answer.
        """
        deadline = time.monotonic() + self._timeout
        failures: t.List[str] = []
        causes: t.List[Exception] = []
        if self._ahead not in (None, (method.path, body, token)):
            self.close()  # the next answer on this connection belongs to another request
        waiting = list(self._endpoints())
        while waiting:
            endpoint = waiting.pop(0)
            share = _share(deadline, len(waiting))
            former, sent = self._persistent, False
            try:
                connection = self._connect(endpoint, share, method.size)
                sent = True
                content = self._exchange(connection, what, endpoint, method, body, token)
                if following:
                    self._send_ahead(method, following(content), token)
                return _decoded(what, endpoint, content, method)
            except Unavailable as exc:
                reason, sent = str(exc), exc.executed
            except NotGateway as exc:  # another server has this address now, or the gateway of a member is disabled
                reason, sent = str(exc), False
                causes.append(exc)
            except _FAILURES as exc:
                if sent and method.repeatable and former is self._persistent and not isinstance(exc, socket.timeout):
                    self.close()  # the server has closed the persistent connection while the request was in transit
                    waiting.insert(0, endpoint)
                    continue
                reason = f"{endpoint}: {_describe(exc, share)}"
                causes.append(exc)
            self._demote(endpoint)
            failures.append(reason)
            if sent and not method.repeatable:
                raise OutcomeUnknown(
                    f"{what}: no answer ({reason}), so it may or may not have taken effect. Check the result before "
                    "you repeat it",
                    *_kinds(causes),
                )
        raise self._unreachable(what, failures, causes)

    def stream(
        self, what: str, method: Method[Answer], body: Json, token: str, headers: t.Dict[str, str]
    ) -> Stream[Answer]:
        """Open a stream of answers on a connection of its own. Raises the same errors as `call`."""
        deadline = time.monotonic() + self._timeout
        failures: t.List[str] = []
        causes: t.List[Exception] = []
        waiting = list(self._endpoints())
        while waiting:
            endpoint = waiting.pop(0)
            share = _share(deadline, len(waiting))
            connection = None
            try:
                connection = self._open(endpoint, share, method.size)
                self._send(connection, method.path, body, token, headers)
                response = connection.getresponse()
                if response.status != 200:
                    raise error_from_answer(what, str(endpoint), response.status, _content(response, method.size))
                first = _line(response, method.size)
                if not first:
                    raise http.client.RemoteDisconnected("")
                return Stream(what, endpoint, method, connection, response, _decoded(what, endpoint, first, method))
            except (*_FAILURES, Unavailable, NotGateway) as exc:
                causes.append(exc)
                complete = isinstance(exc, (Unavailable, NotGateway))
                failures.append(str(exc) if complete else f"{endpoint}: {_describe(exc, share)}")
                self._demote(endpoint)
                if connection is not None:
                    connection.close()
            except EtcdError:
                if connection is not None:
                    connection.close()
                raise
        raise self._unreachable(what, failures, causes)

    def close(self) -> None:
        """Close the persistent connection; the next request opens a new one."""
        self._ahead = None
        if self._persistent is not None:
            self._persistent[1].close()
            self._persistent = None

    def _endpoints(self) -> t.Tuple[Endpoint, ...]:
        """The endpoints to try, in this order. Raises Unreachable if the SRV records were never found.

        If DNS fails, the last known endpoints are used: a failure of DNS must not disconnect clients from etcd.
        """
        if not self._order:
            try:
                self._discovered = list(self._discover())
            except Unreachable:
                if not self._discovered:
                    raise
            self._order = list(self._discovered)
        return tuple(self._order)

    def _discover(self) -> t.Tuple[Endpoint, ...]:
        insecure, named = self._settings.discovery_srv_insecure, self._tls.server_name
        return discover(
            self._srv,
            self._timeout / 2,
            secured=self._settings.secured and not insecure,
            any_host=insecure or bool(named),
        )

    def _connect(self, endpoint: Endpoint, seconds: float, size: int) -> Connection:
        """The persistent connection if it is open and to `endpoint`, otherwise a new one; for `seconds` in total."""
        if self._persistent is not None:
            open_endpoint, connection = self._persistent
            if open_endpoint == endpoint and (self._ahead or connection.is_idle()):
                connection.limit(seconds, size + _FRAMING)
                return connection
            self.close()
        connection = self._open(endpoint, seconds, size)
        self._persistent = (endpoint, connection)
        return connection

    def _open(self, endpoint: Endpoint, seconds: float, size: int) -> Connection:
        if endpoint.scheme != "https":
            return Connection(endpoint, seconds, None, "", size + _FRAMING)
        begun = time.monotonic()
        context = certificates(self._tls).context(seconds)
        seconds = max(seconds - (time.monotonic() - begun), _MIN_SHARE)
        return Connection(endpoint, seconds, context, self._tls.server_name, size + _FRAMING)

    def _send_ahead(self, method: Method[Answer], body: t.Optional[Json], token: str) -> None:
        """Send the next request, so that etcd works on it in the meantime. After a failure, the next call sends it."""
        if body is None or self._persistent is None or not self._persistent[1].is_idle():
            return
        try:
            self._persistent[1].limit(self._timeout, method.size + _FRAMING)
            self._send(self._persistent[1], method.path, body, token, {})
            self._ahead = (method.path, body, token)
        except _FAILURES:
            self.close()

    def _exchange(
        self,
        connection: Connection,
        what: str,
        endpoint: Endpoint,
        method: Method[Answer],
        body: t.Optional[Json],
        token: str,
    ) -> bytes:
        if self._ahead is None:
            self._send(connection, method.path, body, token, {})
        self._ahead = None
        response = connection.getresponse()
        try:
            content = _content(response, method.size)
        except TooMuch as exc:
            raise AnswerTooLarge(
                f"{what} failed: the answer of {endpoint} is too large for etcd ({exc}). Check that this is a client "
                "URL of etcd"
            ) from None
        if response.status != 200:
            raise error_from_answer(what, str(endpoint), response.status, content)
        return content

    @staticmethod
    def _send(connection: Connection, path: str, body: t.Optional[Json], token: str, headers: t.Dict[str, str]) -> None:
        headers = {"Content-Type": "application/json", **headers}
        if token:
            headers["Authorization"] = token
        if body is None:
            connection.request("GET", path, headers=headers)
        else:
            connection.request("POST", path, json.dumps(body).encode("ascii"), headers)

    def _unreachable(self, what: str, failures: t.Sequence[str], causes: t.Sequence[Exception]) -> EtcdError:
        if self._srv:
            self._order.clear()  # the cluster may have moved: the next request looks up the records again
        strangers = [cause for cause in causes if isinstance(cause, NotGateway)]
        if strangers and len(strangers) == len(failures):
            return strangers[0]
        return Unreachable(f"{what} failed: no etcd endpoint answered: {'; '.join(failures)}", *_kinds(causes))

    def _demote(self, endpoint: Endpoint) -> None:
        """Ask `endpoint` last from now on, on a new connection, and of its addresses another one first."""
        self.close()
        avoid(endpoint.host, endpoint.port)
        self._order.remove(endpoint)
        self._order.append(endpoint)


class Stream(t.Generic[Answer]):
    """The answers of a stream, one JSON object per line. `close` may be called from another thread."""

    def __init__(
        self,
        what: str,
        endpoint: Endpoint,
        method: Method[Answer],
        connection: Connection,
        response: http.client.HTTPResponse,
        first: Answer,
    ) -> None:
        self.endpoint = endpoint
        self.first = first
        self._what = what
        self._method = method
        self._response = response
        self._connection = connection

    def __iter__(self) -> t.Iterator[Answer]:
        """Yield each answer after the first. Raises WatchEnded if the stream is cut off, or the error in an answer."""
        while True:
            # no time limit, since hours may pass without a change; TCP keepalive detects a dead peer
            self._connection.limit(None, self._method.size + _FRAMING)
            try:
                line = _line(self._response, self._method.size)
            except (*_FAILURES, AttributeError) as exc:
                raise WatchEnded(
                    f"{self._what}: the stream from {self.endpoint} was cut off: {printable(exc, _MAX_REASON)}"
                ) from exc
            if not line:
                raise WatchEnded(f"{self._what}: {self.endpoint} ended the stream")
            try:
                answer = _decoded(self._what, self.endpoint, line, self._method)
            except Unavailable as exc:
                # a member that stops or loses its leader reports that in the stream, and ends it
                raise WatchEnded(str(exc), exc.code) from exc
            yield answer

    def close(self) -> None:
        """End the stream; a reader waiting in another thread gets WatchEnded."""
        try:
            self._connection.timed.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the peer has already closed it
        self._connection.timed.close()


def _share(deadline: float, others: int) -> float:
    """Seconds for one endpoint: the time until the deadline, shared with the `others` that may be tried after it."""
    return max((deadline - time.monotonic()) / (others + 1), _MIN_SHARE)


def _content(response: http.client.HTTPResponse, size: int) -> bytes:
    """The body. Raises TooMuch if it is longer than `size`, HTTPException if it is incomplete."""
    content = bytearray()
    if (response.length or 0) <= size:  # checks Content-Length, since http.client would allocate that much
        while True:
            piece = response.read(_PIECE)
            if not piece and response.length:
                raise http.client.IncompleteRead(b"", response.length)
            if not piece:
                return bytes(content)
            content += piece
            if len(content) > size:
                break
    raise TooMuch(f"more than {size} bytes")


def _line(response: http.client.HTTPResponse, size: int) -> bytes:
    """The next line of a stream, b"" at its end. Raises TooMuch."""
    line = response.readline(size + 1)
    if len(line) > size:
        raise TooMuch(f"a line of more than {size} bytes")
    return line


def _decoded(what: str, endpoint: Endpoint, content: bytes, method: Method[Answer]) -> Answer:
    """Decode one answer, which must contain the object `sign` of its method; a stream wraps it in `result`.

    Raises NotGateway, or the EtcdError that the answer contains after HTTP 200, such as in a stream.
    """
    try:
        answer = parse(content)
        if isinstance(answer, dict):
            if "error" in answer:
                raise error_from_answer(what, str(endpoint), 200, content)
            inner = answer.get("result", answer)
            if isinstance(inner, dict) and (not method.sign or isinstance(inner.get(method.sign), dict)):
                return method.parse(inner)
        raise Malformed("other JSON")
    except Malformed as exc:
        shown = printable(content[:100].decode("utf-8", "replace"), 100)
        raise NotGateway(
            f"{what} failed: the answer of {endpoint} is not from etcd: {exc}: {shown}. Check that this is a client "
            "URL of etcd"
        ) from None


def _kinds(causes: t.Sequence[Exception]) -> t.Tuple[bool, bool]:
    """Whether an endpoint timed out, and whether TLS failed with one for a reason other than a lost connection."""
    cut = ("SSLEOFError", "SSLZeroReturnError", "SSLSyscallError")
    refused = (cause for cause in map(type, causes) if cause.__module__ == "ssl" and cause.__name__ not in cut)
    return any(isinstance(cause, socket.timeout) for cause in causes), any(refused)


def _describe(exc: Exception, seconds: float) -> str:
    """The failure of one attempt, for an operator."""
    if type(exc).__module__ == "ssl":
        return _describe_tls(exc)
    if isinstance(exc, http.client.RemoteDisconnected):
        return "it closed the connection without an answer (it is stopping, or it expects TLS: then use https://)"
    if isinstance(exc, socket.timeout):
        return f"no answer within {seconds:.1f} s"
    if isinstance(exc, socket.gaierror):
        return f"its name does not resolve: {exc.strerror}"
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror.lower()
    return printable(f"{type(exc).__name__}: {exc}" if str(exc) else type(exc).__name__, _MAX_REASON)


def _describe_tls(exc: Exception) -> str:
    import ssl

    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"certificate verification failed: {exc.verify_message}; check ca_cert and the host name in the endpoint"
    reason = exc.reason if isinstance(exc, ssl.SSLError) else ""
    return f"TLS failed: {reason or exc}; check the scheme, and client_cert if etcd requires one"
