# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Status and metrics are written where the operator said, and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.host.writer import Writer

NOBODY = 65534


@pytest.fixture
def collector(tmp_path: Path) -> Path:
    """The directory of a collector as Debian has it: root's, in one of another user."""
    directory = tmp_path / "prometheus/node-exporter"
    directory.mkdir(parents=True)
    os.chown(directory.parent, NOBODY, NOBODY)
    return directory


def test_a_file_in_a_directory_below_another_users_is_written(collector: Path) -> None:
    writer = Writer("metrics")
    writer.put(str(collector / "rollcall.prom"), b"up 1\n")
    assert writer.flush(5)
    assert (collector / "rollcall.prom").read_bytes() == b"up 1\n"
    assert (collector / "rollcall.prom").stat().st_mode & 0o777 == 0o644


def test_links_of_that_user_lead_nowhere(collector: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "secret").mkdir()
    collector.rmdir()
    collector.symlink_to(tmp_path / "secret")
    writer = Writer("metrics")
    writer.put(str(collector / "rollcall.prom"), b"up 1\n")
    assert not writer.flush(0.5)
    assert os.listdir(tmp_path / "secret") == []
    assert "node-exporter is a symbolic link" in capsys.readouterr().err


def test_names_that_another_user_has_taken_are_replaced_and_not_followed(collector: Path, tmp_path: Path) -> None:
    os.chown(collector, NOBODY, NOBODY)
    (tmp_path / "victim").write_text("content")
    for name in ("rollcall.prom", "rollcall.prom.new", ".rollcall.prom.rollcall"):
        (collector / name).symlink_to(tmp_path / "victim")
    writer = Writer("metrics")
    writer.put(str(collector / "rollcall.prom"), b"up 1\n")
    assert writer.flush(5)
    assert ((tmp_path / "victim").read_text(), (collector / "rollcall.prom").is_symlink()) == ("content", False)


@pytest.mark.parametrize("private", [False, True])
def test_only_a_file_that_must_survive_a_power_failure_waits_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, private: bool
) -> None:
    """A snapshot must. A status, which is written at each keepalive, says how a process is, and ends with it."""
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    tmp_path.chmod(0o700)
    writer = Writer("test", private=private)
    writer.put(str(tmp_path / "file"), b"content\n")
    assert writer.flush(5)
    assert (tmp_path / "file").read_bytes() == b"content\n"
    assert bool(synced) is private
