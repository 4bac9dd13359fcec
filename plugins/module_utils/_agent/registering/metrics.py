# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The status as metrics: a file for the textfile collector of Prometheus' node_exporter.

Internal to the collection: no promise is made to other users of this file.

The format is https://prometheus.io/docs/instrumenting/exposition_formats/. Moments are written, not ages: who reads
them knows the time, and a file that is not written any more does not stay young.
"""

from __future__ import annotations

import typing as t

from ..._registry.model import HEALTHS
from ..host.writer import Writer
from .progress import DUPLICATE, LEFT, REFUSED, REGISTERED, REMOVED, STARTING, WAITING

Json = t.Dict[str, t.Any]
Samples = t.List[t.Tuple[t.Dict[str, str], float]]

_PHASES = (STARTING, WAITING, REGISTERED, DUPLICATE, REFUSED, LEFT, REMOVED)

# Name, type, what it tells, and where it is in the status.
_COUNTERS = {
    "keepalives": "Keepalives that etcd answered.",
    "self_checks": "Looks at the host's own keys that found all as it must be.",
    "writes": "Transactions that wrote keys of the host.",
    "writes_suppressed": "Changes that were never written, since the next one came before their turn.",
    "leases_lost": "Leases that expired or were revoked while the agent held them.",
    "failures": "Requests to etcd that failed.",
}


class MetricsFile:
    """The file at `path`, which lies on a disk of its own as far as we know: one that stalls holds up nothing else."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._writer = Writer("metrics")

    def write(self, status: Json) -> None:
        """Have the metrics of `status` written, as it is in status.json."""
        self._writer.put(self.path, exposition(status).encode("utf-8", "backslashreplace"))

    def flush(self, seconds: float) -> bool:
        """Whether all was written, for which it waits at most so long."""
        return self._writer.flush(seconds)


def exposition(status: Json) -> str:
    """The metrics of `status` in Prometheus' text format."""
    lines: t.List[str] = []
    for name, kind, words, samples in _metrics(status):
        lines += [f"# HELP rollcall_{name} {words}", f"# TYPE rollcall_{name} {kind}"]
        lines += [f"rollcall_{name}{_labels(labels)} {value:.15g}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _metrics(status: Json) -> t.Iterator[t.Tuple[str, str, str, Samples]]:
    about = {name: status[name] for name in ("node", "address", "endpoint", "version", "instance")}
    yield "info", "gauge", "The host and its agent; always 1.", [(about, 1)]
    yield (
        "phase",
        "gauge",
        "Phase of the registration: 1 for the one it is in.",
        _states("phase", status["phase"], _PHASES),
    )
    yield "health", "gauge", "Health of the host: 1 for the one it has.", _states("health", status["health"], HEALTHS)
    yield "maintenance", "gauge", "Whether the host is in maintenance.", [({}, status["maintenance"] is not None)]
    checks = sorted(status["checks"].items())
    if checks:
        states: Samples = []
        for name, check in checks:
            labels = {"check": name, "service": check.get("service", "")}
            states += [({**labels, **label}, value) for label, value in _states("status", check["status"], HEALTHS[:3])]
        yield "check", "gauge", "Status of a check: 1 for the one it has.", states
        changed: Samples = [({"check": name}, check["since"]) for name, check in checks]
        yield "check_changed_timestamp_seconds", "gauge", "When the status of a check changed.", changed
    yield "lease_ttl_seconds", "gauge", "Time that the lease has after a keepalive.", [({}, status["ttl"])]
    if status["renewed"]:
        yield "lease_renewed_timestamp_seconds", "gauge", "When the lease was last renewed.", [({}, status["renewed"])]
    if status["rtt"] is not None:
        yield "keepalive_duration_seconds", "gauge", "How long the last keepalive took.", [({}, status["rtt"])]
    if status["last_error"]:
        yield "last_error_timestamp_seconds", "gauge", "When something last failed.", [({}, status["last_error"]["at"])]
    for name, words in _COUNTERS.items():
        yield f"{name}_total", "counter", words, [({}, status["counts"][name])]


def _states(label: str, current: str, states: t.Iterable[str]) -> Samples:
    return [({label: state}, state == current) for state in states]


def _labels(labels: t.Mapping[str, str]) -> str:
    pairs = (f'{name}="{_escaped(str(value))}"' for name, value in labels.items())
    return "{" + ",".join(pairs) + "}" if labels else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
