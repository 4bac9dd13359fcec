# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One rendered file: checked first, replaced whole, taken back where the reload fails. Real files, real commands."""

from __future__ import annotations

import os
import subprocess
import time

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.host.programs import run_command
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.target import ApplyFailed
from tests.support.rendering import Rendering, require_good


class Target:
    """One file with its options."""

    def __init__(self, rendering, dest, options):
        self._rendering, self._dest, self._options = rendering, dest, options

    def job(self, content=b"x"):
        return self._rendering.job(self._rendering.file(self._dest, content, **self._options))

    @property
    def dirty(self):
        return self.job().status()[0]["dirty"]

    def apply(self, content):
        """Whether something was changed."""
        job = self.job(content)
        self._rendering.apply(job)
        return require_good(job) != []

    def preview(self, content):
        """Whether something would change, and the difference."""
        job = self.job(content)
        self._rendering.preview(job)
        return require_good(job) != [], job.diff


class Place:
    """A file to render in a directory of its own, and the commands around it."""

    def __init__(self, tmp_path):
        self.rendering = Rendering(tmp_path)
        self.etc, self.state = tmp_path / "etc", self.rendering.state
        self.etc.mkdir()
        self.dest = self.etc / "app.cfg"
        self.reloads = tmp_path / "reloads"  # a line for each: what the service has read
        self.broken = tmp_path / "broken"  # while it exists reloads fail

    def target(self, **options):
        reload_cmd = f"cat {self.dest} >> {self.reloads}; echo reloading; test ! -e {self.broken}"
        return Target(self.rendering, self.dest, {"reload_cmd": reload_cmd, **options})

    def kept(self, kind, suffix=""):
        return (self.state / kind).joinpath(*self.dest.parts[1:-1], self.dest.name + suffix)

    def read(self):
        return self.reloads.read_text().split() if self.reloads.exists() else []


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def test_a_new_file_is_written_and_read(place):
    assert place.target().apply(b"one\n")
    assert (place.dest.read_bytes(), place.read()) == (b"one\n", ["one"])
    assert place.dest.stat().st_mode & 0o777 == 0o644
    assert os.listdir(place.etc) == ["app.cfg"]
    assert not place.target().dirty


def test_no_change_writes_and_reloads_nothing(place):
    place.target().apply(b"one\n")
    before = place.dest.stat()
    assert not place.target().apply(b"one\n")
    after = place.dest.stat()
    assert (after.st_ino, after.st_mtime_ns, place.read()) == (before.st_ino, before.st_mtime_ns, ["one"])


def test_owner_and_mode_are_kept_where_nothing_is_said(place):
    place.dest.write_text("zero\n")
    place.dest.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(place.dest, 1234, 2345)
    before = place.dest.stat()
    place.target().apply(b"one\n")
    after = place.dest.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


def test_another_mode_is_put_right(place):
    place.target(mode=0o600).apply(b"one\n")
    place.dest.chmod(0o666)
    assert place.target(mode=0o600).apply(b"one\n")
    assert place.dest.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("word", ["{src}", "{{.src}}"])
def test_the_check_sees_the_candidate_before_it_takes_its_place(place, tmp_path, word):
    place.target().apply(b"one\n")
    check = f"cat {word} {place.dest} > {tmp_path}/checked"
    assert place.target(check_cmd=check).apply(b"two\n")
    assert (tmp_path / "checked").read_text() == "two\none\n"


def test_a_refused_candidate_is_kept_and_the_file_stays(place):
    place.target().apply(b"one\n")
    with pytest.raises(ApplyFailed, match="The check refused it: .*exit status 1: bad line 7"):
        place.target(check_cmd="echo some words; echo bad line 7; grep -q good {src}").apply(b"two\n")
    assert (place.dest.read_bytes(), place.read()) == (b"one\n", ["one"])
    assert place.kept("failed").read_bytes() == b"two\n"
    assert "some words\nbad line 7" in place.kept("failed", ".output").read_text()
    assert os.listdir(place.etc) == ["app.cfg"]


@pytest.mark.parametrize("content", [b"", b" \n\n"])
def test_nothing_is_never_written(place, content):
    place.target().apply(b"one\n")
    with pytest.raises(ApplyFailed, match="gave nothing"):
        place.target().apply(content)
    assert place.dest.read_bytes() == b"one\n"


def test_a_failed_reload_puts_the_old_file_back_and_is_owed(place):
    place.dest.write_text("one\n")
    place.dest.chmod(0o640)
    place.broken.touch()
    with pytest.raises(ApplyFailed, match="The reload failed: .*: exit status 1: reloading"):
        place.target().apply(b"two\n")
    assert (place.dest.read_text(), place.dest.stat().st_mode & 0o777) == ("one\n", 0o640)
    assert place.kept("failed").read_bytes() == b"two\n"
    assert place.target().dirty
    place.broken.unlink()
    assert place.target().apply(b"two\n")
    assert (place.dest.read_text(), place.read(), place.target().dirty) == ("two\n", ["two", "two"], False)


def test_where_there_was_no_file_a_failed_reload_leaves_the_new_one(place):
    place.broken.touch()
    with pytest.raises(ApplyFailed):
        place.target().apply(b"one\n")
    assert place.dest.read_text() == "one\n"
    assert place.target().dirty


def test_a_reload_that_is_owed_is_done_though_the_file_is_as_it_should_be(place):
    place.dest.write_text("one\n")
    place.kept("dirty").parent.mkdir(parents=True)
    place.kept("dirty").touch()
    assert place.target().apply(b"one\n")
    assert (place.read(), place.target().dirty) == (["one"], False)
    assert not place.target().apply(b"one\n")


def test_the_last_five_versions_are_kept(place):
    for number in range(8):
        place.target().apply(f"{number}\n".encode())
    versions = [place.kept("versions", f".{number}").read_text().strip() for number in range(1, 6)]
    assert versions == ["6", "5", "4", "3", "2"]
    assert len(os.listdir(place.kept("versions").parent)) == 5


def test_a_failing_reload_that_is_tried_again_does_not_push_good_versions_out(place):
    for content in (b"one\n", b"two\n"):
        place.target().apply(content)
    place.broken.touch()
    for _ in range(6):
        with pytest.raises(ApplyFailed):
            place.target().apply(b"three\n")
    assert [place.kept("versions", f".{number}").read_text() for number in (1, 2)] == ["two\n", "one\n"]


def test_a_candidate_that_a_crash_left_is_no_obstacle(place):
    (place.etc / ".app.cfg.rollcall").write_text("half")
    place.target().apply(b"one\n")
    assert os.listdir(place.etc) == ["app.cfg"]


def test_a_candidate_is_not_written_through_a_link(place, tmp_path):
    (place.etc / ".app.cfg.rollcall").symlink_to(tmp_path / "elsewhere")
    assert place.target().apply(b"one\n")
    assert (os.listdir(place.etc), (tmp_path / "elsewhere").exists()) == (["app.cfg"], False)


def test_a_directory_that_is_not_there(place):
    place.etc.rmdir()
    with pytest.raises(ApplyFailed, match="Cannot bring .*app.cfg up to date: .*No such file or directory"):
        place.target().apply(b"one\n")


def test_the_commands_are_for_the_shell_and_the_name_of_the_candidate_is_quoted(place):
    place.etc.rename(place.etc.with_name("my etc"))
    place.etc = place.etc.with_name("my etc")
    place.dest = place.etc / "app.cfg"
    assert place.target(check_cmd="true && test -s {src}", reload_cmd="true; true").apply(b"one\n")


def test_a_preview_checks_and_touches_nothing(place):
    place.dest.write_text("one\n")
    target = place.target(check_cmd="grep -q two {src}")
    differs, diff = target.preview(b"two\n")
    assert (differs, diff.splitlines()[3:]) == (True, ["-one", "+two"])
    assert target.preview(b"one\n") == (False, "")
    with pytest.raises(ApplyFailed, match="The check refused it"):
        target.preview(b"three\n")
    assert (os.listdir(place.etc), place.dest.read_text(), place.read()) == (["app.cfg"], "one\n", [])
    assert not place.state.exists()


def test_a_command_that_hangs_is_killed_with_what_it_started(tmp_path):
    pid = tmp_path / "pid"
    started = time.monotonic()
    ended = run_command(f"echo begun; sleep 600 & echo $! > {pid}; wait", 0.5)
    assert (ended.ok, ended.status, ended.output) == (False, None, "begun\n")
    assert time.monotonic() - started < 5
    assert "killed after 0.5 s: begun" in ended.story("x", 0.5)
    assert _gone(int(pid.read_text()))


def test_a_daemon_that_a_command_leaves_is_not_waited_for(tmp_path):
    started = time.monotonic()
    ended = run_command(f"sleep 30 & echo $! > {tmp_path}/pid", 10)
    os.kill(int((tmp_path / "pid").read_text()), 9)
    assert ended.ok
    assert time.monotonic() - started < 5


def test_only_the_end_of_much_output_is_kept():
    ended = run_command("yes | head -c 1000000; echo the end; exit 3", 10)
    assert (ended.status, len(ended.output), ended.output[-8:]) == (3, 8192, "the end\n")


def _gone(pid):
    """Whether the process has ended; a zombie that nobody waits for has."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
                if stat.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False


def test_a_file_that_nothing_is_reloaded_for_is_there_before_its_former_version_is_kept(place, capsys):
    target = place.target(reload_cmd="")
    assert target.apply(b"1\n")
    place.state.mkdir(exist_ok=True)
    (place.state / "versions").write_bytes(b"in the place of the directory")
    assert target.apply(b"2\n")
    assert place.dest.read_bytes() == b"2\n"
    assert f"Cannot keep the former version of {place.dest}: " in capsys.readouterr().err
    (place.state / "versions").unlink()
    assert target.apply(b"3\n")
    assert place.kept("versions", ".1").read_bytes() == b"2\n"
    assert not (place.state / "dirty").exists(), "nothing is owed for it"


@pytest.mark.parametrize("length", [240, 245, 255])
def test_file_may_have_the_longest_name_there_is(place, length):
    place.dest = place.etc / ("a" * length)
    assert place.target(check_cmd=f"test -f {{src}} && test $(basename {{src}}) = {'a' * length}").apply(b"one\n")
    assert os.listdir(place.etc) == ["a" * length]


def test_file_that_is_a_mount_point_is_left_as_it_is(place, tmp_path, capsys):
    mounted = tmp_path / "mounted"
    for path in (place.dest, mounted):
        path.write_text("one\n")
    subprocess.run(["mount", "--bind", str(mounted), str(place.dest)], check=True)
    try:
        with pytest.raises(ApplyFailed, match="app.cfg up to date: .*it is a mount point. Mount its directory"):
            place.target().apply(b"two\n")
    finally:
        subprocess.run(["umount", str(place.dest)], check=True)
    assert (mounted.read_text(), os.listdir(place.etc)) == ("one\n", ["app.cfg"])
    assert "Cannot put the old" not in capsys.readouterr().err
