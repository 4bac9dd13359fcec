# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files are replaced whole, keep their metadata, and nobody else decides where. Real users, links, pipes and ACLs."""

from __future__ import annotations

import errno
import os
import stat
import struct
from pathlib import Path

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd import files
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.attributes import Attributes
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.files import UnsafePath, open_directory

NOBODY = 65534
ACL = "system.posix_acl_access"


def acl(group_bits=4, user=1234):
    """An ACL as acl(5) stores it: the owner rw, one more user r, the group and others nothing."""
    entries = [(0x01, 6, -1), (0x02, 4, user), (0x04, 0, -1), (0x10, group_bits, -1), (0x20, 0, -1)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)


@pytest.fixture
def directory(tmp_path):
    with files.private_directory(str(tmp_path)) as opened:
        yield opened


def test_replace_and_read(directory, tmp_path):
    assert directory.read("a") is None
    directory.replace("a", b"one")
    directory.replace("a", b"two", Attributes(os.geteuid(), os.getegid(), 0o644))
    assert (directory.read("a"), (tmp_path / "a").stat().st_mode & 0o777) == (b"two", 0o644)
    assert os.listdir(tmp_path) == ["a"]


def test_without_attributes_only_its_owner_can_read_it(directory, tmp_path):
    old = os.umask(0)
    try:
        directory.replace("a", b"secret")
    finally:
        os.umask(old)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_acls_and_extended_attributes_survive(directory, tmp_path):
    path = tmp_path / "a"
    path.write_text("one")
    path.chmod(0o640)
    os.setxattr(path, ACL, acl())
    os.setxattr(path, "user.origin", b"by hand")
    os.setxattr(path, "security.selinux", b"system_u:object_r:etc_t:s0\0")
    before = {name: os.getxattr(path, name) for name in os.listxattr(path)}
    directory.replace("a", b"two", directory.attributes("a"))
    assert path.read_text() == "two"
    assert {name: os.getxattr(path, name) for name in os.listxattr(path)} == before
    assert before.keys() == {ACL, "user.origin", "security.selinux"}


def test_another_mode_bounds_the_acl_as_chmod_does(directory, tmp_path):
    path = tmp_path / "a"
    path.write_text("one")
    os.setxattr(path, ACL, acl())
    directory.replace("a", b"two", directory.attributes("a")._replace(mode=0o600))
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.getxattr(path, ACL) == acl(group_bits=0)


def test_a_default_acl_of_the_directory_changes_no_file_that_existed(directory, tmp_path):
    path = tmp_path / "a"
    path.write_text("one")
    os.setxattr(tmp_path, "system.posix_acl_default", acl())
    directory.replace("a", b"two", directory.attributes("a"))
    assert os.listxattr(path) == []
    directory.replace("b", b"one")
    assert os.listxattr(tmp_path / "b") == [ACL]


def test_privileges_of_a_program_are_not_kept(directory, tmp_path):
    path = tmp_path / "a"
    path.write_text("one")
    path.chmod(0o4755)
    os.setxattr(path, "security.capability", struct.pack("<IIIII", 0x02000001, 0x400, 0, 0, 0))
    directory.replace("a", b"two", directory.attributes("a"))
    assert (path.stat().st_mode & 0o7777, os.listxattr(path)) == (0o755, [])


def test_a_failure_leaves_the_old_file_and_nothing_else(directory, tmp_path):
    (tmp_path / "a").write_text("one")
    with pytest.raises(OSError, match="cannot copy the extended attribute nonsense.x"):
        directory.replace("a", b"two", Attributes(0, 0, 0o644, {"nonsense.x": b""}))
    assert (os.listdir(tmp_path), (tmp_path / "a").read_text()) == (["a"], "one")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/etc/shadow", path)])
def test_only_regular_files_are_read_and_none_is_waited_for(directory, tmp_path, make):
    make(tmp_path / "a")
    for use in (directory.read, directory.attributes):
        with pytest.raises(UnsafePath, match="a is (a symbolic link|not a regular file)"):
            use("a")
    with pytest.raises(OSError, match="a"):
        directory.lock_file("a")


def test_an_operators_link_is_read_but_no_named_pipe(tmp_path):
    (tmp_path / "real").write_text("content")
    (tmp_path / "link").symlink_to("real")
    assert files.read_regular(str(tmp_path / "link")) == b"content"
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnsafePath, match="pipe is not a regular file"):
        files.read_regular(str(tmp_path / "pipe"))
    with pytest.raises(UnsafePath, match="/dev/zero is not a regular file"):
        files.read_regular("/dev/zero")


def test_a_file_that_would_fill_the_memory_is_not_read(directory, tmp_path):
    (tmp_path / "a").touch()
    os.truncate(tmp_path / "a", 2**40)
    with pytest.raises(OSError, match="larger than 64 MiB"):
        directory.read("a")


def test_a_candidate_is_never_written_through_a_link(directory, tmp_path):
    (tmp_path / ".a.rollcall").symlink_to(tmp_path / "victim")
    directory.replace("a", b"one", sole=True)
    assert sorted(os.listdir(tmp_path)) == ["a"]
    (tmp_path / "a").unlink()
    (tmp_path / "a").symlink_to(tmp_path / "victim")
    directory.replace("a", b"one")
    assert not (tmp_path / "victim").exists()
    assert not (tmp_path / "a").is_symlink()


def reached(path, owner=None):
    """Where a path leads, as "directory/name"."""
    directory, name = files.reach(str(path), owner)
    with directory:
        directory.require_private(owner)
        return os.path.join(directory.path, name)


def test_operators_links_are_followed_relative_absolute_and_upwards(tmp_path):
    for number in (1, 2):
        (tmp_path / f"releases/{number}/etc").mkdir(parents=True)
    (tmp_path / "srv").mkdir()
    (tmp_path / "srv/current").symlink_to("../releases/1")
    assert reached(tmp_path / "srv/current/etc/a") == str(tmp_path / "releases/1/etc/a")
    (tmp_path / "srv/current").unlink()
    (tmp_path / "srv/current").symlink_to(tmp_path / "releases/2")
    assert reached(tmp_path / "srv/current/etc/a") == str(tmp_path / "releases/2/etc/a")
    (tmp_path / "srv/a").symlink_to("current/etc/b")
    assert reached(tmp_path / "srv/a") == str(tmp_path / "releases/2/etc/b")
    assert files.reach(str(tmp_path / "srv/a"), follow=False)[1] == "a"


def test_a_circle_of_links_and_a_missing_directory_are_errors(tmp_path):
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        files.reach(str(tmp_path / "circle/a"))
    with pytest.raises(FileNotFoundError, match="No such file or directory: '.*/nowhere'"):
        files.reach(str(tmp_path / "nowhere/a"))


def test_a_strangers_directory_is_refused_with_what_to_do(tmp_path):
    (tmp_path / "app/conf").mkdir(parents=True)
    os.chown(tmp_path / "app/conf", NOBODY, NOBODY)
    with pytest.raises(UnsafePath, match=r'conf belongs to user "nobody", .* \(chown root .*/app/conf\)'):
        reached(tmp_path / "app/conf/a")
    assert reached(tmp_path / "app/conf/a", NOBODY).endswith("/app/conf/a")
    os.chown(tmp_path / "app/conf", 0, 0)
    os.chown(tmp_path / "app", NOBODY, NOBODY)
    assert reached(tmp_path / "app/conf/a") == str(tmp_path / "app/conf/a")
    (tmp_path / "app/conf").rename(tmp_path / "app/former")
    (tmp_path / "app/conf").symlink_to(tmp_path)
    with pytest.raises(UnsafePath, match='app/conf is a symbolic link in a directory of user "nobody"'):
        reached(tmp_path / "app/conf/a")


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o1777])
def test_a_directory_that_others_may_write_is_refused(tmp_path, mode):
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(mode)
    for owner in (None, NOBODY):
        with pytest.raises(UnsafePath, match=rf"other users can write to .*open \(mode {mode:04o}\).*chmod go-w"):
            reached(tmp_path / "open/a", owner)


def test_where_others_may_add_files_only_our_own_are_locked_and_believed(tmp_path):
    tmp_path.chmod(0o1777)
    (tmp_path / "victim").write_text("content")
    (tmp_path / "theirs").touch()
    os.chown(tmp_path / "theirs", NOBODY, NOBODY)
    os.link(tmp_path / "victim", tmp_path / "linked")
    with files.private_directory(str(tmp_path), sticky=True) as directory:
        os.close(directory.lock_file("lock"))
        for name in ("theirs", "linked"):
            with pytest.raises(UnsafePath, match=f"{name} belongs to .* or has other hard links"):
                directory.lock_file(name)
            with pytest.raises(UnsafePath, match=f"{name} belongs to .* or has other hard links"):
                directory.read(name, own=True)


def test_below_a_sticky_directory_only_our_own_links_are_followed(tmp_path):
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp").chmod(0o1777)
    (tmp_path / "tmp/ours").mkdir()
    assert reached(tmp_path / "tmp/ours/a") == str(tmp_path / "tmp/ours/a")
    (tmp_path / "tmp/link").symlink_to("ours")
    os.chown(tmp_path / "tmp/link", NOBODY, NOBODY, follow_symlinks=False)
    with pytest.raises(UnsafePath, match="tmp/link is a symbolic link in a directory that other users can write"):
        reached(tmp_path / "tmp/link/a")
    os.chown(tmp_path / "tmp/link", 0, 0, follow_symlinks=False)
    assert reached(tmp_path / "tmp/link/a") == str(tmp_path / "tmp/ours/a")


def test_the_owner_of_a_file_cannot_lead_root_into_another_directory(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "home/conf").mkdir(parents=True)
    os.chown(tmp_path / "home", NOBODY, NOBODY)
    os.chown(tmp_path / "home/conf", NOBODY, NOBODY)
    assert reached(tmp_path / "home/conf/a", NOBODY) == str(tmp_path / "home/conf/a")
    (tmp_path / "home/conf").rmdir()
    (tmp_path / "home/conf").symlink_to(tmp_path / "etc")
    with pytest.raises(UnsafePath, match='a symbolic link of user "nobody" leads to .*/etc'):
        reached(tmp_path / "home/conf/a", NOBODY)
    (tmp_path / "home/conf").unlink()
    (tmp_path / "home/a").symlink_to(tmp_path / "etc/a")
    with pytest.raises(UnsafePath, match='a symbolic link of user "nobody" leads to .*/etc'):
        reached(tmp_path / "home/a", NOBODY)


def test_missing_directories_are_made(tmp_path):
    with files.private_directory(str(tmp_path / "a/b/c"), make=0o700) as directory:
        assert directory.path == str(tmp_path / "a/b/c")
    assert (tmp_path / "a/b").stat().st_mode & 0o777 == 0o700
    assert files.private_directory(str(tmp_path / "a/b/c"), make=0o700).path == directory.path


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
@pytest.mark.parametrize("opened", [files.open_directory, files.private_directory])
def test_directories_have_the_given_mode_whatever_the_umask(tmp_path, opened, umask):
    tmp_path.chmod(0o755)
    former = os.umask(umask)
    try:
        with opened(str(tmp_path / "one/two"), make=0o750):
            pass
    finally:
        os.umask(former)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("one", "one/two")] == [0o750, 0o750]


def test_a_process_that_may_not_call_chown_replaces_files_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The unit of the agent has SystemCallFilter=~@privileged, which has chown(2) fail."""

    def refused(*_arguments: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "fchown", refused)
    with open_directory(str(tmp_path)) as directory:
        directory.replace("file", b"first")
        directory.replace("file", b"second")
    assert (tmp_path / "file").read_bytes() == b"second"
