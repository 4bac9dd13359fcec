# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running a program that may hang, flood, fork, or not be there. All programs of both daemons are run here.

Internal to the collection: no promise is made to other users of this file.

os.posix_spawn and a pipe, not `subprocess`: that one would cost every agent that runs one 1 MB for what is not
needed here. At most a few KiB of output are kept, no matter how much is printed.

posix_spawn holds up all threads of Python, also that of the keepalives, until the program's file is open and read. That
may lie on a server that is gone, so what is started is the system's shell, which then becomes the program.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
import typing as t

from . import children

_KEPT = 4096  # bytes of output of a check
_KEPT_END = 8192  # bytes of output of a command whose end matters
_CHUNK = 65536
_LONGEST_PAUSE = 0.05  # seconds between two looks at a program that prints nothing
_SHELL = (
    "/bin/sh",
    "-c",
    'exec "$@"',
    "rollcall",
)  # the last word names us in the shell's error if the program does not exist
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Variables of systemd for its service alone. A program that inherited them could speak in the daemon's name.
_OF_THE_SERVICE = (
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "CREDENTIALS_DIRECTORY",
    "LISTEN_FDS",
    "LISTEN_PID",
)


class CommandResult(t.NamedTuple):
    """How a program ended. `status` is its exit status, below 0 the signal that killed it, and None if it is not known:
    it was killed at its deadline, or another thread has taken its status (`lost`). None is never a success.
    """

    status: t.Optional[int]
    output: str
    lost: bool = False

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.status == 0

    def how(self, timeout: float) -> str:
        """How it ended, in words."""
        if self.lost:
            return "its exit status cannot be read"
        if self.status is None:
            return f"killed after {timeout:g} s"
        return f"killed by signal {-self.status}" if self.status < 0 else f"exit status {self.status}"

    def story(self, command: str, timeout: float) -> str:
        """For a message: what happened to `command`, and the last line it printed."""
        lines = [line.strip() for line in self.output.splitlines() if line.strip()]
        return f"{command}: {self.how(timeout)}" + (f": {lines[-1][:300]}" if lines else "")


def run_program(argv: t.Sequence[str], timeout: float, keep: int = _KEPT, given: bytes = b"") -> CommandResult:
    """Run a program with nothing of ours: no file, and of the environment only the path. Its input is what is `given`.
    Of its output the first `keep` bytes are kept.

    After `timeout` seconds it is killed. No process that it has started survives its end. A program
    that is not there, or cannot be run, ends as in a shell: with a word about it, and the exit status 127 or 126.
    Raises OSError if the host has nothing left to start one with, ValueError for a NUL.
    """
    environment = {"PATH": os.environ.get("PATH", _PATH), "LANG": "C.UTF-8"}
    return _run([*_SHELL, *argv], timeout, environment, _Start(keep), given=given)


def run_command(command: str, timeout: float) -> CommandResult:
    """Run a line for /bin/sh in our own environment; the end of its output is kept.

    After `timeout` seconds it is killed with all processes that it has started. If it ends in time and succeeds, they
    may stay: a reload may start a daemon. Raises OSError as `run_program` does.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _OF_THE_SERVICE}
    return _run(["/bin/sh", "-c", command], timeout, environment, _End(_KEPT_END), may_leave=True)


def _run(
    argv: t.Sequence[str],
    timeout: float,
    environment: t.Dict[str, str],
    kept: _Start,
    may_leave: bool = False,
    given: bytes = b"",
) -> CommandResult:
    deadline = time.monotonic() + timeout
    children.adopt_orphans()
    source = _input(given)
    try:
        reader, writer = os.pipe()
        try:
            child = children.start(lambda mark: _spawn(argv, {**environment, **mark}, source, writer))
        except Exception:
            os.close(reader)
            raise
        finally:
            os.close(writer)
    finally:
        os.close(source)
    output = _Output(reader, kept)
    left = False
    try:
        lost = not _wait(child, output, deadline)
        left = may_leave and child.status == 0
    finally:
        (children.leave if left else children.end)(child)
        output.read(0)
        if not left or output.at_end() or not _drain_in_background(reader):
            os.close(reader)
    return CommandResult(child.status, kept.content.decode("utf-8", "replace"), lost)


def _input(given: bytes) -> int:
    """A descriptor to read this from. It is in memory, and all there at once: nobody waits for who reads it."""
    if not given:
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    source = os.memfd_create("input", os.MFD_CLOEXEC)
    try:
        with open(source, "wb", closefd=False) as file:
            file.write(given)
        os.lseek(source, 0, os.SEEK_SET)
    except BaseException:
        os.close(source)
        raise
    return source


def _spawn(argv: t.Sequence[str], environment: t.Dict[str, str], source: int, output: int) -> int:
    """The process id of a new session, in which no signal is ignored or blocked."""
    # A daemon of ours has no AnsibleModule.
    return os.posix_spawn(  # pylint: disable=ansible-bad-function
        argv[0],
        [word.encode("utf-8", "surrogateescape") for word in argv],  # as configurations are, in any locale
        environment,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, source, 0),
            (os.POSIX_SPAWN_DUP2, output, 1),
            (os.POSIX_SPAWN_DUP2, output, 2),
        ],
        setsid=True,
        setsigmask=(),
        setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
    )


def _wait(child: children.Child, output: _Output, deadline: float) -> bool:
    """Wait until the child has ended or the deadline has come; False if its status is lost."""
    pause = 0.001
    while True:
        try:
            if child.poll():
                return True
        except ChildProcessError:
            return False
        left = deadline - time.monotonic()
        if left <= 0:
            return True
        output.read(min(pause, left))
        pause = min(pause * 2, _LONGEST_PAUSE)


def _drain_in_background(reader: int) -> bool:
    """Go on reading for a daemon that the program has left behind: a closed pipe would kill it when it prints."""
    try:
        threading.Thread(target=_drain, args=(reader,), name="drain", daemon=True).start()
    except RuntimeError:  # no process left for a thread
        return False
    return True


def _drain(reader: int) -> None:
    try:
        while os.read(reader, _CHUNK):
            pass
    finally:
        os.close(reader)


class _Start:
    """Keeps the start of the output. The rest is read slowly: a flood must not cost a CPU."""

    pace = _LONGEST_PAUSE  # seconds before each further piece

    def __init__(self, limit: int) -> None:
        self.content = b""
        self._limit = limit

    @property
    def full(self) -> bool:
        """Whether there is as much as can be kept."""
        return len(self.content) == self._limit

    def add(self, chunk: bytes) -> None:
        """Take what has been printed."""
        self.content += chunk[: self._limit - len(self.content)]


class _End(_Start):
    """Keeps the end of what is printed, so the program must get that far: 32 MB a second."""

    pace = 0.002

    def add(self, chunk: bytes) -> None:
        self.content = (self.content + chunk)[-self._limit :]


class _Output:
    """The output that comes through a pipe."""

    def __init__(self, reader: int, kept: _Start) -> None:
        self._reader = reader
        self._kept = kept
        self._poll = select.poll()
        self._poll.register(reader, select.POLLIN)
        self._open = True

    def at_end(self) -> bool:
        """Whether nobody can write any more."""
        self.read(0)
        return not self._open

    def read(self, seconds: float) -> None:
        """Wait for output, at most so long, and take what is there of it."""
        if not self._open or self._kept.full:
            time.sleep(min(seconds, self._kept.pace))
        if self._open and self._poll.poll(seconds * 1000):
            chunk = os.read(self._reader, _CHUNK)
            self._open = bool(chunk)
            self._kept.add(chunk)
