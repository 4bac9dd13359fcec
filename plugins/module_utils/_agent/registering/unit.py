# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why systemd ends us: for good, or to start us again.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import os

from .. import log

_PATIENCE = 3.0  # seconds for systemctl, which answers in some milliseconds
_LONGEST_LIST = 1 << 20  # bytes of its answer: a host that shuts down has hundreds of jobs

STOP = "stop"
RESTART = "restart"


def own_unit() -> str:
    """The service this process belongs to, as its control group says; "" where systemd did not start it."""
    if "INVOCATION_ID" not in os.environ:
        return ""
    try:
        with open("/proc/self/cgroup", encoding="utf-8") as file:
            paths = [line.rstrip("\n").split(":", 2)[2] for line in file]
    except OSError:
        return ""
    names = [os.path.basename(path) for path in paths]
    return next((name for name in names if name.endswith(".service")), "")


def why_ended() -> str:
    """Ask after SIGTERM: STOP or RESTART.

    For `systemctl restart` systemd queues a job "restart" and turns it into "start" only when the service has ended;
    `systemctl stop` and the shutdown of the host queue "stop". Without a job somebody sent the signal by hand, and
    `Restart=always` will bring us back. Not started by systemd, or no answer: STOP, which leaves nothing behind.
    """
    from ..host.programs import run_program  # which most agents need only here, at the end

    unit = own_unit()
    if not unit:
        return STOP
    command = ["systemctl", "list-jobs", "--full", "--plain", "--no-legend", "--no-pager"]
    try:
        answer = run_program(command, _PATIENCE, _LONGEST_LIST)
        problem = "" if answer.ok else answer.story("systemctl list-jobs", _PATIENCE)
    except OSError as exc:
        problem = exc.strerror or str(exc)
    if problem:
        log.warning(f"Cannot ask systemd whether this is a stop or a restart, taking it for a stop: {problem}")
        return STOP
    jobs = [line.split() for line in answer.output.splitlines()]  # number, unit, type, state
    return next((STOP if job[2] == "stop" else RESTART for job in jobs if len(job) > 2 and job[1] == unit), RESTART)
