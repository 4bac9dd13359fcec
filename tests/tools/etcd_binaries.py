# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real etcd servers of several versions, for the tests.

3.4 and 3.5 are Debian's packages, of the machine itself or of another release unpacked into the cache; 3.6 is in no
Debian release and is built from its Go modules where there is a Go toolchain. `python -m tests.tools.etcd_binaries`
gets all of them ahead of the tests and says what is missing and why.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.lab.apt import KEYRING, mirror
from tests.lab.system import LabError

# The Debian release that has the series
SUITES = {"3.4": "bookworm", "3.5": "trixie"}
GO_VERSIONS = {"3.6": "v3.6.16"}
SERIES = (*SUITES, *GO_VERSIONS)


class Unavailable(Exception):
    """There is no server of a series on this machine, and none can be had; says why."""


def etcd_binaries() -> dict[str, Path | None]:
    """Return for each series the directory that holds its `etcd` and `etcdctl`, or None where there is none."""
    found: dict[str, Path | None] = {}
    for series in SERIES:
        try:
            found[series] = provide(series)
        except Unavailable as reason:
            print(f"etcd {series}: {reason}", file=sys.stderr)
            found[series] = None
    return found


def provide(series: str) -> Path:
    """Return the directory with `etcd` and `etcdctl` of a series, out of the cache or made now (up to minutes).

    Raises Unavailable where it cannot be had, and RuntimeError where CI should have it and does not.
    """
    installed = shutil.which("etcd")
    if installed and shutil.which("etcdctl") and _series_of(Path(installed)) == series:
        return Path(installed).parent
    try:
        if series in SUITES:
            return cached(f"etcd-{series}-{SUITES[series]}", _debian_etcd(SUITES[series]))
        return cached(f"etcd-{GO_VERSIONS[series]}", partial(build, GO_VERSIONS[series]))
    except subprocess.CalledProcessError as error:
        message = f"{' '.join(map(str, error.cmd))} failed with status {error.returncode}:\n{error.stdout}"
        if os.environ.get("CI") == "true":
            raise RuntimeError(f"etcd {series} could not be made, and CI must have it: {message}") from error
        raise Unavailable(message) from error


def cache_dir() -> Path:
    """Where what is slow to make is kept between runs; tests/tools/common.sh follows the same rule."""
    if os.environ.get("ROLLCALL_TEST_CACHE"):
        return Path(os.environ["ROLLCALL_TEST_CACHE"])
    if os.geteuid() == 0:
        return Path("/var/cache/rollcall-tests")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rollcall-tests"


def _series_of(etcd: Path) -> str | None:
    output = subprocess.run([etcd, "--version"], capture_output=True, text=True, check=False).stdout
    match = re.search(r"etcd Version: (\d+\.\d+)\.", output)
    return match.group(1) if match else None


def cached(name: str, make: Callable[[Path], None]) -> Path:
    """Return the directory of the cache, filled once by `make`, whoever comes first; half made is never seen."""
    final = cache_dir() / name
    final.parent.mkdir(parents=True, exist_ok=True)
    with _locked(final.with_name(f"{name}.lock")):
        if not final.exists():
            print(f"{name}: getting it ...", file=sys.stderr, flush=True)
            started = time.monotonic()
            with tempfile.TemporaryDirectory(dir=final.parent, prefix=f".{name}-") as scratch:
                target = Path(scratch) / "bin"
                target.mkdir()
                make(target)
                target.rename(final)
            print(f"{name}: ready after {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return final


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(*command: str | Path, cwd: Path) -> None:
    subprocess.run(command, cwd=cwd, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def _debian_etcd(suite: str) -> Callable[[Path], None]:
    return partial(unpack, suite, {"etcd-server": "etcd", "etcd-client": "etcdctl"})


def unpack(suite: str, programs: Mapping[str, str], target: Path) -> None:
    """Put one program of each package of a Debian release into `target`; nothing is installed.

    Downloaded and verified by apt. Raises Unavailable where there is no apt or no mirror.
    """
    if not shutil.which("apt-get"):
        raise Unavailable(f"not on PATH, and without apt-get Debian {suite}'s cannot be fetched")
    try:
        archive = mirror()[0].url
    except LabError as error:
        raise Unavailable(str(error)) from error
    state = target.parent / "apt"
    for directory in ("lists/partial", "cache/archives/partial"):
        (state / directory).mkdir(parents=True)
    (state / "status").touch()
    (state / "sources.list").write_text(f"deb [signed-by={KEYRING}] {archive} {suite} main\n")
    settings = {
        "Dir::State": state,
        "Dir::State::Lists": state / "lists",
        "Dir::State::Status": state / "status",
        "Dir::Cache": state / "cache",
        "Dir::Etc::SourceList": state / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "APT::Sandbox::User": "",  # the directory is not open to apt's own user
    }
    apt = ["apt-get", "-q", *(word for key, value in settings.items() for word in ("-o", f"{key}={value}"))]
    _run(*apt, "update", cwd=state)
    _run(*apt, "download", *programs, cwd=state)
    for package in state.glob("*.deb"):
        _run("dpkg-deb", "-x", package, state / "root", cwd=state)
    for program in programs.values():
        shutil.copy(state / "root/usr/bin" / program, target)


def build(version: str, target: Path) -> None:
    """Build etcd, etcdctl and etcdutl of a release into `target` from their Go modules."""
    if not shutil.which("go"):
        raise Unavailable(f"{version} is built from source, and there is no Go toolchain on PATH")
    source = target.parent / "source"
    source.mkdir()
    modules = [f"go.etcd.io/etcd/{part}/v3" for part in ("server", "etcdctl", "etcdutl")]
    _run("go", "mod", "init", "rollcall.test/etcd", cwd=source)
    _run("go", "get", *(f"{module}@{version}" for module in modules), cwd=source)
    _run("env", "CGO_ENABLED=0", "go", "build", "-trimpath", "-o", f"{target}/", *modules, cwd=source)
    (target / "server").rename(target / "etcd")


def main() -> int:
    """Get all of them, and list where they are."""
    for series, directory in etcd_binaries().items():
        print(f"etcd {series}: {directory or 'SKIPPED'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
