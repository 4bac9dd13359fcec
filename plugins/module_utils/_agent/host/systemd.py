# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What both daemons say to systemd (sd_notify(3), without its library) and ask it: is this a stop or a restart?

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import os
import socket
import time

from ..._etcd.text import printable
from . import log
from .threads import start_rounds

_LONGEST_STATUS = 1000  # characters of a status line; a datagram that is too large is lost as a whole
_JOBS_TIMEOUT = 3.0  # seconds for systemctl, which answers in some milliseconds
_LONGEST_LIST = 1 << 20  # bytes of its answer: a host that shuts down has hundreds of jobs

STOP = "stop"
RESTART = "restart"


class Notifier:
    """Sends states to the service manager; does nothing without one.

    `watchdog` is the seconds within which systemd expects a notification, 0 for no watchdog.
    """

    def __init__(self) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address  # "@": an abstract socket, unix(7)
        self._status = ""
        # Opened once: a process that has run out of descriptors must still notify the watchdog. And it never waits
        # for a service manager that does not read.
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) if address else None
        if self._socket is not None:
            self._socket.setblocking(False)
        theirs = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._working_until = 0.0
        self._beating = False
        self.watchdog = int(os.environ.get("WATCHDOG_USEC", "0")) / 1e6 if theirs else 0.0

    def ready(self) -> None:
        """The service is up, or up again after `reloading`."""
        self._send("READY=1")

    def reloading(self) -> None:
        """The configuration is being read again. systemd compares the time with that of its own request."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """The service is about to end."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """Notify the watchdog."""
        if self.watchdog:
            self._send("WATCHDOG=1")

    def work(self, seconds: float) -> None:
        """Notify the watchdog in the background for at most so many seconds, during a bounded piece of work.

        0: it is done. Work that lasts longer than it may is a hang.
        """
        if not self.watchdog:
            return
        self._working_until = time.monotonic() + seconds
        self.alive()
        if not self._beating:
            try:
                start_rounds("watchdog", self._beat)
                self._beating = True
            except RuntimeError:
                pass  # no process or memory left for a thread: the next work tries again

    def _beat(self) -> None:
        if time.monotonic() < self._working_until:
            self.alive()
        time.sleep(self.watchdog / 4)

    def status(self, text: str) -> None:
        """One line for `systemctl status`; sent where it is another than before."""
        line = " ".join(text.split())[:_LONGEST_STATUS]
        if line != self._status and self._send(f"STATUS={printable(line)}"):
            self._status = line

    def _send(self, state: str) -> bool:
        """Whether the service manager has it. One that does not listen is no reason to fail."""
        if self._socket is None:
            return True
        try:
            self._socket.sendto(state.encode("utf-8", "backslashreplace"), self._address)
        except OSError:
            return False
        return True


def own_unit() -> str:
    """The service this process belongs to, as its control group says; "" if systemd did not start it."""
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
    `systemctl stop` and the shutdown of the host queue "stop". Without a job the signal was sent by hand, and
    `Restart=always` will bring us back. Not started by systemd, or no answer: STOP, which leaves nothing behind.
    """
    from .programs import run_program  # which most agents need only here, at the end

    unit = own_unit()
    if not unit:
        return STOP
    command = ["systemctl", "list-jobs", "--full", "--plain", "--no-legend", "--no-pager"]
    try:
        answer = run_program(command, _JOBS_TIMEOUT, _LONGEST_LIST)
        problem = "" if answer.ok else answer.story("systemctl list-jobs", _JOBS_TIMEOUT)
    except OSError as exc:
        problem = exc.strerror or str(exc)
    if problem:
        log.warning(
            f"Cannot ask systemd whether this is a stop or a restart: {problem}. It is taken for a stop", "RC-E-SYSTEMD"
        )
        return STOP
    jobs = [line.split() for line in answer.output.splitlines()]  # number, unit, type, state
    return next((STOP if job[2] == "stop" else RESTART for job in jobs if len(job) > 2 and job[1] == unit), RESTART)
