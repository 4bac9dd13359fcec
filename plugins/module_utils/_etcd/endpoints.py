# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Client URLs of etcd, with a single parser for all sources.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import re
import socket
import typing as t
import urllib.parse

from .errors import InvalidSettings

DEFAULT_PORT = 2379

_UNIX = "unix://"
_NETLOC = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*(%[A-Za-z0-9._-]+)?\])(:[0-9]+)?")
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_LONGEST_HOST = 253  # characters, RFC 1035
_FORM = "http://host:2379, https://host:2379, host:2379 (IPv6 in brackets) or unix:///path"


class Endpoint(t.NamedTuple):
    """One client URL. For a unix socket, `host` is the path and `port` is 0."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        if self.scheme == "unix":
            return f"unix://{self.host}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def is_host(host: str) -> bool:
    """Whether `host` is a valid host name or IP address (IPv6 without brackets).

    In DNS, labels are not empty and have at most 63 characters, and the last one is not a number.
    """
    try:
        if ":" in host:
            return bool(socket.inet_pton(socket.AF_INET6, host.partition("%")[0]))
        labels = (host[:-1] if host.endswith(".") else host).split(".")
        if labels[-1].isdigit():
            return bool(socket.inet_aton(host))
    except OSError:
        return False
    return len(host) <= _LONGEST_HOST and all(map(_LABEL.fullmatch, labels))


def parse_endpoint(text: str, secure: bool = False) -> Endpoint:
    """Parse `http://host:port`, `host:port`, `host`, `unix:///path`.

    Without a scheme it is https if `secure`, as in etcdctl. Raises InvalidSettings: a malformed endpoint must never be
    read as another one.
    """
    given = text.strip()
    _refuse_credentials(given)
    if re.search(r"[\x00-\x1f\x7f-\x9f]", given):  # urlsplit removes some of these, which would give another name
        raise _malformed(given, "it contains a control character")
    if _is_unix(given) and given[len(_UNIX) :].strip("/"):
        return Endpoint("unix", given[len(_UNIX) :], 0)
    try:
        parts = urllib.parse.urlsplit(given if "://" in given else f"{'https' if secure else 'http'}://{given}")
        port = DEFAULT_PORT if parts.port is None else parts.port
    except ValueError as exc:
        raise _malformed(given, str(exc)) from exc
    plain = parts.scheme in ("http", "https") and _NETLOC.fullmatch(parts.netloc) and port != 0
    if not plain or not is_host(parts.hostname or ""):
        raise _malformed(given)
    if parts.path not in ("", "/") or re.search("[?#]", given):
        raise _malformed(given, "nothing may follow the port")
    return Endpoint(parts.scheme, parts.hostname or "", port)


def parse_endpoints(given: t.Union[str, t.Sequence[str]], secure: bool = False) -> t.Tuple[Endpoint, ...]:
    """Parse a list of endpoints, or a comma-separated string. Raises InvalidSettings."""
    items = given.split(",") if isinstance(given, str) else [part for item in given for part in str(item).split(",")]
    if not any(item.strip() for item in items):
        raise InvalidSettings("endpoints: expected at least one URL, got an empty list")
    for item in items:
        _refuse_credentials(item.strip())  # before a message shows one: a comma in a password splits it into two items
    return tuple(dict.fromkeys(parse_endpoint(item, secure) for item in items))


def _is_unix(given: str) -> bool:
    return given.lower().startswith(_UNIX)


def _refuse_credentials(given: str) -> None:
    """Raises InvalidSettings, without any part of `given`, since it is unknown where the password begins and ends."""
    if "@" in given and not _is_unix(given):
        raise InvalidSettings(
            "endpoints: expected URLs without credentials, got one with them. Set the options user and password instead"
        )


def _malformed(given: str, reason: str = "") -> InvalidSettings:
    return InvalidSettings(f"etcd endpoint: expected {_FORM}, got {given!r}{reason and f' ({reason})'}")
