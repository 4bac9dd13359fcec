# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Functions of templates that ask DNS or this host's interfaces, under the names that confd gives them.

Internal to the collection: no promise is made to other users of this file.

confd takes a name that cannot be looked up for one without addresses. Here that is an error, and the file stays as it
is: a nameserver that is away must not empty it.
"""

from __future__ import annotations

import re
import socket
import time
import typing as t

from ..._etcd.dial import look_up
from ..._etcd.errors import Unreachable
from ..._etcd.srv import look_up_records
from ..._etcd.text import printable
from ..host.interfaces import addresses
from .keystore import TemplateFailed

_SECONDS = 10.0  # for all lookups of one rendering together
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")


class Service(t.NamedTuple):
    """An SRV record."""

    target: str
    port: int
    priority: int
    weight: int


class Lookups:
    """The DNS lookups of one rendering. Each is made once, and all of them take a bounded time."""

    def __init__(self, seconds: float = _SECONDS) -> None:
        self._deadline = time.monotonic() + seconds
        self._known: t.Dict[t.Tuple[str, str], t.List[t.Any]] = {}

    def functions(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        """By their names in templates."""
        return {
            "lookupIP": self.lookup_ip,
            "lookupIPV4": lambda name: [each for each in self.lookup_ip(name) if ":" not in each],
            "lookupIPV6": lambda name: [each for each in self.lookup_ip(name) if ":" in each],
            "lookupIfaceIPV4": lookup_interface,
            "lookupSRV": self.lookup_srv,
        }

    def lookup_ip(self, name: str) -> t.List[str]:
        """The addresses of a name, sorted. Raises TemplateFailed."""
        return self._ask("lookupIP", name, lambda seconds: sorted(look_up(name, seconds)))

    def lookup_srv(self, service: str, protocol: str, name: str) -> t.List[Service]:
        """The SRV records of a service, sorted by target and port. Raises TemplateFailed."""
        domain = f"_{service}._{protocol}.{name}" if service or protocol else name

        def ask(seconds: float) -> t.List[Service]:
            records = look_up_records(domain, seconds)
            for record in records:
                if not _HOST.fullmatch(record[2]):
                    raise ValueError(f"the target {printable(record[2], 80)} is not a host name")
            return sorted(Service(target, port, priority, weight) for priority, weight, target, port in records)

        return self._ask("lookupSRV", domain, ask)

    def _ask(self, function: str, name: str, ask: t.Callable[[float], t.List[t.Any]]) -> t.List[t.Any]:
        if (function, name) not in self._known:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TemplateFailed(f"{function}: no time is left to look up {printable(name, 80)}")
            try:
                self._known[function, name] = ask(left)
            except (socket.gaierror, Unreachable, ValueError) as exc:
                reason = exc.strerror if isinstance(exc, OSError) else str(exc)
                raise TemplateFailed(f"{function}: cannot look up {printable(name, 80)}: {reason}") from None
        return self._known[function, name]


def lookup_interface(name: str) -> str:
    """The first IPv4 address of an interface of this host. Raises TemplateFailed."""
    try:
        found = [each.address for each in addresses() if each.interface == name and ":" not in each.address]
    except OSError as exc:
        raise TemplateFailed(f"lookupIfaceIPV4: cannot read the addresses of this host: {exc.strerror}") from None
    if not found:
        raise TemplateFailed(f"lookupIfaceIPV4: no interface {printable(name, 80)} with an IPv4 address is up")
    return found[0]
