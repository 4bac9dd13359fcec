# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files of other users, read by root: no link, pipe or device leads it to a secret, and none of it is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.checking.probe_process import Process
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.checking.probe_ttl import Ttl
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.host.foreign_files import read_foreign

NOBODY = 65534
SECRET = "root:$y$j9T$secret-of-the-machine"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A directory of another user, below one of root's; pytest's own are for root alone."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to be another user's victim")
    directory = tmp_path / "home"
    directory.mkdir()
    os.chown(directory, NOBODY, NOBODY)
    (tmp_path / "shadow").write_text(f"{SECRET}\n")
    (tmp_path / "shadow").chmod(0o600)
    return directory


def outputs(path: Path) -> list[str]:
    """What the checks that read a file say of it."""
    return [Process(pidfile=str(path))(1.0).output, Ttl(str(path), 3600.0)(1.0).output]


def test_a_link_in_a_directory_of_others_is_not_followed(home: Path) -> None:
    (home / "pid").symlink_to(home.parent / "shadow")
    (home / "sub").symlink_to(home.parent)
    for path in (home / "pid", home / "sub/shadow"):
        with pytest.raises(OSError, match="symbolic link in a directory that others may write"):
            read_foreign(str(path), 100)
        for output in outputs(path):
            assert "symbolic link" in output
            assert "secret-of" not in output


def test_a_link_that_root_has_made_is_followed(home: Path) -> None:
    (home / "pid").write_text("1\n")
    (home.parent / "link").symlink_to("home")
    (home.parent / "absolute").symlink_to(home / "pid")
    assert read_foreign(str(home.parent / "link/pid"), 100)[0] == b"1\n"
    assert read_foreign(str(home.parent / "absolute"), 100)[0] == b"1\n"
    assert Process(pidfile=str(home.parent / "./link/./pid"))(1.0).status == "passing"


def test_what_stands_below_a_directory_of_others_is_not_trusted_either(home: Path) -> None:
    (home / "mine").mkdir()  # root's, but the owner of the directory above can replace it
    (home / "mine/pid").symlink_to(home.parent / "shadow")
    with pytest.raises(OSError, match="symbolic link"):
        read_foreign(str(home / "mine/pid"), 100)


def test_only_plain_files_are_opened(home: Path) -> None:
    os.mkfifo(home / "pipe")
    os.mknod(home / "device", 0o20666, os.makedev(1, 5))  # /dev/zero
    for path in (home / "pipe", home / "device", home):
        with pytest.raises(OSError, match="plain file|[Ii]s a directory"):
            read_foreign(str(path), 100)


def test_a_second_name_of_a_secret_is_not_read(home: Path) -> None:
    os.link(home.parent / "shadow", home / "pid")
    with pytest.raises(OSError, match="second name of another user's file"):
        read_foreign(str(home / "pid"), 100)


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="Too many levels"):
        read_foreign(str(tmp_path / "a"), 100)


def test_content_that_is_no_status_or_number_is_not_told(tmp_path: Path) -> None:
    (tmp_path / "shadow").write_text(f"{SECRET}\n")
    for output in outputs(tmp_path / "shadow"):
        assert "secret-of" not in output
    assert "it holds no process id" in outputs(tmp_path / "shadow")[0]


def test_the_note_of_a_status_is_printable(tmp_path: Path) -> None:
    (tmp_path / "ttl").write_bytes(b"warning: \x1b[31mdisk\xff " + b"x" * 400)
    status, output = Ttl(str(tmp_path / "ttl"), 3600.0)(1.0)
    assert status == "warning"
    assert output.startswith("warning: \\x1b[31mdisk")
    assert len(output) <= 200
