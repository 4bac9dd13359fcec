# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program that nodes run, packed into one archive whose bytes depend on nothing but its content.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
import typing as t
from pathlib import Path

import yaml

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.files import open_directory
from ansible_collections.rollcall.discovery.plugins.plugin_utils._errors import PluginError

PACKAGES = ("_etcd", "_registry", "_agent")

# Lets `python3 -m rollcall` run the command in the directory where the archive was unpacked.
_MAIN = b'import runpy\n\nrunpy.run_module("rollcall._agent.cli", run_name="__main__", alter_sys=True)\n'

# 1980-01-01, the oldest time that every archive format can hold; GNU tar warns of a file from 1970.
_MTIME = 315532800


class IncompleteCollection(PluginError):
    """The collection on the controller is not whole."""

    id = "RC-E-RUNTIME"


class Archive(t.NamedTuple):
    """A packed runtime. `digest` names the content alone, so it is the same with every version of zlib."""

    name: str
    digest: str
    content: bytes


def collection_root() -> Path:
    """Where this collection lies: a checkout, or an installed copy."""
    return Path(__file__).resolve().parents[2]


def collection_version(root: Path) -> str:
    """The version from MANIFEST.json (installed) or galaxy.yml (a checkout). Raises AnsibleError."""
    try:
        manifest = root / "MANIFEST.json"
        if manifest.exists():
            return str(json.loads(manifest.read_bytes())["collection_info"]["version"])
        return str(yaml.safe_load((root / "galaxy.yml").read_bytes())["version"])
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError) as exc:
        raise IncompleteCollection(
            f"Cannot tell the version of the collection in {root}: {exc!r}; install it again"
        ) from exc


def collect(root: Path) -> dict[str, bytes]:
    """The files of the package `rollcall`, by their path in the archive. Raises AnsibleError."""
    utils = root / "plugins" / "module_utils"
    files = {"rollcall/__init__.py": b"", "rollcall/__main__.py": _MAIN}
    for package in PACKAGES:
        found = {path.relative_to(utils).as_posix(): path.read_bytes() for path in (utils / package).rglob("*.py")}
        if not found:
            raise IncompleteCollection(
                f"The collection in {root} is incomplete: {utils / package} has no code; install it again"
            )
        files.update({f"rollcall/{name}": content for name, content in found.items()})
    return files


def pack(files: t.Mapping[str, bytes], version: str) -> Archive:
    """Pack `files` in the order of their names, and a file VERSION after them: where it lies, all others do."""
    hashed = hashlib.sha256(version.encode())
    for name in sorted(files):
        hashed.update(f"\n{name} {hashlib.sha256(files[name]).hexdigest()}".encode())
    digest = hashed.hexdigest()[:12]
    stamp = json.dumps({"digest": digest, "version": version}, sort_keys=True) + "\n"
    directories = {parent.as_posix() for name in files for parent in Path(name).parents} - {"."}

    packed = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name in sorted(directories):
            tar.addfile(_entry(name, tarfile.DIRTYPE, 0o755))
        for name in sorted(files):
            _add_file(tar, name, files[name])
        _add_file(tar, "VERSION", stamp.encode())
    return Archive(f"rollcall-{version}-{digest}.tar.gz", digest, packed.getvalue())


def store(archive: Archive, directory: str) -> str:
    """Write the archive into `directory` and return its path; any number of processes may do so at once."""
    with open_directory(directory) as opened:
        opened.replace(archive.name, archive.content)
    return os.path.join(directory, archive.name)


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.mtime = kind, mode, _MTIME
    entry.uname = entry.gname = "root"
    return entry


def _add_file(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = _entry(name, tarfile.REGTYPE, 0o644)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))
