# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packages for the hosts: the outer machine's own Debian mirror, and a store of the packages already downloaded."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shutil
import typing as t
from pathlib import Path

from .system import LabError, run, write

APT = Path("/etc/apt")
OS_RELEASE = Path("/etc/os-release")
MIRROR_VARIABLE = "ROLLCALL_LAB_MIRROR"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
ARCHIVES = "var/cache/apt/archives"
LISTS = "var/lib/apt/lists"

# What an outer machine needs to reach its mirror, a host behind it needs as well.
CARRIED = re.compile(r"Acquire::(Check-Valid-Until|Check-Date|Retries|https?::Proxy) ")

# Keep what was downloaded, whatever front end asked for it: the lab collects it (see `collect`).
SETTINGS = """\
APT::Keep-Downloaded-Packages "true";
Binary::apt::APT::Keep-Downloaded-Packages "true";
Acquire::Languages "none";
"""

# A third off the time of an installation (11 s became 8), and nothing here is worth a sync of every file.
DPKG_SETTINGS = "force-unsafe-io\n"


@dataclasses.dataclass(frozen=True)
class Source:
    """One Debian archive: its URL, and the part after the codename of its suite (empty, -updates, -security)."""

    url: str
    suffix: str


def mirror(apt: Path = APT, release: Path = OS_RELEASE) -> list[Source]:
    """Return the Debian archives of the outer machine, the main one first.

    They are read from its apt sources, or from the environment variable ROLLCALL_LAB_MIRROR (the URL of a main
    archive). Raises LabError where neither names one that debootstrap can read.
    """
    if os.environ.get(MIRROR_VARIABLE):
        return [Source(os.environ[MIRROR_VARIABLE], "")]
    codename = _os_release(release).get("VERSION_CODENAME", "")
    found: dict[str, str] = {}
    for url, suite in _entries(apt):
        name, dash, rest = suite.partition("-")
        if codename and name == codename and rest in ("", "updates", "security"):
            found.setdefault(dash + rest, url)
    if _os_release(release).get("ID") != "debian" or not found.get("", "").startswith(("http:", "https:")):
        raise LabError(f"no Debian mirror in {apt}/sources.list*: set {MIRROR_VARIABLE} to the URL of one")
    return [Source(found[suffix], suffix) for suffix in sorted(found)]


def configure(root: Path, suite: str) -> None:
    """Point the apt of the system in *root* to the mirror, for the Debian release *suite*."""
    lines = [f"deb [signed-by={KEYRING}] {source.url} {suite}{source.suffix} main\n" for source in mirror()]
    write(root / "etc/apt/sources.list", "".join(lines))
    dump = run(["apt-config", "dump"], check=False).stdout.splitlines()
    carried = "".join(f"{line}\n" for line in dump if CARRIED.match(line))
    write(root / "etc/apt/apt.conf.d/90rollcall-lab", SETTINGS + carried)
    write(root / "etc/dpkg/dpkg.cfg.d/90rollcall-lab", DPKG_SETTINGS)


def empty_lists(root: Path) -> None:
    """Leave the system in *root* without package lists, in a folder that looks as if they had just been refreshed.

    Images for clouds and containers are like that: whoever installs a package has to refresh the lists first.
    """
    shutil.rmtree(root / LISTS)
    (root / LISTS).mkdir()


def hand_out(store: Path, layer: Path) -> None:
    """Put every package of *store* into apt's archive folder of *layer*, a host's own layer that is not mounted yet."""
    archives = layer / ARCHIVES
    archives.mkdir(parents=True, exist_ok=True)
    for package in _packages(store):
        _link(package, archives / package.name)


def collect(store: Path, layer: Path) -> None:
    """Add to *store* what apt has downloaded, whole and verified, into the host's own *layer*."""
    store.mkdir(parents=True, exist_ok=True)
    for package in _packages(layer / ARCHIVES):
        _link(package, store / package.name)


def _packages(folder: Path) -> list[Path]:
    with contextlib.suppress(FileNotFoundError):
        return sorted(entry for entry in folder.iterdir() if entry.suffix == ".deb" and not entry.is_symlink())
    return []


def _link(package: Path, target: Path) -> None:
    """Make *target* the same file as *package*, or on another file system a copy of it, in one step."""
    if target.exists():
        return
    try:
        os.link(package, target)
    except FileExistsError:
        return
    except OSError:
        part = target.with_name(f".{target.name}.{os.getpid()}")
        shutil.copyfile(package, part)
        part.replace(target)


def _os_release(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}


def _entries(apt: Path) -> t.Iterator[tuple[str, str]]:
    """Yield (URL, suite) of every binary archive in sources.list(5), both formats."""
    for path in [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]:
        if not path.is_file():
            continue
        text = re.sub(r"^#.*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        if path.suffix == ".list":
            yield from re.findall(r"^\s*deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)\s", text, re.MULTILINE)
        elif path.suffix == ".sources":
            for stanza in re.split(r"\n\s*\n", text):
                yield from _stanza(stanza)


def _stanza(stanza: str) -> t.Iterator[tuple[str, str]]:
    fields = dict(re.findall(r"^([A-Za-z-]+):[ \t]*(.*)$", stanza, re.MULTILINE))
    if "deb" in fields.get("Types", "").split() and fields.get("Enabled", "yes").lower() in ("yes", "true"):
        for url in fields.get("URIs", "").split():
            for suite in fields.get("Suites", "").split():
                yield url, suite
