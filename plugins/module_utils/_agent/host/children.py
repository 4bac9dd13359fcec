# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processes that we have started, and all that these have started in turn.

Internal to the collection: no promise is made to other users of this file.

A program can leave its process group and session (`timeout`, `setsid`), and its parent can end before it. So this
process becomes a subreaper: the kernel gives it every orphan among its descendants (prctl(2), PR_SET_CHILD_SUBREAPER).
What a program leaves behind is then a child of ours, found in /proc and killed until nothing is left.

Several programs run at once, so each carries a mark in its environment that tells whose descendant an orphan is. An
orphan without a mark has thrown away its environment, or is about to become another program. It is attributed to the
last program that ends among those that ran when it began, and never to one while another may need it.
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
_PATIENCE = 2.0  # seconds for killed processes to go. The kernel may hold one that waits for a disk until that answers
_GONE = (FileNotFoundError, ProcessLookupError, PermissionError)  # of /proc: a process that has ended, or is hidden
_GLANCE = 0.002  # seconds between two looks at processes that are being killed

_lock = threading.Lock()  # held while a process is started, killed or reaped
_running: t.Dict[str, Child] = {}  # by mark
_left_sessions: t.Set[int] = set()  # of daemons that programs were allowed to leave
_numbers = itertools.count(1)
_reaped = 0  # how many processes have ended that were nobody's program
_adopting: t.Optional[bool] = None
_alone = False  # whether each child of this process is a program of ours, or was left behind by one


class Child:
    """A process that was started. `status` is its exit status, below 0 the signal that killed it, once it has ended."""

    def __init__(self, mark: str) -> None:
        self.pid = 0
        self.mark = mark
        self.begun = int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK"))
        self.status: t.Optional[int] = None
        self.ended = False  # the process id may belong to another process by now

    def poll(self) -> bool:
        """Whether it has ended. Raises ChildProcessError if another thread has taken its status."""
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            self.ended = True
            raise
        if pid:
            self.ended = True
            self.status = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
        return self.ended


class _Process(t.NamedTuple):
    """A process that is no zombie. `started` is in clock ticks since the host booted, as `Child.begun`."""

    pid: int
    group: int
    session: int
    started: int


def prepare() -> None:
    """To be called when a process of ours begins, in its main thread: from now on all its children are started here.

    Nothing of what a parent may have left us is passed on or heeded: with SIGCHLD ignored, the kernel would throw away
    the exit status of each program; with SIGTERM blocked, we could not be stopped; an open file or lock of the parent's
    would be in the hands of every check.
    """
    global _alone
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for descriptor in _descriptors():
        try:
            os.set_inheritable(descriptor, False)
        except OSError:
            pass  # that of the list itself
    _alone = True


def _descriptors() -> t.List[int]:
    """Those of this process besides the standard streams, as far as /proc and the limit of open files allow."""
    try:
        return [int(name) for name in os.listdir("/proc/self/fd") if int(name) > 2]
    except OSError:
        return []


def adopt_orphans() -> None:
    """Become the parent of what our children leave behind. Without that only what carries a mark is found."""
    global _adopting
    if _adopting is None:
        try:
            import ctypes  # 1 MB that a process which runs no program does without

            _adopting = ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0) == 0
        except (ImportError, OSError, AttributeError):
            _adopting = False


def start(spawn: t.Callable[[t.Dict[str, str]], int]) -> Child:
    """Call `spawn` with what goes into the environment; it returns a process id. Raises what it raises."""
    child = Child(f"{os.getpid()}-{next(_numbers)}")
    with _lock:
        _running[child.mark] = child  # before there is a process that others might take for an orphan
        try:
            child.pid = spawn({_MARK: child.mark})
        except BaseException:
            del _running[child.mark]
            raise
    return child


def end(child: Child) -> None:
    """Kill the child if it runs, and everything that it has started."""
    deadline = time.monotonic() + _PATIENCE
    seen: t.Set[_Process] = set()
    while True:
        reaped = _reaped
        try:
            family, looked = _family(child), True
        except OSError:  # no descriptor left to look with: that passes, and what needs none is done now
            family, looked = set(), False
        with _lock:
            if not child.ended:
                _kill(_Process(child.pid, child.pid, child.pid, child.begun), child)
            for process in family:
                _kill(process, child)
            _reap(child, seen | family)
        # One that has ended while we looked may have started another that we did not see.
        if (looked and not family and _reaped == reaped) or time.monotonic() > deadline:
            break
        if not looked or (family and family <= seen):
            time.sleep(_GLANCE)
        seen |= family
    _forget(child)


def leave(child: Child) -> None:
    """Forget about a child that has ended; what it has started goes on."""
    try:
        left = {process.session for process in _family(child)}
        alive = {process.session for process in _processes(_descendants({os.getpid()}))}
    except OSError:  # no descriptor left to look with
        left, alive = {child.pid}, _left_sessions
    with _lock:
        _left_sessions.intersection_update(alive)
        _left_sessions.update(left)
        _reap(child, ())
    _forget(child)


def end_all() -> None:
    """To be called when this process ends: so do the programs that still run, and all that they have started."""
    for child in list(_running.values()):
        end(child)


def _forget(child: Child) -> None:
    with _lock:
        child.ended = True
        _running.pop(child.mark, None)


def _family(child: Child) -> t.Set[_Process]:
    """The child and everything that it has started, as far as it runs."""
    roots = {process.pid for process in _orphans_of(child)}
    if not child.ended:
        roots.add(child.pid)
    return set(_processes(roots | _descendants(roots)))


def _orphans_of(child: Child) -> t.Iterator[_Process]:
    """The processes that the child has left behind. Raises OSError as `_children_of` does."""
    candidates = _children_of(os.getpid()) if _adopting else _all()
    others = [other for other in list(_running.values()) if other is not child]
    for process in _processes(candidates - {other.pid for other in others}):
        mark = _mark_of(process.pid)
        if mark == child.mark or (not mark and _alone and _adopting and _is_heir(process, child, others)):
            yield process


def _is_heir(process: _Process, child: Child, others: t.Sequence[Child]) -> bool:
    """Whether an orphan without a mark comes from the child, and not from another program that may need it."""
    if process.session == child.pid:
        return True
    if process.session in _left_sessions or process.started < child.begun:
        return False
    return not any(other.begun <= process.started for other in others)


def _kill(process: _Process, child: Child) -> None:
    """Kill a process of the child's family, with its group: that also gets those which fork faster than we can look."""
    if _is_program(process.pid, child):
        return  # its number has been given away again
    group = process.group if process.session != os.getsid(0) else 0
    for send, number in ((os.killpg, group), (os.kill, process.pid)):
        try:
            if number:
                send(number, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass


def _reap(child: Child, killed: t.Iterable[_Process]) -> None:
    """Take the exit status of what has ended, so that no zombie stays, but that of no other program."""
    global _reaped
    pids = {process.pid for process in killed} | {child.pid}
    if _alone:
        try:
            pids |= _children_of(os.getpid())
        except OSError:
            pass  # next time
    for pid in pids:
        if _is_program(pid, child) or (pid == child.pid and child.ended):
            continue
        try:
            gone = os.waitpid(pid, os.WNOHANG)[0]
        except ChildProcessError:
            continue  # not a child of ours, or not yet
        _reaped += gone > 0
        if gone == child.pid:
            child.ended = True


def _is_program(pid: int, child: Child) -> bool:
    """Whether this is the process of another program than the child."""
    return any(other.pid == pid and other is not child for other in _running.values())


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
    """The children of all threads of a process. Raises OSError if there is no descriptor left to look with."""
    found: t.Set[int] = set()
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb", buffering=0) as file:
                found.update(map(int, file.readall().split()))
    except _GONE:
        pass
    return found


def _processes(pids: t.Iterable[int]) -> t.Iterator[_Process]:
    """Those that run, proc(5). Raises OSError as `_children_of` does."""
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
                fields = file.read(4096).rpartition(b") ")[2].split()
        except _GONE:
            continue
        # A process whose first thread has ended counts as a zombie, too, while other threads go on.
        if len(fields) > 19 and (fields[0] not in (b"Z", b"X") or int(fields[17]) > 1):
            yield _Process(pid, int(fields[2]), int(fields[3]), int(fields[19]))


def _mark_of(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            fields = file.read(1 << 20).split(b"\0")
    except OSError:
        return ""
    start = f"{_MARK}=".encode()
    return next((field[len(start) :].decode("ascii", "replace") for field in fields if field.startswith(start)), "")
