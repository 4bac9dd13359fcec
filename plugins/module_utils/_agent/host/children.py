# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processes that we have started, and all that these have started in turn.

Internal to the collection: no promise is made to other users of this file.

A program can leave its process group and session (`timeout`, `setsid`), and its parent can end before it. So this
process becomes a subreaper: the kernel gives it every orphan among its descendants (prctl(2), PR_SET_CHILD_SUBREAPER).
What a program leaves behind is then a child of ours, found in /proc and killed until nothing is left. Several programs
run at once; each carries a mark in its environment that tells whose descendant an orphan is.
"""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
import typing as t

_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of <linux/prctl.h>
_MARK = "ROLLCALL_PROGRAM"
_PATIENCE = 2.0  # seconds after which processes that cannot be killed (a disk that hangs) are left to the next round
_GLANCE = 0.002  # seconds between two looks at processes that are being killed

_lock = threading.Lock()  # held while the table below does not fit the processes
_running: t.Dict[int, Child] = {}  # by process id
_numbers = itertools.count(1)
_adopting: t.Optional[bool] = None
_alone = False  # whether each child of this process is a program of ours, or was left behind by one


class Child:
    """A process that was started. `status` is its exit status, below 0 the signal that killed it, once it has ended."""

    def __init__(self, pid: int, mark: str) -> None:
        self.pid = pid
        self.mark = mark
        self.status: t.Optional[int] = None
        self.ended = False  # the process id may be somebody else's by now

    def poll(self) -> bool:
        """Whether it has ended. Raises ChildProcessError if somebody else has taken its status."""
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            self.ended = True
            raise
        if pid:
            self.ended = True
            self.status = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
        return self.ended


def prepare() -> None:
    """To be called when a process of ours begins, in its main thread: from now on all its children are started here.

    A parent may have let us ignore SIGCHLD, and the kernel would throw away the exit status of each program.
    """
    global _alone
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _alone = True


def adopt_orphans() -> None:
    """Become the parent of what our children leave behind. Without that only what is still below a child is found."""
    global _adopting
    if _adopting is None:
        try:
            import ctypes  # 1 MB that a process which runs no program does without

            _adopting = ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0) == 0
        except (ImportError, OSError, AttributeError):
            _adopting = False


def start(spawn: t.Callable[[t.Dict[str, str]], int]) -> Child:
    """Call `spawn` with what goes into the environment; it returns a process id. Raises what it raises."""
    mark = f"{os.getpid()}-{next(_numbers)}"
    with _lock:
        pid = spawn({_MARK: mark})
        child = _running[pid] = Child(pid, mark)
    return child


def end(child: Child, leave: bool = False) -> None:
    """Kill the child if it runs, and everything that it has started; with `leave` only forget about it."""
    global _alone
    if leave:
        with _lock:
            _alone = False
            _running.pop(child.pid, None)
        return
    deadline = time.monotonic() + _PATIENCE
    known = set() if child.ended else {child.pid}
    while True:
        with _lock:
            known |= _descendants(known)
            known = {pid for pid in known | _orphans_of(child) if not _kill(pid)}
            if not known or time.monotonic() > deadline:
                child.ended = True
                _running.pop(child.pid, None)
                return
        time.sleep(_GLANCE)


def _orphans_of(child: Child) -> t.Set[int]:
    """What the child has left behind."""
    if not _adopting:
        return {pid for pid in _all() if pid not in _running and _mark_of(pid) == child.mark}
    others = {other.mark for other in _running.values() if other is not child}
    found = set()
    for pid in _children_of(os.getpid()) - set(_running):
        mark = _mark_of(pid)
        # One without a mark has thrown away its environment.
        if mark == child.mark or (_alone and mark not in others):
            found.add(pid)
    return found


def _kill(pid: int) -> bool:
    """Kill a process, and its group if it leads one; whether it is gone."""
    for send in (os.killpg, os.kill):
        try:
            if send is os.kill or os.getpgid(pid) == pid:
                send(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
    return _reap(pid) or not _exists(pid)


def _reap(pid: int) -> bool:
    """Take the exit status of a child that has ended, so that no zombie stays; whether it has ended."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return False  # not a child of ours, or not yet


def _all() -> t.Set[int]:
    return {int(name) for name in os.listdir("/proc") if name.isdigit()}


def _descendants(pids: t.Set[int]) -> t.Set[int]:
    found: t.Set[int] = set()
    waiting = list(pids)
    while waiting:
        below = _children_of(waiting.pop()) - found
        found |= below
        waiting += below
    return found


def _children_of(pid: int) -> t.Set[int]:
    """The children of all threads of a process."""
    found: t.Set[int] = set()
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found.update(map(int, file.read().split()))
    except OSError:
        pass  # it has ended
    return found


def _mark_of(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            fields = file.read(1 << 20).split(b"\0")
    except OSError:
        return ""
    start = f"{_MARK}=".encode()
    return next((field[len(start) :].decode("ascii", "replace") for field in fields if field.startswith(start)), "")


def _exists(pid: int) -> bool:
    """Whether a process is there and is no zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2][:1] not in (b"Z", b"X", b"")
    except OSError:
        return False
