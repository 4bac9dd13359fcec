# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sections `checks` and `writes` of /etc/rollcall/register.json.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import importlib
import typing as t

from ..._registry.model import CRITICAL, PASSING, WARNING
from ..._registry.validation import valid_word
from ..config import Section, checked
from .dwell import Writes
from .probe import Host, Probe

# Each a module `probe_<type>`, imported only where it is configured: what is not checked costs no memory.
TYPES = ("alias", "http", "process", "script", "systemd", "tcp", "ttl")

# These read statuses that have waited for enough results already.
_AT_ONCE = frozenset({"alias", "ttl"})

_YEAR = 365 * 86400.0


class CheckConfig(t.NamedTuple):
    """One check. `service` is "" for a check of the node itself; times are seconds.

    A status changes for the better after `rise` results in a row, for the worse after `fall`. Before the first result
    it is `initial`. `severity` is the worst that is made of a result. A service (or node) that was critical for
    `deregister_after` leaves the registry until it is not; 0: it stays.
    """

    name: str
    service: str
    probe: Probe
    interval: float = 10.0
    timeout: float = 3.0
    rise: int = 2
    fall: int = 3
    initial: str = CRITICAL
    severity: str = CRITICAL
    deregister_after: float = 0.0


def parse_checks(root: Section, services: t.Collection[str], host: Host) -> t.Tuple[CheckConfig, ...]:
    """All checks, by name. `services` are those that a check may be for. Raises ConfigError."""
    sections = sorted(root.sections("checks").items())
    return tuple(_check(root, name, section, services, host) for name, section in sections)


def parse_writes(root: Section) -> Writes:
    """How often results are written. Raises ConfigError."""
    section, usual = root.section("writes"), Writes()
    writes = Writes(
        per_minute=float(section.whole("per_minute", int(usual.per_minute), 1, 6000)),
        burst=section.whole("burst", usual.burst, 1, 1000),
        dwell=section.seconds("dwell", usual.dwell),
        dwell_max=section.seconds("dwell_max", usual.dwell_max),
    )
    section.end()
    return writes


def _check(root: Section, name: str, section: Section, services: t.Collection[str], host: Host) -> CheckConfig:
    checked(root, f"checks.{name}", lambda: valid_word(name, "check"))
    kind = section.required_text("type")
    if kind not in TYPES:
        raise section.error("type", f"expected one of {', '.join(TYPES)}, got {kind!r}")
    service = section.text("service")
    if service and service not in services:
        names = ", ".join(sorted(services)) or "none"
        raise section.error("service", f"expected a service of this host ({names}), got {service!r}")
    usual_rise, usual_fall = (1, 1) if kind in _AT_ONCE else (2, 3)
    config = CheckConfig(
        name=name,
        service=service,
        probe=importlib.import_module(f".probe_{kind}", __package__).configure(section, host),
        interval=section.seconds("interval", 10.0, 0.1),
        timeout=section.seconds("timeout", 3.0, 0.1),
        rise=section.whole("rise", usual_rise, 1, 100),
        fall=section.whole("fall", usual_fall, 1, 100),
        initial=_one_of(section, "initial", (CRITICAL, WARNING, PASSING)),
        severity=_one_of(section, "severity", (CRITICAL, WARNING)),
        deregister_after=section.seconds("deregister_after", 0.0, high=_YEAR),
    )
    section.end()
    if config.deregister_after and config.severity != CRITICAL:
        problem = "a check of severity warning is never critical, so it deregisters nothing. Remove one of the two keys"
        raise section.error("deregister_after", problem)
    return config


def _one_of(section: Section, key: str, words: t.Sequence[str]) -> str:
    """One of `words`, by default the first."""
    word = section.text(key, words[0])
    if word not in words:
        raise section.error(key, f"expected one of {', '.join(words)}, got {word!r}")
    return word
