# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`rollcall status`: how this host's registration goes, for people and for monitoring.

Internal to the collection: no promise is made to other users of this file.

It reads what the agent writes down, so it needs neither root, nor etcd, nor a password. The exit status is that of
monitoring plugins: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN (https://nagios-plugins.org/doc/guidelines.html).
"""

from __future__ import annotations

import argparse
import json
import os
import time
import typing as t

from ..._etcd.advisories import warning
from ..._etcd.text import printable
from ..._registry.model import CRITICAL, PASSING, worst
from ..host.clock import boottime
from ..registering.progress import LEFT, REGISTERED, STARTING, WAITING
from .terminal import coloured, maintenance, moment, say, span, table

Json = t.Dict[str, t.Any]

_STATES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
_OK, _WARNING, _CRITICAL, _UNKNOWN = range(4)

_DESCRIPTION = (
    "The exit status is 0 if the host is registered and passing; 1 if that is in danger: its health is warning or "
    "drain, a changed configuration is not valid, or etcd is away and the lease still runs; 2 if its health is "
    "critical or it is not registered; 3 if no agent runs."
)
_CHECKS = ("CHECK", "SERVICE", "STATUS", "FOR", "OUTPUT")


EXAMPLES = (
    "rollcall status",
    "rollcall status --json | jq .status.lease",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.description = f"{parser.description} {_DESCRIPTION}"
    parser.add_argument("--json", action="store_true", help="print all fields as a JSON object")
    parser.add_argument(
        "--run-dir",
        metavar="DIRECTORY",
        default="/run/rollcall",
        help="directory of status.json (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Print the status; returns the exit status."""
    file = os.path.join(args.run_dir, "status.json")
    status, problem = _read(file)
    if status is not None:
        _bring_up_to_date(status)
        problem = problem or _gone(status)
    code, words = (_UNKNOWN, problem) if status is None or problem else judge(status)
    if args.json:
        say(
            json.dumps(
                {"code": code, "state": _STATES[code], "text": words, "status": status}, indent=2, sort_keys=True
            )
        )
        return code
    say(f"{coloured(_STATES[code])}: {printable(words)}")
    if status is not None:
        say("\n".join(["", *_facts(status), *_tables(status)]))
    return code


def judge(status: Json) -> t.Tuple[int, str]:
    """The exit status of a running agent, and the words for it."""
    phase, health, left = status["phase"], status["health"], status["lease_left"]
    if phase == REGISTERED and left <= 0:
        return _CRITICAL, f"the lease of {status['node']} ended {span(-left)} ago, and the agent does nothing: it hangs"
    if phase == REGISTERED:
        words = f"registered as {status['node']}, health {health}"
        if status["maintenance"] is not None:
            words += ", in maintenance"
        if status["config_problem"]:
            words += f"; the changed configuration is refused: {status['config_problem']}"
        if health == CRITICAL:
            return _CRITICAL, words
        return (_OK if health == PASSING and not status["config_problem"] else _WARNING), words
    if phase == STARTING:
        return _WARNING, f"{phase}: {status['message']}"
    if phase == WAITING and left > 0:
        return _WARNING, f"{phase}, the lease of {status['node']} has {span(left)} left: {status['message']}"
    return _CRITICAL, f"not registered, {phase}: {status['message']}"


def _read(file: str) -> t.Tuple[t.Optional[Json], str]:
    """The status that the agent has written, or why it cannot be read."""
    try:
        with open(file, encoding="utf-8") as stream:
            status = json.load(stream)
        status["written"] = int(os.stat(file).st_mtime)
        status["renewed_boottime"]  # an agent of a former release does not write this
        return status, ""
    except FileNotFoundError:
        return None, f"no agent has run on this host since it booted: there is no {file}"
    except (OSError, ValueError, KeyError, TypeError) as exc:
        return None, f"cannot read {file}: {exc!r}"


def _bring_up_to_date(status: Json) -> None:
    """Add how old the last keepalive is by now, and what is left of the lease. Nothing sets the boottime."""
    renewed = status["renewed_boottime"]
    age = None if renewed is None else round(boottime() - renewed, 1)
    status["keepalive_age"] = age
    status["lease_left"] = 0 if not status["lease"] or age is None else round(status["ttl"] - age, 1)


def _gone(status: Json) -> str:
    """Why this is of the past; "" where the agent runs."""
    try:
        os.kill(status["pid"], 0)
        return ""
    except PermissionError:
        return ""  # it runs as another user
    except ProcessLookupError:
        ago = f"{span(time.time() - status['written'])} ago"
        if status["phase"] == LEFT:
            return f"no agent runs: it left {ago} ({status['message']})"
        return f"no agent runs: process {status['pid']} last wrote {ago} and is gone, as {status['phase']}"


def _facts(status: Json) -> t.List[str]:
    """The facts of the status, a line each."""
    now = time.time()
    counts = status["counts"]
    since = status["registered_since"] if status["lease_left"] > 0 else 0
    facts = {
        "node": f"{status['node']} under {status['prefix']}",
        "registered": f"since {moment(since)} ({span(now - since)})" if since else "",
        "phase": f"{status['phase']} since {moment(status['since'])} ({span(now - status['since'])})",
        "address": printable(status["address"] or f"none: {status.get('address_problem', '')}"),
        "health": coloured(status["health"]),
        "maintenance": maintenance(status["maintenance"]) if status["maintenance"] is not None else "",
        "services": ", ".join(_service(status, name) for name in sorted(status["services"])),
        "lease": _lease(status),
        "etcd": _etcd(status),
        "advisory": _advisory(status),
        "lost leases": str(counts["leases_lost"]),
        "writes": f"{counts['writes']}, suppressed {counts['writes_suppressed']}",
        "agent": f"{status['version']}, process {status['pid']}",
    }
    width = max(map(len, facts))
    return [f"{name.ljust(width)}  {value}" for name, value in facts.items() if value]


def _lease(status: Json) -> str:
    if not status["lease"]:
        return "none"
    left = status["lease_left"]
    return f"{status['lease']}, " + (
        f"{left:.0f} s of {status['ttl']} s left" if left > 0 else f"over for {span(-left)}"
    )


def _service(status: Json, name: str) -> str:
    """One service, with its health as readers of the registry have it: the worst of the node's checks and its own."""
    checks = status["checks"].values()
    health = worst(check["status"] for check in checks if check.get("service", "") in ("", name))
    return f"{name}:{status['services'][name]['port']} {health if checks else status['health']}"


def _etcd(status: Json) -> str:
    if status["keepalive_age"] is None:
        return f"{status['endpoint']}, no keepalive yet"
    rtt = f" in {status['rtt'] * 1000:.1f} ms" if status["rtt"] is not None else ""
    return f"{status['endpoint']}, last keepalive {status['keepalive_age']:.0f} s ago{rtt}"


def _advisory(status: Json) -> str:
    """Why passwords do not protect this etcd; "" if they do, if it has no passwords, or if its version is not known."""
    try:
        return warning(status.get("etcd_version", "")) if status.get("etcd_user") else ""
    except ValueError:
        return ""


def _tables(status: Json) -> t.List[str]:
    """The checks and the last errors."""
    now = time.time()
    lines = []
    if status["checks"]:
        rows = [
            (name, check.get("service", ""), check["status"], span(now - check["since"]), _output(check))
            for name, check in sorted(status["checks"].items())
        ]
        lines += ["", *table(_CHECKS, rows, colours=("STATUS",))]
    if status["errors"]:
        lines += ["", "Last errors:"]
        lines += [
            f"  {moment(error['at'])} ({span(now - error['at'])} ago)  {printable(error['text'])}"
            for error in status["errors"]
        ]
    return lines


def _output(check: Json) -> str:
    return f"flapping: {check['output']}" if check.get("flapping") else str(check["output"])
