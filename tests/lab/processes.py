# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host's processes on the outer machine: started, found, signalled, waited for.

A host is found by what the kernel says about it, never by a number in a file that may be stale: its nspawn has the
host's root folder on its command line from the first instant, and its init is PID 1 of a namespace whose root is the
host's own overlay. So a crash of the program that booted a host, or a reboot of the machine, leaves nothing to repair.
"""

from __future__ import annotations

import contextlib
import functools
import os
import select
import signal
import subprocess
import time
import typing as t
from pathlib import Path

from .system import LabError, environment, mounts, wait_for

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
POWER_OFF = signal.SIGRTMIN + 4  # systemd(1), SIGNALS

# Joins each folder before the -- (a cgroup), then becomes the command after it.
JOIN = 'while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs" || exit; shift; done; shift; exec "$@"'


def start(name: str, root: Path, bridge: str, console: Path) -> None:
    """Boot the host whose file system is mounted on *root*; return at once, its console goes to the file *console*.

    The host belongs to no one: it outlives this program, and a reboot of the machine ends it.
    """
    nspawn = [
        "systemd-nspawn",
        "--quiet",
        "--boot",
        f"--directory={root}",
        f"--machine={name}",
        f"--network-bridge={bridge}",
        "--register=no",
        "--settings=no",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        "--setenv=SYSTEMD_COLORS=0",
    ]
    cgroups: list[str] = []
    if not Path("/run/systemd/system").exists():
        # No outer systemd to ask for a scope: take a cgroup of our own. Without one all hosts would share the cgroup
        # this program runs in, and each one's systemd would find the others' processes in its services.
        nspawn.append("--keep-unit")
        cgroups = [str(folder) for folder in _cgroups(name)]
        for folder in cgroups:
            Path(folder).mkdir(parents=True, exist_ok=True)
    with console.open("ab") as log:
        subprocess.run(
            ["setsid", "--fork", "sh", "-c", JOIN, "sh", *cgroups, "--", *nspawn],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment(),
            check=True,
        )


def running(root: Path) -> bool:
    """Return whether the host on *root* has any process."""
    return bool(_inits(root) or _nspawns(root))


def kill(root: Path) -> None:
    """Pull the host's plug: SIGKILL to its init, which takes every process of the host with it at once.

    Its nspawn then ends by itself and tidies up; killing nspawn instead would leave the host running without it.
    """
    if not _signal(_inits, root, signal.SIGKILL):
        _signal(_nspawns, root, signal.SIGKILL)  # it had not come as far as an init


def power_off(root: Path) -> None:
    """Ask the host's init to shut the host down in order."""
    _signal(_inits, root, POWER_OFF)


def wait_gone(name: str, root: Path, timeout: float) -> None:
    """Return when the host on *root* has no process left, its cgroups removed.

    Raises LabError when it still has one after *timeout* seconds.
    """
    deadline = time.monotonic() + timeout
    while pids := [*_inits(root), *_nspawns(root)]:
        for pid in pids:
            _wait_end(pid, deadline)
        if time.monotonic() >= deadline:
            raise LabError(f"{name}: still running {timeout:.0f} s after it was told to end (processes {pids})")
    for folder in _cgroups(name):
        wait_for(functools.partial(_removed, folder), 10, f"{name}: its cgroup {folder} is empty")


def _inits(root: Path) -> list[int]:
    return [pid for pid in _pids() if _is_init(pid, root)]


def _nspawns(root: Path) -> list[int]:
    return [pid for pid in _pids() if _is_nspawn(pid, root)]


def _pids() -> t.Iterator[int]:
    return (int(entry) for entry in os.listdir(PROC) if entry.isdigit())


def _is_init(pid: int, root: Path) -> bool:
    """Tell whether *pid* is PID 1 of a PID namespace, with the overlay that is mounted on *root* as its root."""
    with contextlib.suppress(OSError):  # it ended meanwhile
        status = (PROC / str(pid) / "status").read_text(errors="replace")
        ids = status.partition("\nNSpid:")[2].partition("\n")[0].split()
        if len(ids) > 1 and ids[-1] == "1":
            return [source for source, point in mounts(pid) if point == "/"][-1:] == [str(root)]
    return False


def _is_nspawn(pid: int, root: Path) -> bool:
    """Tell whether *pid* is the host's nspawn, one of its helpers, or the shell about to become it."""
    with contextlib.suppress(OSError):
        argv = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
        return b"systemd-nspawn" in argv and os.fsencode(f"--directory={root}") in argv
    return False


def _signal(find: t.Callable[[Path], list[int]], root: Path, number: int) -> bool:
    """Send signal *number* to what *find* finds for *root*; return whether there was anything.

    The process is pinned by a file descriptor and looked at again before the signal: its number may have passed on
    to a stranger meanwhile.
    """
    sent = False
    for pid in find(root):
        with contextlib.suppress(ProcessLookupError), _pinned(pid) as pin:
            if pid in find(root):
                signal.pidfd_send_signal(pin, number)
                sent = True
    return sent


def _wait_end(pid: int, deadline: float) -> None:
    with contextlib.suppress(ProcessLookupError), _pinned(pid) as pin:
        select.select([pin], [], [], max(0.0, deadline - time.monotonic()))


@contextlib.contextmanager
def _pinned(pid: int) -> t.Iterator[int]:
    pin = os.pidfd_open(pid)
    try:
        yield pin
    finally:
        os.close(pin)


def _cgroups(name: str) -> list[Path]:
    """Return the host's folder in each hierarchy that systemd keeps processes in: the unified one, its own, or both."""
    hierarchies = [CGROUPS, CGROUPS / "unified", CGROUPS / "systemd"]
    return [folder / "rollcall-lab" / name for folder in hierarchies if (folder / "cgroup.procs").exists()]


def _removed(folder: Path) -> bool:
    """Remove the cgroup *folder* and those below it; return False while a dying process is still in one."""
    for path, _folders, _files in os.walk(folder, topdown=False):
        try:
            os.rmdir(path)
        except OSError:
            return False
    with contextlib.suppress(OSError):  # other hosts live in it
        folder.parent.rmdir()
    return True
