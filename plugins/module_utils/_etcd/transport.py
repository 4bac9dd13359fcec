# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTP to etcd's JSON gateway: one kept connection, failover over the endpoints, a deadline for every request.

Internal to the collection: no promise is made to other users of this file.

A transport belongs to one thread. Proxy settings of the environment are not looked at: etcd is reached directly.
"""

from __future__ import annotations

import http.client
import json
import socket
import time
import typing as t

from .connection import Connection
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
from .settings import Settings
from .srv import discover

if t.TYPE_CHECKING:
    import ssl  # loads OpenSSL, 2 to 5 MB of memory, so it is imported where something is encrypted

Json = t.Dict[str, t.Any]
Following = t.Callable[[bytes], t.Optional[Json]]

_HEADER = "header"  # an object in every answer of v3, and in nobody else's
_HEADERLESS = "/v3/maintenance/alarm"  # but for this one, up to etcd 3.4 (measured)

_MAX_ANSWER = 64 << 20  # bytes

_MIN_SHARE = 0.2  # seconds one endpoint is given, even where the deadline is all but used up


class Transport:
    """Sends requests to the first endpoint that answers; the order of the list is the memory of their health."""

    def __init__(self, settings: Settings) -> None:
        self._timeout = settings.timeout
        self._srv = settings.discovery_srv
        self._order: t.List[Endpoint] = list(settings.endpoints)
        self._discovered: t.List[Endpoint] = []
        self._tls = settings.tls
        self._context: t.Optional[ssl.SSLContext] = None
        self._context_version: t.Tuple[t.Tuple[int, int], ...] = ()
        self._kept: t.Optional[t.Tuple[Endpoint, Connection]] = None
        self._ahead: t.Optional[t.Tuple[str, t.Optional[Json], str]] = None  # sent, and its answer not yet read

    @property
    def endpoint(self) -> str:
        """The endpoint that is asked first: the last good one, or the first of the list."""
        return str(self._order[0]) if self._order else f"the SRV records of {self._srv}"

    def call(
        self,
        what: str,
        path: str,
        body: t.Optional[Json],
        token: str = "",
        repeatable: bool = False,
        following: t.Optional[Following] = None,
    ) -> Json:
        """POST `body`, or GET where it is None, and return the answer.

        `what` names the request for messages. `repeatable` says that the request may be sent again, on a new connection
        or to the next endpoint, although it may have been carried out. `following` makes of the answer, as it comes,
        the body that the next call of this path will have, if there will be one; that is sent before this is decoded.

        Raises Unreachable with the story of every endpoint tried, NotGateway where none of them is etcd's,
        OutcomeUnknown, or the EtcdError that the answer stands for.
        """
        deadline = time.monotonic() + self._timeout
        failures: t.List[str] = []
        causes: t.List[Exception] = []
        if self._ahead not in (None, (path, body, token)):
            self.close()  # the answer to something else would come first
        waiting = list(self._endpoints())
        while waiting:
            endpoint = waiting.pop(0)
            share = _share(deadline, len(waiting))
            kept, sent = self._kept, False
            try:
                connection = self._connect(endpoint, share)
                sent = True
                content = self._exchange(connection, what, endpoint, path, body, token)
                if following:
                    self._send_ahead(path, following(content), token)
                return _parse(what, endpoint, content, _sign(path))
            except Unavailable as exc:
                reason, sent = str(exc), exc.executed
            except NotGateway as exc:  # somebody else has the address by now, or a member's gateway is off
                reason, sent = str(exc), False
                causes.append(exc)
            except (OSError, http.client.HTTPException) as exc:
                if sent and repeatable and kept is self._kept and not isinstance(exc, socket.timeout):
                    self.close()  # the server closed the kept connection while the request was on its way
                    waiting.insert(0, endpoint)
                    continue
                reason = f"{endpoint}: {_describe(exc, share)}"
                causes.append(exc)
            self._demote(endpoint)
            failures.append(reason)
            if sent and not repeatable:
                raise OutcomeUnknown(
                    f"{what}: no answer, so it may or may not have been done ({reason})", *_kinds(causes)
                )
        raise self._unreachable(what, failures, causes)

    def stream(
        self, what: str, path: str, body: Json, token: str = "", headers: t.Optional[t.Dict[str, str]] = None
    ) -> Stream:
        """Open a stream of answers on a connection of its own. Raises as `call` does."""
        deadline = time.monotonic() + self._timeout
        failures: t.List[str] = []
        causes: t.List[Exception] = []
        waiting = list(self._endpoints())
        while waiting:
            endpoint = waiting.pop(0)
            share = _share(deadline, len(waiting))
            connection = None
            try:
                connection = self._open(endpoint, share)
                self._send(connection, path, body, token, headers or {})
                response = connection.getresponse()
                if response.status != 200:
                    raise error_from_answer(what, str(endpoint), response.status, response.read())
                first = response.readline()
                if not first:
                    raise http.client.RemoteDisconnected("")
                return Stream(what, endpoint, connection, response, first)
            except (OSError, http.client.HTTPException, Unavailable, NotGateway) as exc:
                causes.append(exc)
                told = isinstance(exc, (Unavailable, NotGateway))
                failures.append(str(exc) if told else f"{endpoint}: {_describe(exc, share)}")
                self._demote(endpoint)
                if connection is not None:
                    connection.close()
            except EtcdError:
                if connection is not None:
                    connection.close()
                raise
        raise self._unreachable(what, failures, causes)

    def close(self) -> None:
        """Drop the kept connection; the next request opens one again."""
        self._ahead = None
        if self._kept is not None:
            self._kept[1].close()
            self._kept = None

    def _endpoints(self) -> t.Tuple[Endpoint, ...]:
        """Who is asked, in this order. Raises Unreachable where SRV records are to say and never did.

        Without DNS those of last time are asked: etcd is not to be lost because DNS is.
        """
        if not self._order:
            try:
                self._discovered = list(discover(self._srv, self._timeout / 2))
            except Unreachable:
                if not self._discovered:
                    raise
            self._order = list(self._discovered)
        return tuple(self._order)

    def _connect(self, endpoint: Endpoint, seconds: float) -> Connection:
        """The kept connection if it leads to `endpoint` and is still open, else a new one; for `seconds` in all."""
        if self._kept is not None:
            kept_endpoint, connection = self._kept
            if kept_endpoint == endpoint and (self._ahead or connection.is_idle()):
                connection.limit(seconds)
                return connection
            self.close()
        connection = self._open(endpoint, seconds)
        self._kept = (endpoint, connection)
        return connection

    def _open(self, endpoint: Endpoint, seconds: float) -> Connection:
        if endpoint.scheme != "https":
            return Connection(endpoint, seconds, None, "")
        version = self._tls.version()
        if self._context is None or version != self._context_version:
            self._context, self._context_version = self._tls.context(), version
        return Connection(endpoint, seconds, self._context, self._tls.server_name)

    def _send_ahead(self, path: str, body: t.Optional[Json], token: str) -> None:
        """Let etcd work on the next call meanwhile. Where that fails nothing is lost: the call then sends it itself."""
        if body is None or self._kept is None or not self._kept[1].is_idle():
            return
        try:
            self._kept[1].limit(self._timeout)
            self._send(self._kept[1], path, body, token, {})
            self._ahead = (path, body, token)
        except (OSError, http.client.HTTPException):
            self.close()

    def _exchange(
        self, connection: Connection, what: str, endpoint: Endpoint, path: str, body: t.Optional[Json], token: str
    ) -> bytes:
        if self._ahead is None:
            self._send(connection, path, body, token, {})
        self._ahead = None
        response = connection.getresponse()
        content = response.read(_MAX_ANSWER + 1)
        if len(content) > _MAX_ANSWER:
            self.close()
            raise AnswerTooLarge(f"{what} failed: {endpoint} answered with more than {_MAX_ANSWER >> 20} MiB")
        if response.length:  # with a limit, read() does not say that the rest never came
            raise http.client.IncompleteRead(content, response.length)
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
            self._order.clear()  # the cluster may have moved: the next request reads the records anew
        strangers = [cause for cause in causes if isinstance(cause, NotGateway)]
        if strangers and len(strangers) == len(failures):
            return strangers[0]
        return Unreachable(f"{what} failed: no etcd endpoint answered: {'; '.join(failures)}", *_kinds(causes))

    def _demote(self, endpoint: Endpoint) -> None:
        """Ask `endpoint` last from now on, on a new connection."""
        self.close()
        self._order.remove(endpoint)
        self._order.append(endpoint)


class Stream:
    """Answers as etcd sends them, one JSON object a line. `close` may be called from another thread."""

    def __init__(
        self,
        what: str,
        endpoint: Endpoint,
        connection: Connection,
        response: http.client.HTTPResponse,
        first: bytes,
    ) -> None:
        self.endpoint = endpoint
        self._what = what
        self._response = response
        self._socket = connection.timed
        self._first = first
        connection.limit(None)  # hours may pass without a change; TCP keepalive notices a dead peer

    def __iter__(self) -> t.Iterator[Json]:
        """Yield each answer. Raises WatchEnded when the stream is cut, or the error it carries."""
        line = self._first
        while line:
            try:
                answer = _parse(self._what, self.endpoint, line, _HEADER)
            except Unavailable as exc:
                # a member that stops or loses its leader says so in the stream, and ends it
                raise WatchEnded(str(exc), exc.code) from exc
            yield answer
            try:
                line = self._response.readline()
            except (OSError, http.client.HTTPException, ValueError, AttributeError) as exc:
                raise WatchEnded(f"{self._what}: cut off from {self.endpoint}: {exc}") from exc
        raise WatchEnded(f"{self._what}: {self.endpoint} ended the stream")

    def close(self) -> None:
        """End the stream; a reader that waits in another thread gets WatchEnded."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # already closed by the other side
        self._socket.close()


def _share(deadline: float, others: int) -> float:
    """Seconds for one endpoint: what is left until the deadline, shared with `others` that may be asked after it."""
    return max((deadline - time.monotonic()) / (others + 1), _MIN_SHARE)


def _sign(path: str) -> str:
    """The object that tells etcd's answers from those of others, "" for none."""
    if path.startswith("/v2/"):
        return "node"
    return "" if path == _HEADERLESS else _HEADER


def _parse(what: str, endpoint: Endpoint, content: bytes, sign: str) -> Json:
    """One answer, which must have the object `sign`; taken out of the `result` that a stream wraps it in.

    Raises NotGateway, or what the error stands for that comes in its place after HTTP 200, as in a stream.
    """
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        raise _not_gateway(what, endpoint, "something else than JSON", content) from None
    if isinstance(answer, dict):
        if "error" in answer:
            raise error_from_answer(what, str(endpoint), 200, content)
        inner = answer.get("result", answer)
        if isinstance(inner, dict) and (not sign or isinstance(inner.get(sign), dict)):
            return inner
    raise _not_gateway(what, endpoint, "JSON that is not etcd's", content)


def _not_gateway(what: str, endpoint: Endpoint, answer: str, content: bytes) -> NotGateway:
    return NotGateway(f"{what}: {endpoint} answered with {answer}: {content[:100]!r}. Is this etcd's client URL?")


def _kinds(causes: t.Sequence[Exception]) -> t.Tuple[bool, bool]:
    """Whether an endpoint was silent, and whether TLS failed with one for another reason than a cut connection."""
    cut = ("SSLEOFError", "SSLZeroReturnError", "SSLSyscallError")
    refused = (cause for cause in map(type, causes) if cause.__module__ == "ssl" and cause.__name__ not in cut)
    return any(isinstance(cause, socket.timeout) for cause in causes), any(refused)


def _describe(exc: Exception, seconds: float) -> str:
    """The failure of one attempt, in words an operator can act on."""
    if type(exc).__module__ == "ssl":
        return _describe_tls(exc)
    if isinstance(exc, http.client.RemoteDisconnected):
        return "it closed the connection without an answer: it is stopping, or speaks TLS and the endpoint must be https://"
    if isinstance(exc, socket.timeout):
        return f"no answer within {seconds:.1f} s"
    if isinstance(exc, socket.gaierror):
        return f"its name does not resolve: {exc.strerror}"
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror.lower()
    return f"{type(exc).__name__}: {exc}" if str(exc) else type(exc).__name__


def _describe_tls(exc: Exception) -> str:
    import ssl

    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {exc.verify_message}; check ca_cert and the host name in the endpoint"
    reason = exc.reason if isinstance(exc, ssl.SSLError) else ""
    return f"TLS failed: {reason or exc}; check the scheme, and client_cert if etcd demands one"
