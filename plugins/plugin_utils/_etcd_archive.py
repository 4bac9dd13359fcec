# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The archive of an etcd release on the controller: is it what its checksum says, and what is inside?

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import stat
import struct
import tarfile
import typing as t
import zlib
from pathlib import PurePosixPath

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.advisories import Version
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.text import printable

PROGRAMS = ("etcd", "etcdctl", "etcdutl")
_ETCDUTL_SINCE = (3, 5)

# Go's name of an architecture, the kernel's, and the number in an ELF header (e_machine) with its byte order.
_ARCHITECTURES = {
    "amd64": ("x86_64", 62, "<"),
    "arm64": ("aarch64", 183, "<"),
    "ppc64le": ("ppc64le", 21, "<"),
    "s390x": ("s390x", 22, ">"),
}
_ELF_HEADER = 20  # bytes up to and including e_machine
_BLOCK = 1 << 20


class ArchiveError(Exception):
    """The archive cannot be used; says why and what to do."""


class Archive(t.NamedTuple):
    """The content of an archive, as its own top directory and programs say."""

    version: str
    architecture: str  # the kernel's name, as in ansible_facts['architecture']
    directory: str  # the top directory inside
    programs: list[str]
    sha256: str


def read(path: str, checksum: str) -> Archive:
    """Verify and read an archive. Raises ArchiveError."""
    wanted = _digest_of(checksum)
    try:
        with open(path, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ArchiveError(f"Cannot read the archive {path}: it is no regular file")
            digest = hashlib.sha256()
            for block in iter(lambda: file.read(_BLOCK), b""):
                digest.update(block)
            if digest.hexdigest() != wanted:
                raise ArchiveError(
                    f"{path} has the checksum sha256:{digest.hexdigest()}, not the expected sha256:{wanted}. Download "
                    "the archive again and compare both with the SHA256SUMS of the release"
                )
            file.seek(0)
            with gzip.open(file) as content:
                with tarfile.open(fileobj=content, mode="r|") as archive:
                    heads = dict(_program_heads(path, archive))
                while content.read(_BLOCK):  # to the end, where gzip has its own checksum
                    pass
    except OSError as exc:
        if isinstance(exc, tarfile.TarError) or exc.errno is None:
            raise _damaged(path, exc) from exc
        raise ArchiveError(f"Cannot read the archive {path}: {exc.strerror}") from exc
    except (tarfile.TarError, EOFError, zlib.error, ValueError) as exc:
        raise _damaged(path, exc) from exc
    return _archive_of(path, heads, wanted)


def _digest_of(checksum: str) -> str:
    match = re.fullmatch(r"sha256:([0-9a-fA-F]{64})", checksum.strip())
    if not match:
        raise ArchiveError(
            f"checksum: expected sha256: and 64 hexadecimal digits, got {printable(checksum, 80)!r}. SHA256SUMS of the "
            "release has them"
        )
    return match.group(1).lower()


def _damaged(path: str, exc: Exception) -> ArchiveError:
    return ArchiveError(
        f"{path} is no complete tar.gz archive ({printable(exc, 100) or type(exc).__name__}), although its checksum is "
        "the expected one. Take archive and checksum from the release of etcd"
    )


def _program_heads(path: str, archive: tarfile.TarFile) -> t.Iterator[tuple[PurePosixPath, bytes]]:
    """The first bytes of each program, by its name inside. Reads the archive to its end."""
    for member in archive:
        name = PurePosixPath(member.name)
        if name.is_absolute() or ".." in name.parts:
            raise ArchiveError(f"{path} is no release of etcd: it holds {printable(member.name, 100)!r}")
        if name.name in PROGRAMS and len(name.parts) == 2:
            file = archive.extractfile(member) if member.isreg() else None
            yield name, file.read(_ELF_HEADER) if file else b""


def _archive_of(path: str, heads: t.Mapping[PurePosixPath, bytes], sha256: str) -> Archive:
    """The architecture, as the names and headers of the programs say."""
    hint = "Take the archive etcd-vVERSION-linux-ARCH.tar.gz of a release"
    tops = {name.parts[0] for name in heads}
    if len(tops) != 1:
        raise ArchiveError(
            f"{path} is no release of etcd: expected one directory with the programs {', '.join(PROGRAMS)}, got "
            f"{printable(', '.join(sorted(tops)), 100) or 'none'}. {hint}"
        )
    (top,) = tops
    match = re.fullmatch(r"etcd-v(\d[0-9A-Za-z.-]*)-linux-([0-9a-z]+)", top)
    try:
        version = Version.parse(match.group(1)) if match else None
    except ValueError:
        version = None
    if not match or not version or match.group(2) not in _ARCHITECTURES:
        raise ArchiveError(
            f"{path} is no release of etcd for Linux: its top directory is {printable(top, 100)!r}, not "
            f"etcd-vVERSION-linux-ARCH with ARCH one of {', '.join(_ARCHITECTURES)}. {hint}"
        )
    needed = [name for name in PROGRAMS if name != "etcdutl" or version.series >= _ETCDUTL_SINCE]
    kernel_name, machine, order = _ARCHITECTURES[match.group(2)]
    for program in needed:
        head = heads.get(PurePosixPath(top, program))
        if head is None:
            raise ArchiveError(f"{path} is no complete release of etcd: {top}/{program} is missing. {hint}")
        if head[:4] != b"\x7fELF" or len(head) < _ELF_HEADER or struct.unpack_from(f"{order}H", head, 18) != (machine,):
            raise ArchiveError(
                f"{path} is no release of etcd: {top}/{program} is no program for {match.group(2)}. {hint}"
            )
    return Archive(match.group(1), kernel_name, top, needed, sha256)
