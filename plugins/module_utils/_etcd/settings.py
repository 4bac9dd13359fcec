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
import typing as t

from .durations import seconds_of
from .endpoints import DEFAULT_PORT, Endpoint, parse_endpoints
from .errors import InvalidSettings

if t.TYPE_CHECKING:
    import ssl

# Answers without quorum come after 7 s (measured on etcd 3.4 and 3.5), so a lone endpoint is given longer than that.
DEFAULT_TIMEOUT = 10.0

# What etcdctl reads from its environment, by the names of our options.
ETCDCTL = {
    "endpoints": "ETCDCTL_ENDPOINTS",
    "discovery_srv": "ETCDCTL_DISCOVERY_SRV",
    "discovery_srv_insecure": "ETCDCTL_INSECURE_DISCOVERY",
    "ca_cert": "ETCDCTL_CACERT",
    "client_cert": "ETCDCTL_CERT",
    "client_key": "ETCDCTL_KEY",
    "user": "ETCDCTL_USER",
    "password": "ETCDCTL_PASSWORD",
    "timeout": "ETCDCTL_DIAL_TIMEOUT",
}

# What says where etcd is, by the names of our options.
WHERE = ("endpoints", "host", "port", "discovery_srv")

_LONGEST_TIMEOUT = 40  # characters


def parse_seconds(given: t.Union[str, int, float]) -> float:
    """Read a number of seconds, or a duration as Go writes it (`5s`, `1m30s`, `500ms`). Raises InvalidSettings."""
    text = str(given).strip()
    for read in (seconds_of, float) if len(text) <= _LONGEST_TIMEOUT else ():
        try:
            return read(text)
        except ValueError:
            pass
    shown = f"{text[:_LONGEST_TIMEOUT]!r}{'...' if text[_LONGEST_TIMEOUT:] else ''}"
    raise InvalidSettings(f"timeout: expected seconds or a duration such as 5s or 1m30s, got {shown}")


def nearest(options: t.Mapping[str, t.Any], distance: t.Callable[[str], int]) -> t.Dict[str, t.Any]:
    """The options, and of WHERE only those that were given nearest; `distance` tells how far from the task one was.

    So a domain in a task takes the place of endpoints in the environment, as an endpoint in the task does.
    """
    given = [name for name in WHERE if options.get(name) is not None]
    near = min(map(distance, given), default=0)
    return {**options, **{name: None for name in given if distance(name) > near}}


def refuse_empty(options: t.Mapping[str, t.Any]) -> None:
    """Raises InvalidSettings for an option that is given and empty: only one that is not given (None) has a default.

    A list that an expression has made of an empty group must not stand for another cluster, or for all nodes.
    """
    for name, value in options.items():
        items = value if isinstance(value, (list, tuple)) else [value]
        if not [item for item in items if not isinstance(item, str) or item.strip()]:
            raise InvalidSettings(f"{name}: expected a value, got an empty one. Leave the option out for its default")


def _truth(name: str, given: t.Union[bool, str, None]) -> bool:
    """A truth value, or the text that an environment variable of etcdctl has for one; False for none."""
    text = str(given or False).lower()
    if text not in ("true", "t", "1", "false", "f", "0"):
        raise InvalidSettings(f"{name}: expected true or false, got {given!r}")
    return text in ("true", "t", "1")


@dataclasses.dataclass(frozen=True)
class Tls:
    """Files that secure the way to etcd; paths, or empty. `server_name` is who etcd must be, if not the host."""

    ca_cert: str = ""
    client_cert: str = ""
    client_key: str = ""
    verify: bool = True
    server_name: str = ""

    @property
    def files(self) -> t.Tuple[str, ...]:
        """The paths that are given."""
        return tuple(filter(None, (self.ca_cert, self.client_cert, self.client_key)))

    def version(self) -> t.Tuple[t.Tuple[int, int], ...]:
        """Changes whenever a file is replaced: certificates rotate under a running daemon. Raises InvalidSettings."""
        try:
            return tuple((info.st_ino, info.st_mtime_ns) for info in map(os.stat, self.files))
        except OSError as exc:
            raise InvalidSettings(f"Cannot read a TLS file: {exc}") from exc

    def context(self) -> ssl.SSLContext:
        """Load the files. Raises InvalidSettings where one cannot be used."""
        import ssl

        for path in self.files:
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
            raise InvalidSettings(f"Cannot load the TLS files ({', '.join(self.files)}): {exc}") from exc
        return context


@dataclasses.dataclass(frozen=True)
class Settings:
    """All that a client needs to know. `timeout` is seconds for one request over all endpoints.

    Without `endpoints` the SRV records of the domain `discovery_srv` say where etcd is, read anew when none answers.
    """

    endpoints: t.Tuple[Endpoint, ...]
    discovery_srv: str = ""
    discovery_srv_insecure: bool = False
    user: str = ""
    password: str = dataclasses.field(default="", repr=False)
    timeout: float = DEFAULT_TIMEOUT
    tls: Tls = Tls()

    def __post_init__(self) -> None:
        if bool(self.endpoints) == bool(self.discovery_srv):
            raise InvalidSettings("Give either endpoints or discovery_srv, which finds them")
        if bool(self.user) != bool(self.password):
            raise InvalidSettings("user and password belong together: give both, or neither")
        if bool(self.tls.client_cert) != bool(self.tls.client_key):
            raise InvalidSettings("client_cert and client_key belong together: give both, or neither")
        plain = next((str(one) for one in self.endpoints if one.scheme != "https"), "")
        if plain and (self.tls.files or self.tls.server_name):
            raise InvalidSettings(
                "ca_cert, client_cert, client_key and tls_server_name are for https, but one endpoint is plain: "
                f"{plain}. Give it as https://, or leave these options out"
            )
        if not 0 < self.timeout < math.inf:
            raise InvalidSettings(f"timeout must be more than 0 seconds, not {self.timeout}")

    @property
    def secured(self) -> bool:
        """Whether somebody relies on TLS: an option of it is given, or a password would be sent."""
        return bool(self.tls.files or self.tls.server_name or self.password or not self.tls.verify)

    @property
    def is_encrypted(self) -> bool:
        """Whether nothing may leave in clear."""
        if self.discovery_srv:
            return self.secured and not self.discovery_srv_insecure
        return all(one.scheme == "https" for one in self.endpoints)

    @property
    def warning(self) -> str:
        """What an operator must know of these settings, "" for nothing."""
        if self.tls.verify or not (self.discovery_srv or any(one.scheme == "https" for one in self.endpoints)):
            return ""
        return (
            "validate_certs is false, so etcd's certificate is not verified: any host on the way can pose as etcd and "
            "read the password. Set ca_cert, and remove validate_certs"
        )

    @classmethod
    def from_mapping(cls, options: t.Mapping[str, t.Any]) -> Settings:
        """Settings from the option names of the collection (the same in modules, plugins and the agent's config).

        `endpoints` (list or string), or `host` and `port`, which take its place, or `discovery_srv`, with
        `discovery_srv_insecure`; `user`, which may
        be `user:password` as etcdctl has it, and `password`, which takes the place of that one; `timeout` (seconds or a
        duration), `ca_cert`, `client_cert`, `client_key`, `validate_certs`, `tls_server_name`. Raises InvalidSettings.
        """
        refuse_empty(options)
        tls = Tls(
            ca_cert=options.get("ca_cert") or "",
            client_cert=options.get("client_cert") or "",
            client_key=options.get("client_key") or "",
            verify=options.get("validate_certs") is not False,
            server_name=options.get("tls_server_name") or "",
        )
        srv = options.get("discovery_srv") or ""
        given = options.get("endpoints")
        port = options.get("port")
        if options.get("host") or port is not None or not (given or srv):
            host, port = options.get("host") or "127.0.0.1", DEFAULT_PORT if port is None else port
            given = f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"
        user, _colon, password = (options.get("user") or "").partition(":")  # always: no message may show a password
        return cls(
            endpoints=parse_endpoints(given, secure=bool(tls.files or tls.server_name)) if given else (),
            discovery_srv=srv,
            discovery_srv_insecure=_truth("discovery_srv_insecure", options.get("discovery_srv_insecure")),
            user=user,
            password=options.get("password") or password,
            timeout=DEFAULT_TIMEOUT if options.get("timeout") is None else parse_seconds(options["timeout"]),
            tls=tls,
        )
