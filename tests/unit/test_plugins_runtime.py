# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ansible.errors import AnsibleError

from ansible_collections.rollcall.discovery.plugins.plugin_utils import _runtime

FILES = {"rollcall/__init__.py": b"", "rollcall/_etcd/client.py": b"x = 1\n"}


def members(archive: _runtime.Archive) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(archive.content)) as tar:
        return tar.getmembers()


def a_collection(root: Path) -> Path:
    for package in _runtime.PACKAGES:
        directory = root / "plugins" / "module_utils" / package
        directory.mkdir(parents=True)
        (directory / "__init__.py").touch()
        (directory / "code.py").write_text(f"name = '{package}'\n")
    return root


def test_the_real_runtime_unpacks_to_an_importable_package() -> None:
    names = [member.name for member in members(_runtime.pack(_runtime.collect(_runtime.collection_root()), "1.0.0"))]
    assert "rollcall/_etcd/client.py" in names
    assert "rollcall/_registry/node_set.py" in names
    assert {"rollcall/__init__.py", "rollcall/_agent/__init__.py"} <= set(names)
    assert names[-1] == "VERSION"


def test_unpacked_archive_runs_as_python_module(tmp_path: Path) -> None:
    archive = _runtime.pack(_runtime.collect(_runtime.collection_root()), "1.0.0")
    subprocess.run(["tar", "-xz"], cwd=tmp_path, input=archive.content, check=True)
    done = subprocess.run(
        [sys.executable, "-m", "rollcall", "--version"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "rollcall 1.0.0\n", "")


def test_only_python_source_is_packed(tmp_path: Path) -> None:
    root = a_collection(tmp_path)
    etcd = root / "plugins" / "module_utils" / "_etcd"
    (etcd / "__pycache__").mkdir()
    (etcd / "__pycache__" / "code.cpython-311.pyc").write_bytes(b"\0")
    (etcd / "notes.txt").write_text("no")
    assert sorted(_runtime.collect(root)) == [
        "rollcall/__init__.py",
        "rollcall/__main__.py",
        "rollcall/_agent/__init__.py",
        "rollcall/_agent/code.py",
        "rollcall/_etcd/__init__.py",
        "rollcall/_etcd/code.py",
        "rollcall/_registry/__init__.py",
        "rollcall/_registry/code.py",
    ]


def test_times_owner_and_umask_change_nothing(tmp_path: Path) -> None:
    root = a_collection(tmp_path)
    first = _runtime.pack(_runtime.collect(root), "1.0.0")
    for path in root.rglob("*.py"):
        os.utime(path, (1, 1))
        path.chmod(0o600)
    assert _runtime.pack(dict(reversed(_runtime.collect(root).items())), "1.0.0") == first


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({**FILES, "rollcall/_etcd/client.py": b"x = 2\n"}, "1.0.0"),
        ({**FILES, "rollcall/_etcd/more.py": b""}, "1.0.0"),
        (FILES, "1.0.1"),
    ],
)
def test_any_other_content_or_version_has_another_digest(files: dict[str, bytes], version: str) -> None:
    assert _runtime.pack(files, version).digest != _runtime.pack(FILES, "1.0.0").digest


def test_members_have_one_owner_mode_and_time() -> None:
    entries = members(_runtime.pack(FILES, "1.0.0"))
    assert {(entry.uid, entry.gid, entry.uname, entry.gname, entry.mtime) for entry in entries} == {
        (0, 0, "root", "root", 315532800)
    }
    assert {entry.mode for entry in entries if entry.isdir()} == {0o755}
    assert {entry.mode for entry in entries if entry.isfile()} == {0o644}


def test_name_and_version_file_carry_version_and_digest() -> None:
    archive = _runtime.pack(FILES, "1.2.3")
    assert archive.name == f"rollcall-1.2.3-{archive.digest}.tar.gz"
    assert len(archive.digest) == 12
    with tarfile.open(fileobj=io.BytesIO(archive.content)) as tar:
        stamp = tar.extractfile("VERSION")
        assert stamp is not None
        assert json.load(stamp) == {"version": "1.2.3", "digest": archive.digest}
    assert gzip.decompress(archive.content)


def test_many_processes_may_store_at_once(tmp_path: Path) -> None:
    archive = _runtime.pack(FILES, "1.0.0")
    with ThreadPoolExecutor(8) as pool:
        paths = set(pool.map(lambda _turn: _runtime.store(archive, str(tmp_path)), range(32)))
    assert paths == {str(tmp_path / archive.name)}
    assert [path.name for path in tmp_path.iterdir()] == [archive.name]
    assert (tmp_path / archive.name).read_bytes() == archive.content


def test_version_of_a_checkout_and_of_an_installed_collection(tmp_path: Path) -> None:
    (tmp_path / "galaxy.yml").write_text("version: 1.0.0\n")
    assert _runtime.collection_version(tmp_path) == "1.0.0"
    (tmp_path / "MANIFEST.json").write_text('{"collection_info": {"version": "1.1.0"}}')
    assert _runtime.collection_version(tmp_path) == "1.1.0"


@pytest.mark.parametrize("content", [None, "", "{", "name: discovery\n"])
def test_a_collection_without_version_is_an_error(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "galaxy.yml").write_text(content)
    with pytest.raises(AnsibleError, match="Cannot tell the version"):
        _runtime.collection_version(tmp_path)


def test_a_collection_without_runtime_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AnsibleError, match="incomplete"):
        _runtime.collect(tmp_path)
