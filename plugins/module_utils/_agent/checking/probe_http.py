# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A check of type `http`: whether a URL answers as it should.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import http.client
import re
import typing as t
import urllib.parse

from ..._etcd.connection import Connection
from ..._etcd.endpoints import Endpoint
from ..._etcd.errors import InvalidSettings
from ..._registry.model import CRITICAL, PASSING, WARNING
from ..config import Section
from .probe import SEARCHED, Host, Probe, Result, pattern, reason
from .secured import Secured

# Consul's agent takes it for a warning as well: busy, not broken.
_TOO_MANY_REQUESTS = 429

_PORTS = {"http": 80, "https": 443}
_DEFAULT_STATUS = ((200, 399),)  # as with HAProxy's httpchk
_MOST = 65536  # bytes of a body that are looked at

_RANGE = re.compile(r"([1-5][0-9][0-9])(?:-([1-5][0-9][0-9]))?")
_METHOD = re.compile(r"[A-Z]+")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, token

Ranges = t.Tuple[t.Tuple[int, int], ...]


class Http(t.NamedTuple):
    """Redirects are not followed: what they lead to is a check of its own. `body` is what is sent.

    `contains` is a text that the body of the answer must have in it, and `matches` a regular expression that its start
    must. A warning for 429, where `status` does not have it.
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
            status, body = self._ask(timeout)
        except (OSError, http.client.HTTPException, InvalidSettings) as exc:
            return Result(CRITICAL, f"{what}: {reason(exc, timeout)}")
        if not any(low <= status <= high for low, high in self.status):
            return Result(WARNING if status == _TOO_MANY_REQUESTS else CRITICAL, f"{what}: HTTP {status}")
        if self.contains not in body:
            return Result(CRITICAL, f"{what}: HTTP {status}, but its body does not contain {self.contains!r}")
        if self.matches and not self.matches.search(body[:SEARCHED]):
            where = "its body does" if len(body) <= SEARCHED else "the first 4 KiB of its body do"
            return Result(CRITICAL, f"{what}: HTTP {status}, but {where} not match {self.matches.pattern!r}")
        return Result(PASSING, f"{what}: HTTP {status}")

    def _ask(self, timeout: float) -> t.Tuple[int, str]:
        """Status and body of the answer; the body is only read where something is looked for in it."""
        parts = urllib.parse.urlsplit(self.url)
        connection = self._connection(parts, timeout)
        try:
            target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
            headers = {"User-Agent": "rollcall", **dict(self.headers), "Connection": "close"}
            connection.request(self.method, target, body=self.body.encode("utf-8") or None, headers=headers)
            with connection.getresponse() as answer:
                body = answer.read(_MOST) if self.contains or self.matches else b""
                return answer.status, body.decode("utf-8", "replace")
        finally:
            connection.close()

    def _connection(self, parts: urllib.parse.SplitResult, timeout: float) -> Connection:
        endpoint = Endpoint(parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme])
        if self.secured is None:
            return Connection(endpoint, timeout, None, "")
        return Connection(endpoint, timeout, self.secured.context(), self.secured.tls.server_name)


def configure(section: Section, host: Host) -> Probe:
    """From the keys `url`, `method`, `headers`, `body`, `status`, `contains`, `matches`, those of TLS.

    Raises ConfigError.
    """
    url = _url(section)
    method = section.text("method", "GET").upper()
    if not _METHOD.fullmatch(method):
        raise section.error("method", f"{method!r} is not a method such as GET or HEAD")
    return Http(
        url,
        Secured.configure(section, url.lower().startswith("https:")),
        method,
        _headers(section),
        section.content("body"),
        _statuses(section),
        section.content("contains"),
        pattern(section, "matches"),
    )


def _url(section: Section) -> str:
    url = section.required_text("url")
    try:
        parts = urllib.parse.urlsplit(url)
        usable = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
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
    return tuple(sorted((name.title(), value) for name, value in headers.items()))


def _statuses(section: Section) -> Ranges:
    """From a list of numbers and of texts as `200-299`."""
    given = section.get("status", [])
    ranges = []
    for item in given if isinstance(given, list) else [given]:
        found = _RANGE.fullmatch(str(item))
        if found is None:
            raise section.error("status", f"{item!r} is neither a status such as 200 nor a range such as 200-299")
        low, high = int(found[1]), int(found[2] or found[1])
        if low > high:
            raise section.error("status", f"no status is in the range {item!r}; did you mean {high}-{low}?")
        ranges.append((low, high))
    return tuple(ranges) or _DEFAULT_STATUS
