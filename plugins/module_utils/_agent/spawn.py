# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running a program for the agent: it may hang, flood, or not be there.

Internal to the collection: no promise is made to other users of this file.

os.posix_spawn and a pipe, not `subprocess`: that one would cost every agent that runs one 1 MB for what is not
needed here. At most a few KiB of output are kept, whatever is printed.

posix_spawn holds up all threads of Python, also that of the keepalives, until the program's file is open and read. That
may lie on a server that is gone, so what is started is the system's shell, which then becomes the program.
"""

from __future__ import annotations

import os
import select
import signal
import time
import typing as t

_KEPT = 4096  # bytes of output, from its start
_CHUNK = 65536
_LONGEST_PAUSE = 0.05  # seconds between two looks at a program that prints nothing
_SHELL = ("/bin/sh", "-c", 'exec "$@"', "rollcall")  # the last is who complains where there is no such program
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Ended(t.NamedTuple):
    """How a program ended: its exit status (below 0: killed by that signal), None where it took too long."""

    status: t.Optional[int]
    output: str

    def how(self, timeout: float) -> str:
        """How it ended, in words."""
        if self.status is None:
            return f"killed after {timeout:g} s"
        return f"killed by signal {-self.status}" if self.status < 0 else f"exit status {self.status}"


def run(argv: t.Sequence[str], timeout: float) -> Ended:
    """Run a program with nothing of ours: no input, no file, and of the environment only the path.

    After `timeout` seconds it is killed, with all the processes it has started. One that it leaves behind when it
    ends is not waited for. One that is not there, or cannot be run, ends as in a shell: with a word about it, and the
    exit status 127 or 126. Raises OSError where the host has nothing left to start one with, ValueError for a NUL.
    """
    deadline = time.monotonic() + timeout
    reader, writer = os.pipe()
    try:
        child = _start(argv, writer)
    except Exception:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    output = _Output(reader)
    try:
        status = _wait(child, output, deadline)
        if status is None:
            _kill(child)
        output.read(0)
        return Ended(status, output.kept.decode("utf-8", "replace"))
    finally:
        os.close(reader)


def _start(argv: t.Sequence[str], output: int) -> int:
    """The process id of a new session."""
    # A daemon of ours has no AnsibleModule.
    return os.posix_spawn(  # pylint: disable=ansible-bad-function
        _SHELL[0],
        [*_SHELL, *argv],
        {"PATH": os.environ.get("PATH", _PATH), "LANG": "C.UTF-8"},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, output, 1),
            (os.POSIX_SPAWN_DUP2, output, 2),
        ],
        setsid=True,
        setsigmask=(),
        setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),  # Python ignores these
    )


def _wait(child: int, output: _Output, deadline: float) -> t.Optional[int]:
    """The exit status; None where there is none at the deadline."""
    pause = 0.001
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
        left = deadline - time.monotonic()
        if left <= 0:
            return None
        output.read(min(pause, left))
        pause = min(pause * 2, _LONGEST_PAUSE)


def _kill(child: int) -> None:
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)


class _Output:
    """What comes through a pipe: the start is kept, the rest is let go."""

    def __init__(self, reader: int) -> None:
        self.kept = b""
        self._reader = reader
        self._poll = select.poll()
        self._poll.register(reader, select.POLLIN)
        self._open = True

    def read(self, seconds: float) -> None:
        """Wait for output, at most so long, and take what is there of it.

        What will not be kept is taken slowly: a flood must not cost a CPU until its time is over.
        """
        if not self._open or len(self.kept) == _KEPT:
            time.sleep(seconds)
        if self._open and self._poll.poll(seconds * 1000):
            chunk = os.read(self._reader, _CHUNK)
            self._open = bool(chunk)
            self.kept += chunk[: _KEPT - len(self.kept)]
