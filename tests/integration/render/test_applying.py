# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes wrong on the way from the registry into the file, and what an operator does by hand."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import time

import pytest


def content_of(directory):
    """Every file below a directory with its content and time."""
    return {
        os.path.join(base, name): (
            open(os.path.join(base, name), "rb").read(),
            os.stat(os.path.join(base, name)).st_mtime_ns,
        )
        for base, _directories, names in os.walk(directory)
        for name in names
    }


def test_a_bad_template_leaves_the_file_and_is_good_when_it_is_mended(renderer, put):
    put(web1="10.0.0.1")
    renderer.started()
    good = renderer.template.read_text()
    renderer.template.write_text("{{ nosuch }}")
    put(web2="10.0.0.2")
    renderer.wait(lambda: renderer.status()["files"][0]["error"], "the error")
    assert "app.j2, line 1: 'nosuch' is undefined" in renderer.status()["files"][0]["error"]
    assert renderer.names() == ["web1"]
    renderer.template.write_text(good)
    renderer.wait(lambda: renderer.names() == ["web1", "web2"], "the mended template")
    renderer.wait(lambda: not renderer.status()["files"][0]["error"], "the end of the error")


def test_a_refused_check_leaves_the_file_and_keeps_the_candidate(renderer, put):
    put(web1="10.0.0.1")
    renderer.started()
    put(forbidden="10.0.0.2")
    renderer.wait(lambda: renderer.status()["files"][0]["error"], "the error")
    assert (renderer.names(), len(renderer.read())) == (["web1"], 1)
    failed = renderer.state / "failed" / renderer.dest.relative_to("/")
    assert "forbidden 10.0.0.2" in failed.read_text()
    assert "The check refused it" in failed.with_name("app.cfg.output").read_text()
    assert os.listdir(renderer.etc) == ["app.cfg"]


def test_a_failed_reload_is_rolled_back_and_tried_again_without_new_data(renderer, put):
    put(web1="10.0.0.1")
    renderer.started()
    renderer.broken.touch()
    put(web2="10.0.0.2")
    renderer.wait(lambda: renderer.status()["files"][0]["error"], "the error")
    assert (renderer.names(), renderer.status()["files"][0]["dirty"]) == (["web1"], True)
    renderer.wait(lambda: renderer.log.read_text().count("The reload failed") >= 3, "more attempts")
    renderer.broken.unlink()
    renderer.wait(lambda: renderer.names() == ["web1", "web2"] and len(renderer.read()) == 2, "the reload")
    renderer.wait(lambda: not renderer.status()["files"][0]["dirty"], "nothing owed")


def test_a_failed_reload_is_not_forgotten_over_a_restart_without_etcd(etcd, renderer, put):
    put(web1="10.0.0.1")
    renderer.started()
    renderer.broken.touch()
    put(web2="10.0.0.2")
    renderer.wait(lambda: renderer.status()["files"][0]["error"], "the error")
    etcd.members[0].kill()
    renderer.stop(signal.SIGKILL)
    renderer.broken.unlink()
    renderer.start()
    renderer.wait(lambda: renderer.names() == ["web1", "web2"] and len(renderer.read()) == 2, "the reload")


def test_a_process_killed_between_replacement_and_reload_reloads_when_it_is_back(renderer, put):
    put(web1="10.0.0.1")
    renderer.file["reload_cmd"] = f"test -e {renderer.etc}/go || sleep 60; {renderer.file['reload_cmd']}"
    renderer.start()
    renderer.wait(lambda: renderer.names() == ["web1"], "the file")
    renderer.stop(signal.SIGKILL)
    assert renderer.read() == []
    (renderer.etc / "go").touch()
    renderer.start()
    renderer.wait(lambda: renderer.read() == ["# nodes\nweb1 10.0.0.1\n"], "the reload that was owed")


def test_commands_that_hang_are_killed(renderer, put):
    put(web1="10.0.0.1")
    renderer.file.update(check_cmd="sleep 600; true {src}", check_timeout=0.3)
    renderer.start()
    renderer.wait(lambda: "killed after 0.3 s" in renderer.log.read_text(), "the end of the command")
    assert renderer.content() == ""


def test_once(renderer, put):
    put(web1="10.0.0.1")
    first, second = renderer.once("--once", "--diff"), renderer.once("--once", "--diff")
    assert (first.returncode, second.returncode) == (0, 0)
    assert "+web1 10.0.0.1" in first.stdout
    assert first.stdout.endswith(f"changed: {renderer.dest}\n")
    assert second.stdout == f"ok: {renderer.dest}\n"
    assert len(renderer.read()) == 1


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda renderer: renderer.template.write_text("{{ nosuch }}"), "line 1: 'nosuch' is undefined"),
        (lambda renderer: renderer.broken.touch(), "The reload failed"),
        (lambda renderer: renderer.config.update(prefix="/nowhere"), "no node is registered under /nowhere/"),
        (lambda renderer: renderer.config["etcd"].update(endpoints=["127.0.0.1:1"]), "http://127.0.0.1:1"),
        (
            lambda renderer: renderer.config["templates"][0].update(dest="/nowhere/x"),
            "Cannot bring /nowhere/x up to date",
        ),
    ],
    ids=["template", "reload", "empty", "unreachable", "directory"],
)
def test_once_that_fails_says_so(renderer, put, break_it, message):
    put(web1="10.0.0.1")
    break_it(renderer)
    done = renderer.once("--once")
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_mistake_in_the_configuration_has_its_own_status(renderer):
    renderer.config["tempaltes"] = []
    done = renderer.once("--once")
    assert (done.returncode, "tempaltes: unknown key" in done.stderr) == (os.EX_CONFIG, True)


def test_without_jinja2_the_message_says_what_to_install(renderer, tmp_path):
    (tmp_path / "package" / "jinja2.py").write_text("raise ImportError('No module named jinja2')")
    done = renderer.once("--once")
    assert (done.returncode, "install python3-jinja2" in done.stderr) == (1, True)


def test_check_and_diff_write_nothing(renderer, put, tmp_path):
    put(web1="10.0.0.1")
    assert renderer.once("--once").returncode == 0
    put(web2="10.0.0.2")
    before = {**content_of(renderer.etc), **content_of(renderer.state)}
    done = renderer.once("--check", "--diff")
    assert (done.returncode, done.stdout.splitlines()[-2:]) == (0, ["+web2 10.0.0.2", f"changed: {renderer.dest}"])
    assert {**content_of(renderer.etc), **content_of(renderer.state)} == before
    assert len(renderer.read()) == 1
    put(forbidden="10.0.0.3")
    refused = renderer.once("--check")
    assert (refused.returncode, "The check refused it" in refused.stderr) == (1, True)
    assert {**content_of(renderer.etc), **content_of(renderer.state)} == before


def test_check_before_anything_was_rendered_makes_no_directory(renderer, put):
    put(web1="10.0.0.1")
    assert renderer.once("--check").stdout == f"changed: {renderer.dest}\n"
    assert not renderer.state.exists()
    assert os.listdir(renderer.etc) == []


def test_two_renderers_exclude_each_other_and_a_check_disturbs_nobody(renderer, put, tmp_path):
    put(web1="10.0.0.1")
    renderer.started()
    second = renderer.once("--once")
    assert (second.returncode, "Another rollcall render is at work here (process " in second.stderr) == (1, True)
    renderer.config["state_dir"] = str(tmp_path / "other-state")
    third = renderer.once()
    assert (third.returncode, f"the lock for {renderer.dest})" in third.stderr) == (1, True)
    assert renderer.once("--check").stdout == f"ok: {renderer.dest}\n"


def test_one_file_that_fails_does_not_hold_up_the_others(renderer, put):
    put(web1="10.0.0.1")
    renderer.config["templates"].insert(0, {"src": "/nowhere.j2", "dest": str(renderer.etc / "broken.cfg")})
    renderer.start()
    renderer.wait(lambda: renderer.names() == ["web1"], "the good file")
    renderer.wait(lambda: "cannot read /nowhere.j2" in renderer.log.read_text(), "the error")


def test_systemd_is_told(renderer, put, tmp_path):
    put(web1="10.0.0.1")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(5)
        renderer.start(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="300000")
        said = [manager.recv(4096).decode()]
        while "READY=1" not in said:
            said.append(manager.recv(4096).decode())
        assert renderer.names() == ["web1"]
        said = [manager.recv(4096).decode() for _ in range(4)]
        assert said.count("WATCHDOG=1") >= 3
        renderer.send(signal.SIGTERM)
        while "STOPPING=1" not in said:
            said.append(manager.recv(4096).decode())


def test_a_long_reload_gives_signs_of_life_until_its_timeout(renderer, put, tmp_path):
    put(web1="10.0.0.1")
    renderer.file.update(reload_cmd=f"touch {tmp_path}/begun; sleep 2; touch {tmp_path}/done", reload_timeout=60)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(5)
        renderer.start(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="1000000")
        while not (tmp_path / "begun").exists():
            manager.recv(4096)
        gaps, last = [], time.monotonic()
        while not (tmp_path / "done").exists():
            if manager.recv(4096) == b"WATCHDOG=1":
                gaps.append(time.monotonic() - last)
                last = time.monotonic()
        assert len(gaps) >= 4
        assert max(gaps) < 1


def test_readiness_waits_for_the_first_reading_where_there_is_no_snapshot(etcd, renderer, put, tmp_path):
    put(web1="10.0.0.1")
    etcd.members[0].kill()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(5)
        renderer.start(NOTIFY_SOCKET=str(tmp_path / "notify"))
        said = manager.recv(4096).decode()
        assert said.startswith("STATUS=Nothing is rendered yet, cut off from etcd: ")
        etcd.mend()
        while said != "READY=1":
            said = manager.recv(4096).decode()
    assert renderer.names() == ["web1"]


def consumer(etcd):
    """The consumer key, and the lease that holds it."""
    answer = json.loads(etcd.ctl("get", "/rollcall/infrastructure/consumers/lb1", "-w", "json")).get("kvs")
    if not answer:
        return {}, 0, 0
    return json.loads(base64.b64decode(answer[0]["value"])), answer[0]["lease"], answer[0]["version"]


def test_what_is_applied_is_published_under_a_lease(etcd, renderer, put):
    put(web1="10.0.0.1")
    renderer.started()
    etcd.put("/infrastructure/web/web2/ip", "10.0.0.2")
    revision = json.loads(etcd.ctl("get", "/infrastructure/web/web2/ip", "-w", "json"))["kvs"][0]["mod_revision"]
    renderer.wait(lambda: consumer(etcd)[0].get("revision") == revision, "the revision")
    value, lease, version = consumer(etcd)
    assert (value["stale"], value["error"], len(value["hash"])) == (False, "", 64)
    assert renderer.names() == ["web1", "web2"]
    renderer.wait(lambda: etcd.ctl("lease", "timetolive", f"{lease:x}").count("granted with TTL(2s)"), "the lease")
    etcd.ctl("lease", "revoke", f"{lease:x}")
    renderer.wait(lambda: consumer(etcd)[1] not in (0, lease), "a new lease")
    etcd.ctl("del", "/rollcall/infrastructure/consumers/lb1")
    renderer.wait(lambda: consumer(etcd)[0] == value, "the key again")
    renderer.stop(signal.SIGKILL)
    renderer.wait(lambda: consumer(etcd) == ({}, 0, 0), "the end of the lease")


def test_an_error_and_an_alarm_are_published_and_the_revision_stays(etcd, renderer, put):
    put(web1="10.0.0.1")
    renderer.started()
    renderer.wait(lambda: consumer(etcd)[0], "the key")
    revision = consumer(etcd)[0]["revision"]
    put(forbidden="10.0.0.2")
    renderer.wait(lambda: "The check refused it" in consumer(etcd)[0]["error"], "the error")
    assert consumer(etcd)[0]["revision"] == revision
    etcd.ctl("del", "/infrastructure/web/forbidden/ip")
    renderer.wait(lambda: consumer(etcd)[0]["error"] == "" and consumer(etcd)[0]["revision"] > revision, "its end")
    revision = consumer(etcd)[0]["revision"]
    etcd.ctl("del", "--prefix", "/infrastructure/")
    renderer.wait(lambda: consumer(etcd)[0]["stale"], "the alarm")
    assert consumer(etcd)[0]["revision"] == revision


def test_a_quiet_registry_is_written_to_by_nobody(etcd, renderer, put):
    put(web1="10.0.0.1")
    renderer.config["intervals"] = {**renderer.config["intervals"], "resync": 0.2, "heartbeat": 0.2}
    renderer.started()
    renderer.wait(lambda: consumer(etcd)[0], "the key")
    version = consumer(etcd)[2]
    with pytest.raises(AssertionError):
        renderer.wait(lambda: consumer(etcd)[2] != version, "a write", within=1.5)
