# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A check of type `http`: whether a URL answers as it should.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import codecs
import http.client
import re
import socket
import time
import typing as t
import urllib.parse

from ..._etcd.connection import Connection
from ..._etcd.endpoints import Endpoint, is_host
from ..._etcd.errors import InvalidSettings
from ..._etcd.text import printable
from ..._registry.model import CRITICAL, PASSING, WARNING
from ..config import Section
from ..host.searching import SEARCHED, Search, SearchFailed
from ..host.shortage import is_shortage
from .check_tls import Secured
from .probe import Host, Probe, Result, pattern, reason, searched

# Consul's agent takes it for a warning as well: busy, not broken.
_TOO_MANY_REQUESTS = 429

_PORTS = {"http": 80, "https": 443}
_DEFAULT_STATUS = ((200, 399),)  # as with HAProxy's httpchk
_MOST = 65536  # characters of a body that are looked at
_CHUNK = 4096
_MOST_INTERIM = 100  # answers 1xx before the final one (RFC 9110, 15.2), such as 103 Early Hints
_MOST_OF_HEAD = 1 << 20  # bytes of status lines and header fields, those of interim answers included
_HEADERS = (b"connection", b"content-encoding", b"content-length", b"content-type", b"transfer-encoding")  # that count
_NO_BODY = frozenset({"HEAD", "CONNECT"})
_STATUSES_WITHOUT_BODY = frozenset({101, 204, 304})

_BYTE_ORDER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)  # UTF-32-LE's begins as the first
# Codecs of Python besides charsets: notations of its own, and parts of host names at a quadratic cost.
_NO_CHARSETS = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})

_RANGE = re.compile(r"([1-5][0-9][0-9])(?:-([1-5][0-9][0-9]))?")
_METHOD = re.compile(r"[A-Z]+")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, token

_FRAMING = frozenset({"content-length", "transfer-encoding"})  # a wrong one lets the server wait for more

Ranges = t.Tuple[t.Tuple[int, int], ...]


class Http(t.NamedTuple):
    """Redirects are not followed: what they lead to is a check of its own. `body` is what is sent.

    `contains` is a text that the body of the answer must have in it, and `matches` a regular expression that its start
    must; the body is read until both are seen. Interim answers (1xx) are skipped. The status 429 is a warning, unless
    `status` has it.
    """

    url: str
    secured: t.Optional[Secured] = None
    method: str = "GET"
    headers: t.Tuple[t.Tuple[str, str], ...] = ()
    body: str = ""
    status: Ranges = _DEFAULT_STATUS
    contains: str = ""
    matches: t.Optional[t.Pattern[str]] = None

    def __call__(self, timeout: float) -> Result:
        what = f"{self.method} {self.url}"
        try:
            return self._ask(what, timeout)
        except (OSError, http.client.HTTPException, InvalidSettings) as exc:
            if is_shortage(exc):
                raise
            return Result(CRITICAL, f"{what}: {reason(exc, timeout)}")

    def _ask(self, what: str, timeout: float) -> Result:
        """Raises OSError, HTTPException or InvalidSettings if there is no answer."""
        deadline = time.monotonic() + timeout
        parts = urllib.parse.urlsplit(self.url)
        connection = self._connection(parts, timeout)
        connection.response_class = _FinalAnswer
        try:
            target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
            headers = {"User-Agent": "rollcall", **dict(self.headers), "Connection": "close"}
            connection.request(self.method, target, body=self.body.encode("utf-8") or None, headers=headers)
            with connection.getresponse() as answer:
                what = f"{what}: HTTP {answer.status}"
                if not any(low <= answer.status <= high for low, high in self.status):
                    return Result(WARNING if answer.status == _TOO_MANY_REQUESTS else CRITICAL, what)
                problem = self._problem_of_body(answer, deadline) if self.contains or self.matches else ""
                return Result(CRITICAL, f"{what}, but {problem}") if problem else Result(PASSING, what)
        finally:
            connection.close()

    def _problem_of_body(self, answer: http.client.HTTPResponse, deadline: float) -> str:
        """Why the body is not as wanted; "" as soon as enough of it has come: a stream may have no end."""
        coding = answer.headers.get("Content-Encoding", "identity").strip().lower()
        if coding not in ("", "identity"):
            return f"its body is compressed ({printable(coding, 20)}), and compressed bodies are not searched"
        search = Search(self.matches, deadline) if self.matches else None
        text, contained, matched, complete, late = "", False, search is None, False, False
        decoder: t.Optional[codecs.IncrementalDecoder] = None
        try:
            while not complete:
                chunk, late = _piece(answer)
                new = len(text)
                decoder = decoder or _decoder(answer, chunk)
                text += decoder.decode(chunk, final=not chunk and not late)
                complete = not chunk or len(text) >= _MOST
                contained = contained or text.find(self.contains, max(0, new - len(self.contains))) >= 0
                matched = matched or (search is not None and search.found(text, complete))
                if contained and matched:
                    return ""
        except UnicodeError:  # its message would show the body
            return f"its body is not text in the charset {printable(str(answer.headers.get_content_charset()), 20)}"
        except SearchFailed as exc:
            return str(exc)
        late_too = ", which has not ended in time" if late else ""
        if not contained:
            return f"its body does not contain {self.contains!r}{late_too}"
        where = "its body does" if len(text) <= SEARCHED else "the first 4 KiB of its body do"
        return f"{where} not match {self.matches.pattern if self.matches else ''!r}{late_too}"

    def _connection(self, parts: urllib.parse.SplitResult, timeout: float) -> Connection:
        endpoint = Endpoint(parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme])
        if self.secured is None:
            return Connection(endpoint, timeout, None, "")
        return Connection(endpoint, timeout, self.secured.context(timeout), self.secured.tls.server_name)


def _piece(answer: http.client.HTTPResponse) -> t.Tuple[bytes, bool]:
    """The next part of the body, empty at its end, and whether the deadline has passed and the parts so far must do."""
    try:
        return answer.read1(_CHUNK), False
    except socket.timeout:
        return b"", True


class _FinalAnswer(http.client.HTTPResponse):
    """The first answer that is not an interim one.

    http.client itself skips the status 100 only, and takes 100 header fields at most, of 64 KiB each.
    """

    def begin(self) -> None:
        stream = self.fp
        self.fp = t.cast(t.Any, _Head(stream))
        try:
            super().begin()
        finally:
            if self.fp is not None:  # not closed since
                self.fp = stream

    def _read_status(self) -> t.Tuple[str, int, str]:
        for _answer in range(_MOST_INTERIM):
            version, status, words = super()._read_status()  # type: ignore[misc]  # typeshed does not know it
            if status >= 200 or status == http.client.SWITCHING_PROTOCOLS:
                return version, status, words
            http.client.parse_headers(self.fp)
        raise http.client.HTTPException(f"more than {_MOST_INTERIM} interim answers (HTTP 1xx)")


class _Head:
    """The lines of a head, without the header fields that do not matter to a check."""

    def __init__(self, stream: t.Any) -> None:
        self.close = stream.close
        self._stream = stream
        self._left = _MOST_OF_HEAD
        self._first = True

    def readline(self, _limit: int = -1) -> bytes:
        """The next line that matters: a status line, a field that counts, or the empty line at the end."""
        while True:
            line = self._line()
            name, colon, _value = line.partition(b":")
            counts = colon and name.strip().lower() in _HEADERS
            if counts or self._first or line.startswith(b"HTTP/") or not line.strip():
                self._first = False
                return line

    def _line(self) -> bytes:
        line: bytes = self._stream.readline(self._left + 1)
        self._left -= len(line)
        if self._left < 0:
            raise http.client.HTTPException(f"more than {_MOST_OF_HEAD >> 20} MiB of header fields")
        return line


def _decoder(answer: http.client.HTTPResponse, start: bytes) -> codecs.IncrementalDecoder:
    """For the charset that the answer names, UTF-8 if it names none or one that is not known."""
    charset = answer.headers.get_content_charset("utf-8")
    try:
        b"a".decode(charset, "replace")  # also refuses codecs that do not make text
        name = codecs.lookup(charset).name
    except (LookupError, ValueError):
        name = "utf-8"
    if name in _NO_CHARSETS:
        name = "utf-8"
    elif name in ("utf-16", "utf-32") and not start.startswith(_BYTE_ORDER_MARKS):
        name += "-be"  # RFC 2781, 4.3
    return codecs.getincrementaldecoder(name)("replace")


def configure(section: Section, host: Host) -> Probe:
    """From the keys `url`, `method`, `headers`, `body`, `status`, `contains`, `matches`, those of TLS.

    Raises ConfigError.
    """
    url = _url(section)
    method = section.text("method", "GET").upper()
    if not _METHOD.fullmatch(method):
        raise section.error("method", f"{method!r} is not a method such as GET or HEAD")
    contains, matches = searched(section, "contains", _MOST), pattern(section, "matches")
    if method in _NO_BODY and (contains or matches):
        key = "contains" if contains else "matches"
        raise section.error(key, f"an answer to {method} has no body. Use GET, or remove {key}")
    statuses = _statuses(section)
    if (contains or matches) and all(low == high and low in _STATUSES_WITHOUT_BODY for low, high in statuses):
        raise section.error("status", "an answer with this status has no body. Remove contains and matches")
    return Http(
        url,
        Secured.configure(section, url.lower().startswith("https:")),
        method,
        _headers(section),
        section.content("body"),
        statuses,
        contains,
        matches,
    )


def _url(section: Section) -> str:
    url = section.required_text("url")
    try:
        parts = urllib.parse.urlsplit(url)
        usable = parts.scheme in _PORTS and is_host(parts.hostname or "") and parts.port != 0
    except ValueError:
        usable = False
    if not usable or "@" in parts.netloc or not url.isascii() or not url.isprintable() or " " in url:
        raise section.error("url", f"{url!r} is not a URL as http://127.0.0.1:8080/health")
    return url


def _headers(section: Section) -> t.Tuple[t.Tuple[str, str], ...]:
    """Names and values; a value is a secret as often as not, so no message shows one."""
    headers = section.mapping("headers")
    for name, value in headers.items():
        if not _HEADER.fullmatch(name):
            raise section.error("headers", f"{name!r} is not the name of a header")
        if not isinstance(value, str) or not value.isascii() or not value.isprintable():
            raise section.error(f"headers.{name}", "its value is not a line of plain text")
        if name.lower() in _FRAMING:
            raise section.error(f"headers.{name}", "it is set from body. Remove it")
    return tuple(sorted((name.title(), value) for name, value in headers.items()))


def _statuses(section: Section) -> Ranges:
    """From a list of numbers and of texts as `200-299`."""
    given = section.get("status")
    if given is None:
        return _DEFAULT_STATUS
    if given == []:
        raise section.error(
            "status", "expected at least one status, got an empty list. Leave the key out for its default"
        )
    ranges = []
    for item in given if isinstance(given, list) else [given]:
        found = _RANGE.fullmatch(str(item))
        if found is None:
            raise section.error("status", f"{item!r} is neither a status such as 200 nor a range such as 200-299")
        low, high = int(found[1]), int(found[2] or found[1])
        if low > high:
            raise section.error("status", f"no status is in the range {item!r}; did you mean {high}-{low}?")
        if high < 200 and not low <= http.client.SWITCHING_PROTOCOLS <= high:
            raise section.error("status", f"{item!r} never comes: interim answers (1xx) are skipped")
        ranges.append((low, high))
    return tuple(ranges)
