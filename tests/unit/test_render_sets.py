# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Several files: a set is one configuration, equal reloads run once, and one that fails holds up no other."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.target import ApplyFailed
from tests.support.rendering import Rendering, require_good


@pytest.fixture
def rendering(tmp_path):
    return Rendering(tmp_path)


@pytest.fixture
def etc(tmp_path):
    (tmp_path / "etc/conf.d").mkdir(parents=True)
    return tmp_path / "etc"


class Pair:
    """A main file that includes a second one, by a name relative to its own directory, and their service.

    `good` is what the check wants in both; `reloads` has what the service read, `broken` makes its reload fail.
    """

    def __init__(self, rendering, etc, tmp_path):
        self.main, self.second = etc / "main.cfg", etc / "conf.d/second.cfg"
        self.reloads, self.broken = tmp_path / "reloads", tmp_path / "broken"
        self.checks = tmp_path / "checks"
        self._rendering = rendering
        script = tmp_path / "check"
        script.write_text(
            f'echo x >> {self.checks}; cd "$(dirname "$1")"; cmp -s main.cfg "$(pwd)/conf.d/second.cfg"\n'
        )
        self.check = f"sh {script}"

    def job(self, first, second, **options):
        reload_cmd = f"cat {self.main} {self.second} >> {self.reloads}; test ! -e {self.broken}"
        common = {"set": "app", "reload_cmd": reload_cmd, **options}
        return self._rendering.job(
            self._rendering.file(self.main, first, check_cmd=f"{self.check} {{src}}", **common),
            self._rendering.file(self.second, second, **common),
        )

    def apply(self, first, second, **options):
        job = self.job(first, second, **options)
        self._rendering.apply(job)
        return require_good(job)

    def content(self):
        return tuple(path.read_text() if path.exists() else None for path in (self.main, self.second))

    def read(self):
        return self.reloads.read_text().split() if self.reloads.exists() else []


@pytest.fixture
def pair(rendering, etc, tmp_path):
    return Pair(rendering, etc, tmp_path)


def test_files_that_need_each_other_are_checked_and_replaced_with_one_reload(pair):
    assert pair.apply(b"1\n", b"1\n") == [str(pair.main), str(pair.second)]
    assert pair.apply(b"2\n", b"2\n") == [str(pair.main), str(pair.second)]
    assert (pair.content(), pair.read()) == (("2\n", "2\n"), ["1", "1", "2", "2"])
    assert pair.apply(b"2\n", b"2\n") == []
    assert pair.checks.read_text() == "x\nx\n"


def test_a_set_that_does_not_fit_together_replaces_nothing(pair, rendering, etc):
    pair.apply(b"1\n", b"1\n")
    with pytest.raises(ApplyFailed, match=r"set app \(.*main.cfg, .*second.cfg\): The check refused it"):
        pair.apply(b"2\n", b"3\n")
    assert (pair.content(), pair.read()) == (("1\n", "1\n"), ["1", "1"])
    failed = rendering.state / "failed" / etc.relative_to("/")
    assert [(failed / name).read_text() for name in ("main.cfg", "conf.d/second.cfg")] == ["2\n", "3\n"]
    assert sorted(os.listdir(etc)) == ["conf.d", "main.cfg"]


def test_a_preview_sees_the_set_as_it_will_be(pair, rendering):
    good, bad = pair.job(b"1\n", b"1\n"), pair.job(b"1\n", b"2\n")
    rendering.preview(good, bad)
    assert (len(good.changed), good.error, bad.changed) == (2, "", [])
    assert "The check refused it" in bad.error
    assert (pair.content(), rendering.state.exists()) == ((None, None), False)


def test_a_failed_reload_takes_the_whole_set_back(pair):
    pair.apply(b"1\n", b"1\n")
    pair.broken.touch()
    for content in (b"2\n", b"3\n"):
        with pytest.raises(ApplyFailed, match="set app .*: The reload failed"):
            pair.apply(content, content)
        assert pair.content() == ("1\n", "1\n")
    pair.broken.unlink()
    pair.apply(b"3\n", b"3\n")
    assert (pair.content(), pair.read()[-2:]) == (("3\n", "3\n"), ["3", "3"])


def test_a_file_that_is_new_in_a_set_goes_again_with_a_failed_reload(pair):
    pair.main.write_text("1\n")
    pair.broken.touch()
    with pytest.raises(ApplyFailed):
        pair.apply(b"2\n", b"2\n")
    assert pair.content() == ("1\n", None)


def test_a_first_configuration_stays_for_a_service_that_is_not_started_yet(pair):
    pair.broken.touch()
    with pytest.raises(ApplyFailed):
        pair.apply(b"1\n", b"1\n")
    assert pair.content() == ("1\n", "1\n")


def test_a_set_half_replaced_at_a_crash_is_completed_and_reloaded(pair, monkeypatch):
    pair.apply(b"1\n", b"1\n")
    real = os.replace

    def replace(source, dest, **options):
        directory = os.readlink(f"/proc/self/fd/{options['dst_dir_fd']}") if options else ""
        if os.path.join(directory, dest) == str(pair.second):
            os._exit(9)
        real(source, dest, **options)

    child = os.fork()
    if not child:
        monkeypatch.setattr(os, "replace", replace)
        pair.apply(b"2\n", b"2\n")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert (pair.content(), pair.read()) == (("2\n", "1\n"), ["1", "1"])
    pair.broken.touch()
    with pytest.raises(ApplyFailed):
        pair.apply(b"2\n", b"2\n")
    assert pair.content() == ("1\n", "1\n")
    pair.broken.unlink()
    assert len(pair.apply(b"2\n", b"2\n")) == 2
    assert (pair.content(), pair.read()[-2:]) == (("2\n", "2\n"), ["2", "2"])


def test_a_set_that_cannot_be_written_whole_is_not_begun(pair):
    pair.apply(b"1\n", b"1\n")
    (pair.second.parent / ".second.cfg.rollcall").mkdir()
    with pytest.raises(ApplyFailed, match="Cannot bring set app"):
        pair.apply(b"2\n", b"2\n")
    assert (pair.content(), pair.read()) == (("1\n", "1\n"), ["1", "1"])
    assert sorted(os.listdir(pair.main.parent)) == ["conf.d", "main.cfg"]


def test_the_directory_of_the_candidates_can_be_named(rendering, etc, tmp_path):
    check = f"cd {{dir}} && find . -type f | sort > {tmp_path}/names && test {{dir}}/main.cfg = {{src}}"
    job = rendering.job(
        rendering.file(etc / "main.cfg", b"1\n", set="app", check_cmd=check),
        rendering.file(etc / "conf.d/second.cfg", b"2\n", set="app"),
    )
    rendering.apply(job)
    assert require_good(job)
    assert (tmp_path / "names").read_text().split() == ["./conf.d/second.cfg", "./main.cfg"]


def test_equal_check_commands_of_a_set_run_once(rendering, etc, tmp_path):
    files = [
        rendering.file(etc / name, b"1\n", set="app", check_cmd=f"echo {{dir}} >> {tmp_path}/checks")
        for name in ("a", "b")
    ]
    job = rendering.job(*files)
    rendering.apply(job)
    assert len((tmp_path / "checks").read_text().splitlines()) == 1


def test_equal_reload_commands_of_different_files_run_once_for_a_change(rendering, etc, tmp_path):
    reload_cmd = f"echo x >> {tmp_path}/reloads"

    def jobs(content):
        return [
            rendering.job(rendering.file(etc / name, content, reload_cmd=command))
            for name, command in (("a", reload_cmd), ("b", reload_cmd), ("c", f"{reload_cmd}; true"))
        ]

    for number in (1, 2):
        made = jobs(b"%d\n" % number)
        rendering.apply(*made)
        assert len(require_good(*made)) == 3
        assert (tmp_path / "reloads").read_text() == "x\nx\n" * number


def test_all_files_whose_common_reload_fails_are_taken_back_and_owe_it(rendering, etc, tmp_path):
    (etc / "a").write_text("0\n")
    (etc / "b").write_text("0\n")
    jobs = [rendering.job(rendering.file(etc / name, b"1\n", reload_cmd="false")) for name in ("a", "b")]
    jobs.append(rendering.job(rendering.file(etc / "c", b"1\n", reload_cmd="true")))
    rendering.apply(*jobs)
    assert [(etc / name).read_text() for name in ("a", "b", "c")] == ["0\n", "0\n", "1\n"]
    assert [job.status()[0]["dirty"] for job in jobs] == [True, True, False]
    assert [bool(job.error) for job in jobs] == [True, True, False]


@pytest.mark.parametrize("broken", ["directory", "source", "template", "check", "pipe", "other user"])
def test_one_that_fails_holds_up_no_other(rendering, etc, tmp_path, broken):
    bad = {"dest": etc / "bad", "content": b"1\n"}
    if broken == "directory":
        bad["dest"] = etc / "nowhere/bad"
    elif broken == "template":
        bad["content"] = b"{{ nosuch }}"
    elif broken == "check":
        bad["check_cmd"] = "false {src}"
    elif broken == "pipe":
        os.mkfifo(etc / "bad")
    elif broken == "other user":
        (etc / "theirs").mkdir()
        os.chown(etc / "theirs", 65534, 65534)
        bad["dest"] = etc / "theirs/bad"
    jobs = [rendering.job(rendering.file(**bad, reload_cmd="true"))]
    if broken == "source":
        os.unlink(jobs[0].files.targets[0].file.src)
        os.mkfifo(jobs[0].files.targets[0].file.src)
    jobs.append(rendering.job(rendering.file(etc / "good", b"1\n", reload_cmd="true")))
    rendering.apply(*jobs)
    assert jobs[0].error and jobs[0].retry_at
    assert (jobs[1].error, (etc / "good").read_text()) == ("", "1\n")
    rendering.preview(*jobs)
    assert (bool(jobs[0].error), jobs[1].error) == (True, "")


UNIT = b"[Unit]\nDescription=A service\n[Service]\nExecStart=/bin/true\n"


def test_systemd_sees_a_unit_under_its_own_name(rendering, etc):
    assert shutil.which("systemd-analyze")
    job = rendering.job(rendering.file(etc / "x.service", UNIT, check_cmd="systemd-analyze verify {src}"))
    rendering.preview(job)
    assert job.error == ""
    rendering.apply(job)
    assert require_good(job)
    bad = rendering.job(
        rendering.file(
            etc / "x.service", UNIT + b"Type=nonsense\nExecStart=relative\n", check_cmd="systemd-analyze verify {src}"
        )
    )
    rendering.apply(bad)
    assert "The check refused it" in bad.error


def test_a_candidate_is_checked_beside_its_file_by_whoever_may_read_it(rendering, etc, tmp_path):
    for directory in (tmp_path, *tmp_path.parents):
        if directory.stat().st_mode & 0o005 != 0o005:
            directory.chmod(0o755)
    check = f"echo {{src}} > {tmp_path}/path; setpriv --reuid=65534 --regid=65534 --clear-groups cat {{src}}"
    job = rendering.job(rendering.file(etc / "a.cfg", b"1\n", uid=0, gid=65534, mode=0o640, check_cmd=check))
    rendering.apply(job)
    assert require_good(job)
    path = (tmp_path / "path").read_text().strip()
    assert (os.path.basename(path), os.path.dirname(os.path.dirname(path))) == ("a.cfg", str(etc))
    private = rendering.job(rendering.file(etc / "b.cfg", b"1\n", uid=0, gid=0, mode=0o640, check_cmd=check))
    rendering.apply(private)
    assert "Permission denied" in private.error


def test_haproxy_reads_a_set(rendering, etc):
    main = b"defaults\n  mode http\n  timeout connect 1s\n  timeout client 1s\n  timeout server 1s\n"
    main = b"global\n  default-path config\n" + main + b"frontend f\n  bind 127.0.0.1:18080\n"
    main += b"  http-request deny if { path,map(conf.d/paths.map) -m found }\n"
    files = [
        rendering.file(etc / "haproxy.cfg", main, set="haproxy", check_cmd="haproxy -c -q -f {src}"),
        rendering.file(etc / "conf.d/paths.map", b"/private x\n", set="haproxy"),
    ]
    alone = rendering.job(files[0])
    rendering.apply(alone)
    assert "The check refused it" in alone.error
    job = rendering.job(*files)
    rendering.apply(job)
    assert len(require_good(job)) == 2


def test_acls_of_a_file_survive_a_rendering_and_a_way_back(rendering, etc):
    path = etc / "a.cfg"
    path.write_text("0\n")
    subprocess.run(["setfacl", "-m", "u:daemon:r", str(path)], check=True)
    before = os.getxattr(path, "system.posix_acl_access")
    for reload_cmd, content in (("true", "1\n"), ("false", "1\n")):
        job = rendering.job(rendering.file(path, b"1\n" if reload_cmd == "true" else b"2\n", reload_cmd=reload_cmd))
        rendering.apply(job)
        assert (path.read_text(), os.getxattr(path, "system.posix_acl_access")) == (content, before)


def test_a_link_that_a_deployment_moves_on_is_followed_at_each_rendering(rendering, tmp_path):
    for number in ("1", "2"):
        (tmp_path / "releases" / number).mkdir(parents=True)
    current = tmp_path / "current"
    current.symlink_to("releases/1")
    job = rendering.job(rendering.file(current / "app.cfg", b"x\n"))
    rendering.apply(job)
    current.unlink()
    current.symlink_to("releases/2")
    rendering.apply(job)
    assert require_good(job)
    assert [(tmp_path / "releases" / number / "app.cfg").read_text() for number in ("1", "2")] == ["x\n", "x\n"]


def test_a_user_who_owns_the_directory_is_given_their_file_and_nothing_else(rendering, tmp_path):
    home, victim = tmp_path / "home", tmp_path / "victim"
    home.mkdir()
    os.chown(home, 65534, 65534)
    victim.write_text("content\n")
    for name in ("app.cfg", ".app.cfg.rollcall", ".app.cfg.rollcall-lock", ".app.cfg.rollcall-check"):
        (home / name).symlink_to(victim)
    for options in ({}, {"uid": 0}):
        job = rendering.job(rendering.file(home / "app.cfg", b"x\n", **options))
        rendering.apply(job)
        assert 'user "nobody"' in job.error
    job = rendering.job(rendering.file(home / "app.cfg", b"x\n", uid=65534, check_cmd="cat {src}"))
    rendering.apply(job)
    assert 'a symbolic link of user "nobody" leads to' in job.error
    (home / "app.cfg").unlink()
    rendering.apply(job)
    assert require_good(job)
    assert ((home / "app.cfg").read_text(), victim.read_text()) == ("x\n", "content\n")
