# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of what runs on the host: scripts, processes, files that are touched, units; with real processes and files."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.checking import probe_process, probe_ttl
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.checking.probe_process import Process
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.checking.probe_script import Script
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.checking.probe_systemd import Systemd
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.checking.probe_ttl import Ttl
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.host.programs import run_program
from tests.support.waiting import wait_for


def shell(line: str, timeout: float = 5.0) -> tuple[str, str]:
    """The result of a script."""
    return tuple(Script(("/bin/sh", "-c", line))(timeout))


@pytest.mark.parametrize(
    ("line", "result"),
    [
        ("echo fine", ("passing", "fine")),
        ("echo so so >&2; exit 1", ("warning", "so so")),
        ("echo bad; exit 2", ("critical", "bad")),
        ("exit 3", ("critical", "exit status 3")),
        ("true", ("passing", "exit status 0")),
        ("kill -9 $$", ("critical", "killed by signal 9")),
        ("exec >&- 2>&-; exit 1", ("warning", "exit status 1")),
        ("cat", ("passing", "exit status 0")),
    ],
)
def test_a_script_goes_by_its_exit_status(line: str, result: tuple[str, str]) -> None:
    assert shell(line) == result


def inheritable(descriptor: int) -> bool:
    try:
        return os.get_inheritable(descriptor)
    except OSError:  # the one that the directory was read with
        return False


def test_a_script_gets_no_more_than_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x")
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/notify")
    names = {line.split("=")[0] for line in shell("env")[1].splitlines()}
    assert names <= {"PATH", "LANG", "ROLLCALL_PROGRAM", "PWD", "SHLVL", "OLDPWD", "_"}
    inherited = {int(name) for name in os.listdir("/proc/self/fd") if inheritable(int(name))}
    with Path("/dev/null").open() as ours:
        seen = {int(name) for name in shell("ls /proc/self/fd")[1].split()}
        assert seen <= {0, 1, 2, 3} | inherited, "three, and the one that ls reads the directory with"
        assert ours.fileno() not in inherited
    ignored = int(shell("grep SigIgn /proc/self/status")[1].split()[1], 16)
    assert not ignored & 1 << (signal.SIGPIPE - 1), "or `yes | head -1` would never end"


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (("/nowhere/check",), "rollcall: 1: exec: /nowhere/check: not found"),
        (("{directory}/plain",), "rollcall: 1: exec: {directory}/plain: Permission denied"),
        (("/bin/echo", "a\0b"), "cannot run /bin/echo: embedded null byte"),
    ],
)
def test_a_script_that_cannot_be_run_is_critical_and_says_why(tmp_path: Path, argv: tuple[str, ...], why: str) -> None:
    (tmp_path / "plain").write_text("#!/bin/sh\n")
    files = len(os.listdir("/proc/self/fd"))
    result = Script(tuple(word.format(directory=tmp_path) for word in argv))(5.0)
    assert tuple(result) == ("critical", why.format(directory=tmp_path))
    assert len(os.listdir("/proc/self/fd")) == files


def test_a_script_without_its_first_line_is_run_as_a_shell_would(tmp_path: Path) -> None:
    (tmp_path / "check").write_text('echo "$@"; exit 1\n')
    (tmp_path / "check").chmod(0o755)
    assert Script((str(tmp_path / "check"), "a  b", "c=d"))(5.0) == ("warning", "a  b c=d")


def test_a_script_that_hangs_is_killed_with_all_it_has_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    begun = time.monotonic()
    result = shell(f"echo started; sleep 300 & echo $! > {pids}; echo $$ >> {pids}; wait", timeout=0.4)
    assert result == ("critical", "killed after 0.4 s: started\n")
    assert time.monotonic() - begun < 2
    for pid in pids.read_text().split():
        wait_for(lambda pid=pid: not running(pid), f"the end of {pid}")  # type: ignore[misc]  # a default binds it


def running(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


def test_a_script_that_floods_is_kept_short_and_killed_in_time() -> None:
    begun, spent = time.monotonic(), time.thread_time()
    ended = run_program(("/bin/sh", "-c", "yes"), 0.5)
    assert (ended.status, ended.output) == (None, "y\n" * 2048)
    assert time.monotonic() - begun < 2
    assert time.thread_time() - spent < 0.1, "reading it all would cost all of the time"


def test_a_script_that_says_much_may_finish() -> None:
    assert run_program(("/bin/sh", "-c", "yes | head -c 1000000; exit 1"), 10.0) == (1, "y\n" * 2048, False)


def test_a_process_that_a_script_leaves_behind_is_not_waited_for_and_ends(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    begun = time.monotonic()
    assert shell(f"sleep 300 & echo $! > {pid}; echo started") == ("passing", "started")
    assert time.monotonic() - begun < 3
    assert not running(pid.read_text().strip())


@contextmanager
def started(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is gone afterwards."""
    process = subprocess.Popen(command)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_process_is_found_by_name_command_line_and_pidfile(tmp_path: Path) -> None:
    name = tmp_path / "a) S name"
    name.symlink_to("/bin/sleep")
    pidfile = tmp_path / "pid"
    with started(str(name), "300.4711") as process:
        wanted = ("passing", str(process.pid))
        pidfile.write_text(f"{process.pid}\n")
        for probe in (
            Process("a) S name"),
            Process("", re.compile(r"300\.4711$")),
            Process("a) S name", re.compile("300")),
            Process(pidfile=str(pidfile)),
            Process("a) S name", pidfile=str(pidfile)),
        ):
            wait_for(lambda probe=probe: probe(1.0).status == "passing", f"{probe} to run")  # type: ignore[misc]  # bound
            result = probe(1.0)
            assert (result.status, result.output.rpartition(" ")[2]) == wanted
        assert Process("sleepless", pidfile=str(pidfile))(1.0).output == f"sleepless, process of {pidfile} does not run"
        assert Process("a) S name", re.compile("no such"))(1.0).status == "critical"
        os.kill(process.pid, 9)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert Process("a) S name")(1.0) == ("critical", "a) S name does not run"), "a zombie does not run"
        assert Process(pidfile=str(pidfile))(1.0).status == "critical"
    assert Process(pidfile=str(tmp_path / "none"))(1.0).output.endswith("none: no such file or directory")
    pidfile.write_text("many\n")
    assert Process(pidfile=str(pidfile))(1.0).status == "critical"


def test_a_name_is_compared_as_the_kernel_keeps_it(tmp_path: Path) -> None:
    program = tmp_path / "a-name-of-more-than-fifteen"
    program.symlink_to("/bin/sleep")
    with started(str(program), "300"):
        wait_for(lambda: Process(program.name)(1.0).status == "passing", "it to run")


def test_such_a_name_may_end_within_a_character(tmp_path: Path) -> None:
    program = tmp_path / "überwachungsdiensté"
    program.symlink_to("/bin/sleep")
    split = tmp_path / "fourteen-bytesé"
    split.symlink_to("/bin/sleep")
    with started(str(program), "300"), started(str(split), "300"):
        for name in (program.name, split.name):
            wait_for(lambda name=name: Process(name)(1.0).status == "passing", "it to run")  # type: ignore[misc]  # bound


def test_of_a_long_command_line_the_start_and_the_end_are_looked_at() -> None:
    """That of Java begins with a class path, and ends with what runs."""
    class_path = ":".join(f"/opt/kafka/libs/{number}.jar" for number in range(500))
    with started("/bin/sh", "-c", "sleep 300; exit 4711", "-cp", class_path, "kafka.Kafka", "/etc/kafka.properties"):
        for pattern in (r"^/bin/sh -c sleep 300; exit 4711 .* kafka\.Kafka ", r"kafka\.Kafka \S+$", "libs/499"):
            probe = Process("", re.compile(pattern))
            wait_for(lambda probe=probe: probe(1.0).status == "passing", f"{probe} to run")  # type: ignore[misc]  # bound
        assert Process("", re.compile("libs/250.jar"))(1.0).status == "critical", "what is between is left out"


def test_a_slow_pattern_holds_no_other_thread_up_for_long() -> None:
    with started("/bin/sh", "-c", "sleep 300; exit 4712", " " * 60_000, "end"):
        wait_for(lambda: Process("", re.compile("exit 4712"))(1.0).status == "passing", "it to run")
        begun = time.monotonic()
        assert Process("", re.compile(r"\s+exit 4713"))(1.0).status == "critical"
        assert time.monotonic() - begun < 2, "10 s, were all of it searched"


def test_hidden_processes_are_called_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_process, "_read", lambda path: "")
    assert "cannot see" in Process("systemd")(1.0).output


class Clock:
    """Both clocks of a check of type ttl, in the hands of a test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.boot, self.wall = 1000.0, time.time()
        monkeypatch.setattr(probe_ttl, "boottime", lambda: self.boot)
        monkeypatch.setattr(probe_ttl.time, "time", lambda: self.wall)

    def pass_time(self, seconds: float) -> None:
        self.boot += seconds
        self.wall += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def touch(file: Path, clock: Clock, text: str = "") -> None:
    file.write_text(text)
    os.utime(file, (clock.wall, clock.wall))


def test_a_file_that_is_touched_in_time_passes(tmp_path: Path, clock: Clock) -> None:
    file = tmp_path / "beat"
    probe = Ttl(str(file), 30.0)
    assert probe(1.0) == ("critical", f"reading {file}: no such file or directory")
    touch(file, clock)
    for _number in range(5):
        assert probe(1.0).status == "passing"
        clock.pass_time(29)
        assert probe(1.0).status == "passing"
        touch(file, clock)
    probe(1.0)
    clock.pass_time(31)
    assert probe(1.0) == ("critical", f"{file} was not touched for 31 s, the limit is 30 s")
    touch(file, clock)
    assert probe(1.0).status == "passing"


def test_a_file_that_was_old_before_we_came_is_old(tmp_path: Path, clock: Clock) -> None:
    file = tmp_path / "beat"
    touch(file, clock)
    clock.pass_time(100)
    assert Ttl(str(file), 30.0)(1.0).status == "critical"


@pytest.mark.parametrize("jump", [-86400.0, 86400.0])
def test_a_jump_of_the_clock_neither_kills_nor_saves(tmp_path: Path, clock: Clock, jump: float) -> None:
    file = tmp_path / "beat"
    touch(file, clock)
    probe = Ttl(str(file), 30.0)
    assert probe(1.0).status == "passing"
    clock.wall += jump
    clock.pass_time(20)
    assert probe(1.0).status == "passing", "20 s are 20 s"
    touch(file, clock)
    assert probe(1.0).status == "passing"
    clock.pass_time(40)
    assert probe(1.0).status == "critical", "40 s are 40 s"


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("warning: disk at 91 %\nmore\n", ("warning", "warning: disk at 91 %")),
        ("CRITICAL no disk", ("critical", "CRITICAL no disk")),
        ("passing", ("passing", "passing")),
        ("all is well\n", ("passing", "beat was touched 0 s ago")),
        ("drain", ("passing", "beat was touched 0 s ago")),
    ],
)
def test_the_first_line_says_how_it_is(tmp_path: Path, clock: Clock, text: str, result: tuple[str, str]) -> None:
    touch(tmp_path / "beat", clock, text)
    status, output = Ttl(str(tmp_path / "beat"), 30.0)(1.0)
    assert (status, output.replace(f"{tmp_path}/", "")) == result


def test_neither_a_pipe_nor_a_directory_holds_a_check(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "it is not a plain file" in Ttl(str(tmp_path / "pipe"), 30.0)(1.0).output
    files = len(os.listdir("/proc/self/fd"))
    assert "it is not a plain file" in Ttl(str(tmp_path), 30.0)(1.0).output
    assert len(os.listdir("/proc/self/fd")) == files, "and none is left open"


def test_probes_of_the_same_settings_are_equal(tmp_path: Path) -> None:
    used = Ttl(str(tmp_path / "beat"), 30.0)
    (tmp_path / "beat").write_text("")
    used(1.0)
    assert used == Ttl(str(tmp_path / "beat"), 30.0) != Ttl(str(tmp_path / "beat"), 31.0)


@pytest.mark.parametrize(
    ("says", "result"),
    [
        (
            "printf 'LoadState=loaded\nActiveState=active\nSubState=running\n'",
            ("passing", "web.service is active (running)"),
        ),
        ("printf 'ActiveState=reloading\n'", ("passing", "web.service is reloading ()")),
        ("printf 'ActiveState=failed\nSubState=failed\n'", ("critical", "web.service is failed (failed)")),
        (
            "printf 'ActiveState=activating\nSubState=auto-restart\n'",
            ("critical", "web.service is activating (auto-restart)"),
        ),
        ("printf 'LoadState=not-found\nActiveState=inactive\n'", ("critical", "there is no unit web.service")),
        ("echo no bus; exit 1", ("critical", "asking systemd for web.service: no bus\n")),
        ("sleep 9", ("critical", "asking systemd for web.service: no answer within 0.5 s")),
    ],
)
def test_a_unit_is_as_systemd_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, result: tuple[str, str]
) -> None:
    (tmp_path / "systemctl").write_text(f'#!/bin/sh\n[ "$3" = web.service ] || exit 9\n{says}\n')
    (tmp_path / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert Systemd("web.service")(0.5) == result


def test_without_systemctl_a_unit_is_critical(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Systemd("web.service")(0.5) == (
        "critical",
        "asking systemd for web.service: rollcall: 1: exec: systemctl: not found\n",
    )
