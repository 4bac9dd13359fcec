# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the lab asks of the outer machine: commands, a lock, atomic files, waiting for a fact."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import textwrap
import time
import typing as t
from pathlib import Path

POLL = 0.1  # seconds between two looks at a fact that no file descriptor announces
PATIENCE = 2.0  # seconds to wait for a lock before saying so
SUMMARY_LINES = 12

# command → the Debian package that brings it
TOOLS = {
    "debootstrap": "debootstrap",
    "systemd-nspawn": "systemd-container",
    "nft": "nftables",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "mount": "mount",
    "umount": "mount",
    "setsid": "util-linux",
    "setpriv": "util-linux",
    "unshare": "util-linux",
}

Say = t.Callable[[str], None]


class LabError(Exception):
    """The lab could not do what was asked; the message says what, where, and what to do next."""


def say(message: str) -> None:
    """Tell a person, on stderr, how far a long step has come."""
    print(f"lab: {message}", file=sys.stderr, flush=True)


def require_machine() -> None:
    """Raise LabError unless this is root on Linux with the lab's tools at hand."""
    if not sys.platform.startswith("linux"):
        raise LabError("the lab boots Linux hosts with systemd-nspawn: it needs a Linux machine")
    if os.geteuid() != 0:
        raise LabError("the lab mounts, bridges and boots: it needs root (sudo, or a root shell)")
    path = environment()["PATH"]
    missing = sorted({package for tool, package in TOOLS.items() if shutil.which(tool, path=path) is None})
    if missing:
        raise LabError(f"tools are missing; on Debian: apt-get install {' '.join(missing)}")


def environment() -> dict[str, str]:
    """Return the environment for commands: their messages in English, and root's tools found after a plain su, too."""
    return {**os.environ, "LC_ALL": "C", "PATH": f"{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/sbin:/sbin"}


def run(
    argv: t.Sequence[str | os.PathLike[str]],
    *,
    check: bool = True,
    stdin: str | None = None,
    cwd: Path | None = None,
    timeout: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command of the outer machine and keep its output.

    Raises LabError, with the last lines it said, when it fails (and *check* is set), is missing, or takes longer
    than *timeout* seconds.
    """
    name = os.fspath(argv[0])
    try:
        done = subprocess.run(
            argv,
            input="" if stdin is None else stdin,
            capture_output=True,
            text=True,
            errors="replace",
            cwd=cwd,
            timeout=timeout,
            env=environment(),
            check=False,
        )
    except FileNotFoundError as missing:
        package = TOOLS.get(name, name)
        raise LabError(f"{name} is not installed; on Debian: apt-get install {package}") from missing
    except subprocess.TimeoutExpired as late:
        raise LabError(f"{shown(argv)}: no end after {timeout:.0f} s") from late
    if check and done.returncode:
        raise LabError(f"{shown(argv)} failed ({done.returncode}): {summary(done.stderr or done.stdout)}")
    return done


def shown(argv: t.Sequence[str | os.PathLike[str]]) -> str:
    """Return a command as a person would read it, in one line of bounded length."""
    return textwrap.shorten(" ".join(os.fspath(word) for word in argv), 160, placeholder=" ...")


def summary(text: str, lines: int = SUMMARY_LINES) -> str:
    """Return the last *lines* lines of a command's output, or a word when there is none."""
    return "\n".join(text.strip().splitlines()[-lines:]) or "it said nothing"


def wait_for(fact: t.Callable[[], object], timeout: float, what: str) -> None:
    """Return as soon as *fact* is true; raise LabError when it is not within *timeout* seconds."""
    deadline = time.monotonic() + timeout
    while not fact():
        if time.monotonic() >= deadline:
            raise LabError(f"{what}: not so after {timeout:.0f} s")
        time.sleep(POLL)


@contextlib.contextmanager
def locked(path: Path, waiting: str) -> t.Iterator[None]:
    """Hold an exclusive lock on *path*, made if need be; the kernel lets go of it however this process ends.

    *waiting* is said once when another process keeps it for long.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        patient_until = time.monotonic() + PATIENCE
        while not _taken(handle) and time.monotonic() < patient_until:
            time.sleep(POLL)
        if not _taken(handle):
            say(waiting)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _taken(handle: t.IO[str]) -> bool:
    """Try to lock *handle*; taking again what is already ours is a success, too."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace *path* by *text* in one step: a reader, or a crash, finds the old file or the new one."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_text(text, encoding="utf-8")
    new.chmod(mode)
    new.replace(path)


def boot_id() -> str:
    """Return the id of the outer machine's running boot: what was noted under another id is of the past."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def mounts(pid: int | str = "self") -> list[tuple[str, str]]:
    """Return (source, mount point) of every mount that process sees, in mount order.

    Raises OSError when the process is gone. Format: proc_pid_mountinfo(5).
    """
    found = []
    for line in Path(f"/proc/{pid}/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        fields = line.split(" ")
        found.append((_unescaped(fields[fields.index("-") + 2]), _unescaped(fields[4])))
    return found


def _unescaped(field: str) -> str:
    """Undo the kernel's octal escapes of blanks and backslashes in mount tables."""
    for char in " \t\n\\":
        field = field.replace(f"\\{ord(char):03o}", char)
    return field


def unmount_below(folder: Path) -> None:
    """Unmount everything mounted on *folder* or below it, the deepest first."""
    prefix = f"{folder}/"
    for _source, point in reversed(mounts()):
        if point == str(folder) or point.startswith(prefix):
            run(["umount", point])
