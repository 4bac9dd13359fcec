# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Client URLs of etcd: one parser for every place that gives them.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import re
import typing as t
import urllib.parse

from .errors import InvalidSettings

DEFAULT_PORT = 2379

_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+(%[A-Za-z0-9._-]+)?")
_FORM = "give it as http://host:2379, https://host:2379, host:2379 (IPv6 in brackets) or unix:///path"


class Endpoint(t.NamedTuple):
    """One client URL. Of a unix socket `host` is the path, and `port` 0."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        if self.scheme == "unix":
            return f"unix://{self.host}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def parse_endpoint(text: str, secure: bool = False) -> Endpoint:
    """Read `http://host:port`, `host:port`, `host`, `unix:///path`.

    Without a scheme it is https when `secure`, as in etcdctl. Raises InvalidSettings: a malformed endpoint is
    never taken for another one.
    """
    given = text.strip()
    url = given if "://" in given else f"{'https' if secure else 'http'}://{given}"
    try:
        parts = urllib.parse.urlsplit(url)
        port = DEFAULT_PORT if parts.port is None else parts.port
    except ValueError as exc:
        if url.startswith("unix://"):  # etcd names a socket in its working directory as if it were host:port
            return Endpoint("unix", url[len("unix://") :], 0)
        raise InvalidSettings(f"Malformed etcd endpoint {given!r}: {exc}; {_FORM}") from exc
    if parts.scheme == "unix" and (parts.netloc + parts.path).strip("/"):
        return Endpoint("unix", parts.netloc + parts.path, 0)
    host = parts.hostname or ""
    if re.search(r"[\t\r\n]", given):  # urlsplit leaves them out, and so would make another name of it
        raise InvalidSettings(f"Malformed etcd endpoint {given!r}; {_FORM}")
    if "@" in parts.netloc:
        raise InvalidSettings("An etcd endpoint must not carry credentials: give user and password as options")
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host) or port == 0 or parts.netloc.endswith(":"):
        raise InvalidSettings(f"Malformed etcd endpoint {given!r}; {_FORM}")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise InvalidSettings(f"Malformed etcd endpoint {given!r}: nothing may follow the port; {_FORM}")
    return Endpoint(parts.scheme, host, port)


def parse_endpoints(given: t.Union[str, t.Sequence[str]], secure: bool = False) -> t.Tuple[Endpoint, ...]:
    """Read a list of endpoints, or one string with commas between them. Raises InvalidSettings."""
    items = given.split(",") if isinstance(given, str) else [part for item in given for part in str(item).split(",")]
    if not any(item.strip() for item in items):
        raise InvalidSettings("No etcd endpoint is given")
    return tuple(dict.fromkeys(parse_endpoint(item, secure) for item in items))
