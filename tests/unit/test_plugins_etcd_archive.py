# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookup etcd_archive: what is a release of etcd, and what only looks like one."""

from __future__ import annotations

import hashlib
import io
import struct
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader

TOP = "etcd-v3.6.16-linux-amd64"


def program(machine: int = 62, order: str = "<") -> bytes:
    """The beginning of an ELF program for a machine."""
    return b"\x7fELF" + bytes([2, 1 if order == "<" else 2]) + bytes(12) + struct.pack(f"{order}H", machine) + bytes(99)


RELEASE = {f"{TOP}/{name}": program() for name in ("etcd", "etcdctl", "etcdutl")}


def packed(path: Path, files: Mapping[str, bytes], links: Mapping[str, str] | None = None) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
    return path


def read(path: Path | str, checksum: str = "") -> dict[str, Any]:
    lookup = lookup_loader.get("rollcall.discovery.etcd_archive", loader=DataLoader())
    checksum = checksum or f"sha256:{hashlib.sha256(Path(path).read_bytes()).hexdigest()}"
    (found,) = lookup.run([str(path)], {}, checksum=checksum)
    return found


def refusal(path: Path | str, checksum: str = "") -> str:
    with pytest.raises(AnsibleError) as raised:
        read(path, checksum)
    return str(raised.value)


def test_an_archive_is_known_by_what_is_inside(tmp_path: Path) -> None:
    path = packed(tmp_path / "etcd-v3.4.0-linux-arm64.tar.gz", {**RELEASE, f"{TOP}/Documentation/etcd": b"text"})
    assert read(path) == {
        "path": str(path),
        "version": "3.6.16",
        "architecture": "x86_64",
        "directory": TOP,
        "programs": ["etcd", "etcdctl", "etcdutl"],
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


@pytest.mark.parametrize(
    ("name", "machine", "order", "kernel"),
    [("arm64", 183, "<", "aarch64"), ("ppc64le", 21, "<", "ppc64le"), ("s390x", 22, ">", "s390x")],
)
def test_architectures_have_the_kernels_name(tmp_path: Path, name: str, machine: int, order: str, kernel: str) -> None:
    top = f"etcd-v3.4.45-linux-{name}"  # without etcdutl, which came with 3.5
    path = packed(tmp_path / "a.tar.gz", {f"{top}/{one}": program(machine, order) for one in ("etcd", "etcdctl")})
    assert (read(path)["architecture"], read(path)["programs"]) == (kernel, ["etcd", "etcdctl"])


@pytest.mark.parametrize("checksum", ["sha256:12", "md5:" + "0" * 32, "0" * 64, "https://example.com/SHA256SUMS"])
def test_a_checksum_has_one_form(tmp_path: Path, checksum: str) -> None:
    path = packed(tmp_path / "a.tar.gz", RELEASE)
    assert f"checksum: expected sha256: and 64 hexadecimal digits, got '{checksum}'" in refusal(path, checksum)


def test_another_file_than_the_expected_one_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(b"\x1f\x8b nothing that could be unpacked")
    assert f"not the expected sha256:{'ab' * 32}. Download the archive again" in refusal(path, f"sha256:{'AB' * 32}")


def test_a_truncated_archive_is_refused_at_every_length(tmp_path: Path) -> None:
    whole = packed(tmp_path / "whole.tar.gz", RELEASE).read_bytes()
    path = tmp_path / "a.tar.gz"
    for length in range(0, len(whole) - 8, 7):
        path.write_bytes(whole[:length])
        assert "is no " in refusal(path), length


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "got none"),
        ({"etcd": program()}, "got none"),
        ({"haproxy-3.2/haproxy": program()}, "got none"),
        ({**RELEASE, "other/etcd": program()}, f"got {TOP}, other"),
        (
            {f"etcd-v3.6.16-darwin-amd64/{name}": program() for name in ("etcd", "etcdctl")},
            "no release of etcd for Linux",
        ),
        ({f"etcd-vx-linux-amd64/{name}": program() for name in ("etcd", "etcdctl")}, "no release of etcd for Linux"),
        ({"etcd-v3.6.16-linux-riscv64/etcd": program()}, "with ARCH one of amd64, arm64"),
        ({name: RELEASE[name] for name in list(RELEASE)[:2]}, f"{TOP}/etcdutl is missing"),
        ({**RELEASE, f"{TOP}/etcd": program(183)}, f"{TOP}/etcd is no program for amd64"),
        ({**RELEASE, f"{TOP}/etcdctl": b"#!/bin/sh\n"}, f"{TOP}/etcdctl is no program for amd64"),
        ({**RELEASE, f"{TOP}/etcdutl": b""}, f"{TOP}/etcdutl is no program for amd64"),
        ({**RELEASE, f"{TOP}/../../etc/cron.d/x": b""}, "it holds 'etcd-v3.6.16-linux-amd64/../../etc/cron.d/x'"),
        ({**RELEASE, "/etc/cron.d/x": b""}, "it holds '/etc/cron.d/x'"),
    ],
)
def test_what_is_no_release_is_refused(tmp_path: Path, files: dict[str, bytes], said: str) -> None:
    assert said in refusal(packed(tmp_path / "a.tar.gz", files))


def test_a_link_is_no_program(tmp_path: Path) -> None:
    files = {name: content for name, content in RELEASE.items() if not name.endswith("/etcd")}
    path = packed(tmp_path / "a.tar.gz", files, {f"{TOP}/etcd": "/bin/sh"})
    assert f"{TOP}/etcd is no program for amd64" in refusal(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    checksum = f"sha256:{'0' * 64}"
    assert f"Cannot read the archive {tmp_path}/none: No such file" in refusal(tmp_path / "none", checksum)
    assert "Is a directory" in refusal(tmp_path, checksum)
