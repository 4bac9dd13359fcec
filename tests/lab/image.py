# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The base image: one Debian system per suite, built once and then only read, as the lower layer of every host."""

from __future__ import annotations

import collections
import hashlib
import os
import shutil
import subprocess
import time
from pathlib import Path

from . import apt
from .system import LabError, Say, environment, locked, unmount_below, write

SUITES = ("bookworm", "trixie")  # newer ones bring a systemd that refuses the older kind of cgroups
# A small Debian server as Ansible meets it: python3-apt is what Ansible's own apt module works with.
PACKAGES = (
    "ca-certificates", "dbus", "iproute2", "iputils-ping", "openssh-server", "python3", "python3-apt", "systemd",
    "systemd-sysv",
)  # fmt: skip
PROGRESS = 5.0  # seconds between two lines of progress
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
CA_LOCAL = Path("/usr/local/share/ca-certificates")

# Runs inside the new system. console-getty has no terminal in the lab, and would leave every host "degraded". Host
# keys and machine id belong to a host, not to the image.
SETUP = """\
set -eu
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
systemctl enable systemd-networkd
systemctl mask console-getty
apt-get clean
rm -f /etc/ssh/ssh_host_*
: >/etc/machine-id
"""

# In a mount and PID namespace of its own, and dead as soon as this program is: whatever ends a build, no process and
# no mount of it is left.
CONTAINED = ("setpriv", "--pdeathsig=KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child=KILL")


def image(suite: str, cache: Path, say: Say) -> Path:
    """Return the root folder of the base image for *suite* in *cache*, built first where it is not there yet.

    Raises LabError where the suite is unknown or the build fails; a failed build leaves its log, and no image.
    """
    if suite not in SUITES:
        raise LabError(f"unknown suite {suite!r}: the lab knows {', '.join(SUITES)}")
    recipe = hashlib.sha256("\n".join((*PACKAGES, SETUP, apt.SETTINGS)).encode()).hexdigest()[:8]
    target = cache / f"{suite}-{recipe}"
    with locked(cache / f"{suite}.lock", f"another program builds the {suite} image; waiting for it"):
        if not target.is_dir():
            draft = cache / f".{suite}.draft"
            _remove(draft)
            _build(suite, draft, cache / f"{suite}.log", say)
            draft.rename(target)
    return target


def carry_over(root: Path) -> None:
    """Give the system in *root* the outer machine's name servers and certificate authorities."""
    write(root / "etc/resolv.conf", _resolv_conf())
    if CA_BUNDLE.exists():
        shutil.copyfile(CA_BUNDLE, root / CA_BUNDLE.relative_to("/"))
    if CA_LOCAL.is_dir():
        shutil.copytree(CA_LOCAL, root / CA_LOCAL.relative_to("/"), dirs_exist_ok=True)


def _build(suite: str, root: Path, log: Path, say: Say) -> None:
    started = time.monotonic()
    say(f"building the {suite} image in {root.parent} (once; a minute or two)")
    main = apt.mirror()[0]
    options = ["--variant=minbase", f"--include={','.join(PACKAGES)}"]
    with log.open("w", encoding="utf-8") as out:
        _logged([*CONTAINED, "debootstrap", *options, suite, str(root), main.url], out.fileno(), log, say)
        write(root / "etc/hosts", "127.0.0.1 localhost\n::1 localhost ip6-localhost\n")
        carry_over(root)
        apt.configure(root, suite)
        proc = f"--mount-proc={root}/proc"
        _logged([*CONTAINED, proc, "chroot", str(root), "sh", "-c", SETUP], out.fileno(), log, say)
    say(f"the {suite} image is built ({time.monotonic() - started:.0f} s)")


def _logged(argv: list[str], log: int, path: Path, say: Say) -> None:
    """Run *argv*; what it says goes to the file descriptor *log* and now and then to *say*. LabError on failure."""
    last: collections.deque[str] = collections.deque(maxlen=12)
    started = shown = time.monotonic()
    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**environment(), "DEBIAN_FRONTEND": "noninteractive"},
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            os.write(log, line.encode())
            last.append(line)
            if time.monotonic() - shown >= PROGRESS:
                shown = time.monotonic()
                say(f"  {shown - started:3.0f} s  {line.strip()}")
    if process.returncode:
        raise LabError(f"building the image failed (all of it in {path}):\n{''.join(last).rstrip()}")


def _remove(draft: Path) -> None:
    """Remove what an interrupted build has left."""
    if draft.exists():
        unmount_below(draft)
        shutil.rmtree(draft)


def _resolv_conf() -> str:
    """Return a resolv.conf that works from another host: where the usual one names a local stub, what is behind it."""
    for path in (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf")):
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        servers = [line.split()[1] for line in text.splitlines() if line.startswith("nameserver ")]
        if any(not server.startswith("127.") for server in servers):
            return text
    raise LabError("no name server in /etc/resolv.conf that a host on another network could ask")
