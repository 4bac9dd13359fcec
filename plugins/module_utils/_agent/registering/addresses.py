# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The address under which others reach this host: given, or found and followed.

Internal to the collection: no promise is made to other users of this file.

An address is only ever replaced by another one: while none can be found, or what is found must not be published, the
last one stays.
"""

from __future__ import annotations

import ipaddress
import shlex
import threading
import typing as t

from ..._etcd.text import shown
from ..._registry.errors import InvalidNode, NoAddress, RegistryError
from ..._registry.following.timing import jittered
from ..._registry.validation import Network, valid_address
from ..config import Section, checked
from ..host import interfaces, log

GIVEN, INTERFACE, CIDR, ROUTE, COMMAND = "given", "interface", "cidr", "route", "command"
KINDS = (INTERFACE, CIDR, ROUTE, COMMAND)

DEFAULT_ROUTE = "default"
# Somewhere on the internet, the same as for Ansible's facts default_ipv4 and default_ipv6. Nothing is sent there.
_FAR_AWAY = {4: "8.8.8.8", 6: "2404:6800:400a:800::1012"}

_INTERVAL = 5.0  # seconds between two questions to the kernel, which cost 0.3 ms
_COMMAND_INTERVAL = 60.0
_COMMAND_TIMEOUT = 10.0  # seconds
_GRACE = 1.0  # seconds beyond that in which a command may come back


class Source(t.NamedTuple):
    """Where the address comes from. `family` is 4, 6, or 0 for either, IPv4 first; `interval` is seconds."""

    kind: str
    value: str
    family: int = 0
    interval: float = float("inf")

    def __str__(self) -> str:
        return f"{self.kind} {self.value}"


class Candidates(t.NamedTuple):
    """The candidates of `source`, the best first, or why it has no candidate."""

    source: Source
    candidates: t.Tuple[str, ...]
    problem: str = ""


def read(root: Section, allowed: t.Sequence[Network]) -> Source:
    """The source from the key `address`: a text, or an object with one of KINDS. Raises ConfigError."""
    given = root.get("address")
    if given is None:
        return Source(ROUTE, DEFAULT_ROUTE, 0, _INTERVAL)
    if isinstance(given, str):
        return Source(GIVEN, checked(root, "address", lambda: valid_address(root.text("address"), allowed)))
    section = root.section("address")
    kinds = [kind for kind in KINDS if section.get(kind) is not None]
    if len(kinds) != 1:
        raise section.error("", f"one of {', '.join(KINDS)} is wanted")
    kind = kinds[0]
    value = shlex.join(section.texts(COMMAND)) if kind == COMMAND else section.required_text(kind)
    family = section.whole("family", 0, 0, 6)
    usual = _COMMAND_INTERVAL if kind == COMMAND else _INTERVAL
    source = Source(kind, value, family, section.seconds("interval", usual, 0.1))
    section.end()
    if family not in (0, 4, 6):
        raise section.error("family", f"{family} is neither 4 nor 6")
    if not value:
        raise section.error(kind, "it is empty")
    if kind == CIDR or (kind == ROUTE and value != DEFAULT_ROUTE):
        _check_ip(section, source)
    if kind == CIDR:
        _check_allowed(section, value, allowed)
    return source


class Locator:
    """Knows this host's address. `deliver` takes what a command has found, in the command's own thread."""

    def __init__(self, source: Source, allowed: t.Sequence[Network], deliver: t.Callable[[Candidates], None]) -> None:
        self.address = ""  # the last that could be published
        self.problem = ""  # why the last look gave none
        self._deliver = deliver
        self._running: t.Optional[Source] = None  # the command that has not come back
        self._begun = 0.0
        self.configure(source, allowed)

    def configure(self, source: Source, allowed: t.Sequence[Network]) -> None:
        """Take another source; the address stays until that one gives another."""
        self._source, self._allowed = source, allowed
        self._due = 0.0

    @property
    def next_due(self) -> float:
        """When `turn` has something to do again."""
        return self._due

    def turn(self, now: float) -> None:
        """Look if it is time. Only a command takes time, and a thread of its own."""
        if now < self._due:
            return
        source = self._source
        self._due = now + jittered(source.interval, 0.1)
        if source.kind != COMMAND:
            self._use(_look(source))
        elif self._running != source:
            self._due += _COMMAND_TIMEOUT
            self._start(source, now)
        elif now - self._begun > _COMMAND_TIMEOUT + _GRACE:
            self._use(Candidates(source, (), f"{source.value} was killed, and does not end"))  # never two at a time

    def take(self, found: Candidates, now: float) -> None:
        """Use what a command has found."""
        if found.source == self._running:
            self._running = None
        if found.source == self._source:  # else it is of a former configuration
            self._due = now + jittered(found.source.interval, 0.1)
            self._use(found)

    def _start(self, source: Source, now: float) -> None:
        try:
            threading.Thread(target=lambda: self._deliver(_look(source)), name="address", daemon=True).start()
        except RuntimeError as exc:  # the host has no process or memory left
            self._use(Candidates(source, (), f"{source.value} cannot be started: {exc}"))
        else:
            self._running, self._begun = source, now

    def _use(self, found: Candidates) -> None:
        usable, problem = self._usable(found)
        # The address in use stays as long as it is there, however many come and go beside it.
        if usable and not (self.address in usable and _family(self.address) == _family(usable[0])):
            self.address = usable[0]
        if problem != self.problem and problem:
            kept = f"; {self.address} stays" if self.address else ""
            log.warning(f"No address for this host ({found.source}): {problem}{kept}", "RC-E-ADDRESS")
        self.problem = problem

    def _usable(self, found: Candidates) -> t.Tuple[t.List[str], str]:
        """The candidates that may be published, or why no candidate may."""
        usable, problem = [], found.problem
        for text in found.candidates:
            try:
                usable.append(valid_address(text, self._allowed))
            except InvalidNode as exc:
                problem = problem or str(exc)
        return (usable, "") if usable else ([], problem or "no usable address")


def _look(source: Source) -> Candidates:
    """All addresses that `source` gives, in the order in which they are wanted."""
    try:
        candidates = _LOOKS[source.kind](source)
    except (OSError, RegistryError) as exc:
        return Candidates(source, (), str(exc))
    except Exception as exc:  # of any kind: it must not end the agent, and a command must not seem to run for ever
        return Candidates(source, (), f"{type(exc).__name__}: {exc}")
    wanted = [text for text in candidates if source.family in (0, _family(text))]
    return Candidates(source, tuple(sorted(wanted, key=_family)))


def _given(source: Source) -> t.List[str]:
    return [source.value]


def _interface(source: Source) -> t.List[str]:
    found = [found for found in interfaces.addresses() if found.interface == source.value]
    return _primary_first(found)


def _cidr(source: Source) -> t.List[str]:
    network = ipaddress.ip_network(source.value)
    return _primary_first([each for each in interfaces.addresses() if ipaddress.ip_address(each.address) in network])


def _route(source: Source) -> t.List[str]:
    if source.value != DEFAULT_ROUTE:
        return [interfaces.towards(source.value)]
    found, problem = [], None
    for family in (source.family,) if source.family else (4, 6):
        try:
            found.append(interfaces.towards(_FAR_AWAY[family]))
        except OSError as exc:
            problem = exc
    if problem and not found:
        raise problem
    return found


def _command(source: Source) -> t.List[str]:
    from ..host.programs import run_program  # which most agents need not carry

    try:
        ended = run_program(shlex.split(source.value), _COMMAND_TIMEOUT)
    except OSError as exc:
        raise NoAddress(f"{source.value} cannot be started: {exc.strerror or exc}") from None
    if ended.status != 0:
        last = ended.output.splitlines()[-1:]  # most programs say there what went wrong
        raise NoAddress(": ".join([source.value, ended.how(_COMMAND_TIMEOUT), *last]))
    words = ended.output.split()
    if not words:
        raise NoAddress(f"{source.value} printed nothing")
    return words


_LOOKS: t.Dict[str, t.Callable[[Source], t.List[str]]] = {
    GIVEN: _given,
    INTERFACE: _interface,
    CIDR: _cidr,
    ROUTE: _route,
    COMMAND: _command,
}


def _primary_first(found: t.Sequence[interfaces.InterfaceAddress]) -> t.List[str]:
    return [each.address for each in sorted(found, key=lambda each: each.secondary)]


def _family(text: str) -> int:
    return 6 if ":" in text else 4


def _check_ip(section: Section, source: Source) -> None:
    """A network for `cidr`, an address for `route`, of the family that is wanted. Raises ConfigError."""
    parse = ipaddress.ip_network if source.kind == CIDR else ipaddress.ip_address
    try:
        version = parse(source.value).version
    except ValueError as exc:
        words = f"{DEFAULT_ROUTE!r} or an IP address" if source.kind == ROUTE else "a network as 10.0.0.0/8"
        raise section.error(source.kind, f"{shown(source.value)} is not {words}") from exc
    if source.family not in (0, version):
        raise section.error("family", f"{source.value} is of family {version}")


def _check_allowed(section: Section, cidr: str, allowed: t.Sequence[Network]) -> None:
    """Raises ConfigError if no address of the network could be registered."""
    network = ipaddress.ip_network(cidr)
    if allowed and not any(network.version == other.version and network.overlaps(other) for other in allowed):
        raise section.error(CIDR, f"no address of {cidr} is in one of the allowed networks")
    if not allowed and (network.is_loopback or network.is_link_local or network.is_multicast):
        raise section.error(CIDR, f"other hosts cannot reach the addresses of {cidr} (allowed_networks can allow it)")
