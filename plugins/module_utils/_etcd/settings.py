# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The settings of a connection to etcd: endpoints, TLS files, credentials, timeout.

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

# Without quorum, etcd answers after 7 s (measured on 3.4 and 3.5); a single endpoint gets more time than that.
DEFAULT_TIMEOUT = 10.0

# The environment variables of etcdctl, by the names of our options.
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

# The options that locate etcd.
WHERE = ("endpoints", "host", "port", "discovery_srv")

_LONGEST_TIMEOUT = 40  # characters


def parse_seconds(given: t.Union[str, int, float]) -> float:
    """Parse a number of seconds, or a duration in Go's form (`5s`, `1m30s`, `500ms`). Raises InvalidSettings."""
    text = str(given).strip()
    for read in (seconds_of, float) if len(text) <= _LONGEST_TIMEOUT else ():
        try:
            return read(text)
        except ValueError:
            pass
    shown = f"{text[:_LONGEST_TIMEOUT]!r}{'...' if text[_LONGEST_TIMEOUT:] else ''}"
    raise InvalidSettings(f"timeout: expected seconds or a duration such as 5s or 1m30s, got {shown}")


def nearest(options: t.Mapping[str, t.Any], distance: t.Callable[[str], int]) -> t.Dict[str, t.Any]:
    """The options without those of WHERE that a nearer one overrides; `distance` is how far from the task one was set.

    So a domain in a task overrides endpoints in the environment, just as an endpoint in the task does.
    """
    given = [name for name in WHERE if options.get(name) is not None]
    near = min(map(distance, given), default=0)
    return {**options, **{name: None for name in given if distance(name) > near}}


def refuse_empty(options: t.Mapping[str, t.Any]) -> None:
    """Raises InvalidSettings for an option that is set, but empty; only an option that is not set (None) has a default.

    An empty list, such as from an expression over an empty group, must not mean another cluster, or all nodes.
    """
    for name, value in options.items():
        items = value if isinstance(value, (list, tuple)) else [value]
        if not [item for item in items if not isinstance(item, str) or item.strip()]:
            raise InvalidSettings(f"{name}: expected a value, got an empty one. Omit the option to use its default")


def _truth(name: str, given: t.Union[bool, str, None]) -> bool:
    """A boolean, or the text of one in an environment variable of etcdctl; None means False. Raises InvalidSettings."""
    text = str(given or False).lower()
    if text not in ("true", "t", "1", "false", "f", "0"):
        raise InvalidSettings(f"{name}: expected true or false, got {given!r}")
    return text in ("true", "t", "1")


@dataclasses.dataclass(frozen=True)
class Tls:
    """The TLS files (paths, or ""). `server_name` is the name that etcd's certificate must have; "": the host."""

    ca_cert: str = ""
    client_cert: str = ""
    client_key: str = ""
    verify: bool = True
    server_name: str = ""

    @property
    def files(self) -> t.Tuple[str, ...]:
        """The paths that are set."""
        return tuple(filter(None, (self.ca_cert, self.client_cert, self.client_key)))

    def version(self) -> t.Tuple[t.Tuple[int, int], ...]:
        """A value that changes if a file is replaced, such as a renewed certificate. Raises InvalidSettings."""
        try:
            return tuple((info.st_ino, info.st_mtime_ns) for info in map(os.stat, self.files))
        except OSError as exc:
            raise InvalidSettings(f"Cannot read a TLS file: {exc}") from exc

    def context(self) -> ssl.SSLContext:
        """Load the files. Raises InvalidSettings if one of them is unusable."""
        import ssl

        for path in self.files:
            if not os.access(path, os.R_OK):
                raise InvalidSettings(f"Cannot read the TLS file {path}. Check the path and its permissions")
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
    """The settings of a client. `timeout` is in seconds, for one request across all endpoints.

    Without `endpoints`, the endpoints are the SRV records of the domain `discovery_srv`, which are looked up again if
    none of them answers.
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
            got = "both" if self.endpoints else "neither"
            raise InvalidSettings(f"endpoints, discovery_srv: expected exactly one of them, got {got}")
        if bool(self.user) != bool(self.password):
            raise InvalidSettings(
                f"user, password: expected both or neither, got only {'user' if self.user else 'password'}"
            )
        if bool(self.tls.client_cert) != bool(self.tls.client_key):
            got = "client_cert" if self.tls.client_cert else "client_key"
            raise InvalidSettings(f"client_cert, client_key: expected both or neither, got only {got}")
        plain = next((str(one) for one in self.endpoints if one.scheme != "https"), "")
        if plain and (self.tls.files or self.tls.server_name):
            raise InvalidSettings(
                f"endpoints: expected https:// URLs, since TLS options are set, got {plain}. Use https://, or omit "
                "ca_cert, client_cert, client_key and tls_server_name"
            )
        if not 0 < self.timeout < math.inf:
            raise InvalidSettings(f"timeout: expected more than 0 seconds, got {self.timeout}")

    @property
    def secured(self) -> bool:
        """Whether TLS is required: a TLS option is set, or a password would be sent."""
        return bool(self.tls.files or self.tls.server_name or self.password or not self.tls.verify)

    @property
    def is_encrypted(self) -> bool:
        """Whether all traffic is encrypted."""
        if self.discovery_srv:
            return self.secured and not self.discovery_srv_insecure
        return all(one.scheme == "https" for one in self.endpoints)

    @property
    def warning(self) -> str:
        """A warning about insecure settings, or ""."""
        if self.tls.verify or not (self.discovery_srv or any(one.scheme == "https" for one in self.endpoints)):
            return ""
        return (
            "validate_certs is false, so the certificate of etcd is not verified: any host on the network path can "
            "impersonate etcd and read the password. Set ca_cert, and remove validate_certs"
        )

    @classmethod
    def from_mapping(cls, options: t.Mapping[str, t.Any]) -> Settings:
        """Settings from options, whose names are the same in modules, plugins and the agent's configuration.

        `endpoints` (list or string), or instead `host` and `port`, or `discovery_srv` with `discovery_srv_insecure`;
        `user`, optionally in etcdctl's form `user:password`; `password`, which overrides that one; `timeout` (seconds
        or a duration); `ca_cert`, `client_cert`, `client_key`, `validate_certs`, `tls_server_name`. Raises
        InvalidSettings.
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
        user, _colon, password = (options.get("user") or "").partition(
            ":"
        )  # even with `password`: no message may show it
        return cls(
            endpoints=parse_endpoints(given, secure=bool(tls.files or tls.server_name)) if given else (),
            discovery_srv=srv,
            discovery_srv_insecure=_truth("discovery_srv_insecure", options.get("discovery_srv_insecure")),
            user=user,
            password=options.get("password") or password,
            timeout=DEFAULT_TIMEOUT if options.get("timeout") is None else parse_seconds(options["timeout"]),
            tls=tls,
        )
