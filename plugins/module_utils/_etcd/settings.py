# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where etcd is and how to get in: endpoints, TLS files, credentials.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import dataclasses
import math
import os
import re
import ssl
import typing as t
import urllib.parse

from .errors import InvalidSettings

DEFAULT_PORT = 2379

# Answers without quorum come after 7 s (measured on etcd 3.4 and 3.5), so a lone endpoint is given longer than that.
DEFAULT_TIMEOUT = 10.0

_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+(%[A-Za-z0-9._-]+)?")

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION_PART = re.compile(r"([0-9]*\.?[0-9]+)(ms|s|m|h)")


class Endpoint(t.NamedTuple):
    """One client URL of etcd."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def parse_seconds(given: t.Union[str, int, float]) -> float:
    """Read a number of seconds, or a duration as Go writes it (`5s`, `1m30s`, `500ms`). Raises InvalidSettings."""
    text = str(given).strip()
    parts = _DURATION_PART.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return sum(float(number) * _UNITS[unit] for number, unit in parts)
    try:
        return float(text)
    except ValueError:
        raise InvalidSettings(f"timeout must be seconds or a duration such as 5s or 1m30s, not {text!r}") from None


def parse_endpoint(text: str, secure: bool = False) -> Endpoint:
    """Read `http://host:port`, `host:port`, `host`, with IPv6 addresses in brackets.

    Without a scheme it is https when `secure`, as in etcdctl. Raises InvalidSettings: a malformed endpoint is
    never taken for another one.
    """
    given = text.strip()
    url = given if "://" in given else f"{'https' if secure else 'http'}://{given}"
    problem = "give it as http://host:2379, https://host:2379 or host:2379 (IPv6 in brackets)"
    try:
        parts = urllib.parse.urlsplit(url)
        port = DEFAULT_PORT if parts.port is None else parts.port
    except ValueError as exc:
        raise InvalidSettings(f"Malformed etcd endpoint {given!r}: {exc}; {problem}") from exc
    host = parts.hostname or ""
    if "@" in parts.netloc:
        raise InvalidSettings("An etcd endpoint must not carry credentials: give user and password as options")
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host) or port == 0 or parts.netloc.endswith(":"):
        raise InvalidSettings(f"Malformed etcd endpoint {given!r}; {problem}")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise InvalidSettings(f"Malformed etcd endpoint {given!r}: nothing may follow the port; {problem}")
    return Endpoint(parts.scheme, host, port)


def parse_endpoints(given: t.Union[str, t.Sequence[str]], secure: bool = False) -> t.Tuple[Endpoint, ...]:
    """Read a list of endpoints, or one string with commas between them. Raises InvalidSettings."""
    items = given.split(",") if isinstance(given, str) else [part for item in given for part in str(item).split(",")]
    if not any(item.strip() for item in items):
        raise InvalidSettings("No etcd endpoint is given")
    return tuple(dict.fromkeys(parse_endpoint(item, secure) for item in items))


@dataclasses.dataclass(frozen=True)
class Tls:
    """Files that secure the way to etcd; paths, or empty."""

    ca_cert: str = ""
    client_cert: str = ""
    client_key: str = ""
    verify: bool = True

    def context(self) -> ssl.SSLContext:
        """Load the files. Raises InvalidSettings where one cannot be used."""
        for path in filter(None, (self.ca_cert, self.client_cert, self.client_key)):
            if not os.access(path, os.R_OK):
                raise InvalidSettings(f"Cannot read the TLS file {path}: check the path and its permissions")
        try:
            context = ssl.create_default_context(cafile=self.ca_cert or None)
            if not self.verify:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            if self.client_cert:
                context.load_cert_chain(self.client_cert, self.client_key)
        except (ssl.SSLError, OSError) as exc:
            files = ", ".join(filter(None, (self.ca_cert, self.client_cert, self.client_key)))
            raise InvalidSettings(f"Cannot load the TLS files ({files}): {exc}") from exc
        return context


@dataclasses.dataclass(frozen=True)
class Settings:
    """All that a client needs to know. `timeout` is seconds for one request over all endpoints."""

    endpoints: t.Tuple[Endpoint, ...]
    user: str = ""
    password: str = dataclasses.field(default="", repr=False)
    timeout: float = DEFAULT_TIMEOUT
    tls: Tls = Tls()

    def __post_init__(self) -> None:
        if bool(self.user) != bool(self.password):
            raise InvalidSettings("user and password belong together: give both, or neither")
        if bool(self.tls.client_cert) != bool(self.tls.client_key):
            raise InvalidSettings("client_cert and client_key belong together: give both, or neither")
        if not 0 < self.timeout < math.inf:
            raise InvalidSettings(f"timeout must be more than 0 seconds, not {self.timeout}")

    @classmethod
    def from_mapping(cls, options: t.Mapping[str, t.Any]) -> Settings:
        """Settings from the option names of the collection (the same in modules, plugins and the agent's config).

        `endpoints` (list or string), or `host` and `port`, which take its place; `user` and `password`, or without the
        latter `user:password` as etcdctl has it; `timeout` (seconds or a duration), `ca_cert`, `client_cert`,
        `client_key`, `validate_certs`. Raises InvalidSettings.
        """
        tls = Tls(
            ca_cert=options.get("ca_cert") or "",
            client_cert=options.get("client_cert") or "",
            client_key=options.get("client_key") or "",
            verify=options.get("validate_certs") is not False,
        )
        given = options.get("endpoints")
        if not given or options.get("host") or options.get("port"):
            host, port = options.get("host") or "127.0.0.1", options.get("port") or DEFAULT_PORT
            given = f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"
        user, password = options.get("user") or "", options.get("password") or ""
        if not password:
            user, _colon, password = user.partition(":")
        return cls(
            endpoints=parse_endpoints(given, secure=bool(tls.ca_cert or tls.client_cert)),
            user=user,
            password=password,
            timeout=DEFAULT_TIMEOUT if options.get("timeout") is None else parse_seconds(options["timeout"]),
            tls=tls,
        )
