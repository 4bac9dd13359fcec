# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""No process that a program starts survives it, and a status that cannot be read is a failure."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.host.programs import run_command, run_program
from tests.support.waiting import wait_for

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"


def alive(pid: int) -> bool:
    """Whether any thread of a process runs."""
    try:
        states = [file.read_text().rpartition(") ")[2][0] for file in Path(f"/proc/{pid}/task").glob("*/stat")]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return any(state not in "ZX" for state in states)


def pids(file: Path) -> list[int]:
    return [int(line) for line in file.read_text().split()] if file.exists() else []


# Each leaves S running: it writes its process id to a file, and sleeps.
WAYS_OUT = {
    "in the background": "S & wait",
    "in a group of its own": "timeout 9002 S; echo done",
    "in a session of its own": "setsid S & wait",
    "as an orphan": "sh -c 'setsid S &'; sleep 9001",
    "as an orphan without environment": "env -i sh -c 'setsid S &'; sleep 9001",
    "deaf to SIGTERM": "trap '' TERM HUP; nohup S > /dev/null & wait",
    "several deep": "sh -c \"setsid sh -c 'env -i setsid S & sleep 9002'; sleep 9002\" & wait",
    "again and again": "while :; do (setsid S &); done",
    "from process to process": "HOP group & sleep 9001",
    "from session to session": "HOP session & sleep 9001",
    "with a first thread that has ended": "THREADS & wait",
}


def sleeper(directory: Path) -> str:
    """The path of the program S of `directory`."""
    return program(directory, "sleeper", f"#!/bin/sh\necho $$ >> {directory}/pids\nexec sleep 9003\n")


def hopper(directory: Path) -> str:
    """The path of a program that is never the same process for long: each starts the next one and ends."""
    return program(
        directory,
        "hopper",
        f"""\
        #!{sys.executable} -ISB
        import os, sys, time
        end = time.monotonic() + 30  # a test that fails must leave none for ever
        pids = os.open("{directory}/pids", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.setsid()
        while time.monotonic() < end:
            if os.fork():
                os._exit(0)
            if sys.argv[1] == "session":
                os.setsid()
            os.write(pids, b"%d\\n" % os.getpid())
        """,
    )


def threaded(directory: Path) -> str:
    """The path of a program whose first thread ends, which makes it look like a zombie, while another goes on."""
    return program(
        directory,
        "threaded",
        f"""\
        #!{sys.executable} -ISB
        import ctypes, os, threading, time
        os.setsid()
        threading.Thread(target=time.sleep, args=(9003,)).start()
        open("{directory}/pids", "a").write("%d\\n" % os.getpid())
        ctypes.CDLL(None).pthread_exit(None)
        """,
    )


def program(directory: Path, name: str, text: str) -> str:
    file = directory / name
    file.write_text(textwrap.dedent(text))
    file.chmod(0o755)
    return str(file)


@pytest.fixture
def daemon(tmp_path: Path):
    """Runs lines in a process that has nothing but programs of ours as children, as both daemons do."""

    def run(lines: str, **variables: str) -> str:
        program = (
            "import sys; sys.path.insert(0, sys.argv[1])\n"
            "from module_utils._agent.host import children\n"
            "from module_utils._agent.host.programs import run_command, run_program\n"
            "children.prepare()\n" + textwrap.dedent(lines)
        )
        command = [sys.executable, "-I", "-B", "-c", program, str(PLUGINS)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, **variables})
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.parametrize("line", WAYS_OUT.values(), ids=WAYS_OUT)
@pytest.mark.parametrize("runner", ["run_program(('/bin/sh', '-c', LINE), 0.5)", "run_command(LINE, 0.5)"])
def test_no_descendant_survives_the_deadline(daemon, tmp_path: Path, runner: str, line: str) -> None:
    file = tmp_path / "pids"
    line = line.replace("HOP", hopper(tmp_path)).replace("THREADS", threaded(tmp_path))
    line = line.replace("S ", f"{sleeper(tmp_path)} ").replace("S;", f"{sleeper(tmp_path)};")
    said = daemon(f"LINE = {line!r}\nprint({runner}.status)")
    assert said == "None\n"
    started = pids(file)
    assert started, "the test has started nothing"
    assert not [pid for pid in started if alive(pid)]
    assert pids(file) == started


def test_what_a_check_leaves_behind_ends_with_it_and_a_reload_may_leave_a_daemon(daemon, tmp_path: Path) -> None:
    file = tmp_path / "pids"
    line = f"setsid {sleeper(tmp_path)} & sleep 0.2"
    assert daemon(f"print(run_program(('/bin/sh', '-c', {line!r}), 5).status)") == "0\n"
    assert len(pids(file)) == 1
    assert not alive(pids(file)[0])
    lines = f"""
        print(run_command({line!r}, 5).status)
        print(run_program(("/bin/true",), 5).status)
    """
    assert daemon(lines) == "0\n0\n"
    left = pids(file)[1]
    assert alive(left), "a later check has killed what a reload left"
    os.kill(left, signal.SIGKILL)


def test_after_a_reload_that_left_a_daemon_another_one_leaves_nothing_when_it_is_late(daemon, tmp_path: Path) -> None:
    file = tmp_path / "pids"
    left, late = (f"(env -i setsid {sleeper(tmp_path)} &); sleep {seconds}" for seconds in (0.3, 9001))
    assert daemon(f"print(run_command({left!r}, 5).status, run_command({late!r}, 0.5).status)") == "0 None\n"
    first, second = pids(file)
    assert alive(first)
    assert not alive(second)
    os.kill(first, signal.SIGKILL)


def test_what_a_reload_has_left_leaves_no_zombie_when_it_ends(daemon) -> None:
    lines = """
        import os
        for _count in range(3):
            reader, writer = os.pipe()
            os.set_inheritable(writer, True)
            assert run_command("setsid sleep 0.1 &", 5).ok
            os.close(writer)
            os.read(reader, 1)  # returns when the last process that holds the pipe has ended
            os.close(reader)
        assert run_command("true", 5).ok
        states = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat") as file:
                    state, parent = file.read().rpartition(") ")[2].split()[:2]
            except OSError:
                continue
            states += [state] if int(parent) == os.getpid() else []
        print(states)
    """
    assert daemon(lines) == "[]\n"


def test_a_daemon_left_by_a_reload_may_go_on_printing(daemon, tmp_path: Path) -> None:
    file, beat = tmp_path / "pid", tmp_path / "beat"
    line = f"(echo x; while echo beat; do touch {beat}; sleep 0.02; done) & echo $! > {file}"
    lines = f"""
        import os, time
        print(run_command({line!r}, 5).status)
        os.unlink({str(beat)!r}) if os.path.exists({str(beat)!r}) else None
        end = time.monotonic() + 10
        while not os.path.exists({str(beat)!r}) and time.monotonic() < end:
            time.sleep(0.01)
        print(os.path.exists({str(beat)!r}))
    """
    try:
        assert daemon(lines) == "0\nTrue\n"
    finally:
        os.kill(pids(file)[0], signal.SIGKILL)


def test_a_failed_or_late_reload_leaves_nothing(daemon, tmp_path: Path) -> None:
    file = tmp_path / "pids"
    line = f"setsid {sleeper(tmp_path)} & sleep 0.2; exit 1"
    assert daemon(f"print(run_command({line!r}, 5).status)") == "1\n"
    assert not alive(pids(file)[0])


def test_programs_that_run_at_once_do_not_end_each_other(daemon, tmp_path: Path) -> None:
    file = tmp_path / "pids"
    wait = f"while [ ! -e {tmp_path}/go ]; do sleep 0.01; done"
    slow = f"(setsid {sleeper(tmp_path)} &); {wait}; kill -0 $(cat {file})"
    lines = f"""
        import threading, time, os
        results = []
        thread = threading.Thread(target=lambda: results.append(run_program(("/bin/sh", "-c", {slow!r}), 20).status))
        thread.start()
        while not os.path.exists({str(file)!r}):
            time.sleep(0.01)
        for _count in range(20):
            assert run_program(("/bin/true",), 5).ok
        open({str(tmp_path / "go")!r}, "w").close()
        thread.join()
        print(results)
    """
    assert daemon(lines) == "[0]\n"
    assert not alive(pids(file)[0])


def test_an_orphan_without_environment_lives_while_the_program_that_may_need_it_runs(daemon, tmp_path: Path) -> None:
    file, go, come = tmp_path / "pids", tmp_path / "go", tmp_path / "come"
    orphan = f"(env -i setsid sh -c 'echo $$ > {file}; while [ ! -e {go} ]; do sleep 0.01; done; touch {come}' &)"
    slow = f"{orphan}; until [ -e {come} ]; do sleep 0.01; done"
    lines = f"""
        import os, threading, time
        results = []
        thread = threading.Thread(target=lambda: results.append(run_program(("/bin/sh", "-c", {slow!r}), 10).status))
        thread.start()
        while not os.path.exists({str(file)!r}):
            time.sleep(0.01)
        assert run_program(("/bin/true",), 5).ok
        open({str(go)!r}, "w").close()
        thread.join()
        print(results)
    """
    assert daemon(lines) == "[0]\n"


def test_an_orphan_that_is_just_becoming_another_program_is_left_alone(daemon, tmp_path: Path) -> None:
    """While execve(2) replaces a process, it has no environment to be read."""
    mark = tmp_path / "mark"
    orphan = f'(/bin/sh -c \'exec /bin/sh -c "exec /bin/sh -c \\"exec touch {mark}\\""\' &)'
    slow = f"rm -f {mark}; {orphan}; until [ -e {mark} ]; do sleep 0.01; done"
    lines = f"""
        import threading
        results = []
        def work():
            results.extend(run_program(("/bin/sh", "-c", {slow!r}), 5).status for _count in range(60))
        thread = threading.Thread(target=work)
        thread.start()
        while thread.is_alive():
            assert run_program(("/bin/true",), 5).ok
        print(set(results))
    """
    assert daemon(lines) == "{0}\n"


def test_a_process_that_cannot_be_killed_delays_no_later_program(daemon) -> None:
    """As one that waits for a disk. Here signals do not arrive."""
    lines = """
        import os, signal, time
        kill, os.kill, os.killpg = os.kill, lambda *args: None, lambda *args: None
        pid = int(run_program(("/bin/sh", "-c", "setsid sleep 9003 > /dev/null 2>&1 & echo $!; sleep 0.2"), 5).output)
        begun = time.monotonic()
        assert run_program(("/bin/true",), 5).ok
        print(time.monotonic() - begun < children._PATIENCE)
        kill(pid, signal.SIGKILL)
    """
    assert daemon(lines) == "True\n"


def test_other_children_of_a_process_that_is_no_daemon_are_left_alone() -> None:
    other = subprocess.Popen(["sleep", "300"])
    try:
        assert run_program(("/bin/true",), 5).ok
        assert run_command("sleep 60", 0.1).status is None
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_status_that_cannot_be_read_is_a_failure(daemon) -> None:
    lines = """
        import signal
        print(run_command("exit 3", 5).status)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        result = run_command("exit 0", 5)
        print(result.ok, result.lost, result.how(5))
    """
    assert daemon(lines) == "3\nFalse True its exit status cannot be read\n"


def test_a_process_started_with_sigchld_ignored_reads_each_status(daemon, tmp_path: Path) -> None:
    previous = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        line = "from module_utils._agent.host import children, programs; children.prepare()"
        code = (
            f"import sys; sys.path.insert(0, sys.argv[1]); {line}; sys.exit(programs.run_command('exit 7', 5).status)"
        )
        pid = os.posix_spawn(sys.executable, [sys.executable, "-I", "-B", "-c", code, str(PLUGINS)], os.environ)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        wait_for(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] == "Z", "its end", 20)
        assert os.WEXITSTATUS(os.waitpid(pid, 0)[1]) == 7
    finally:
        signal.signal(signal.SIGCHLD, previous)


def test_a_process_without_a_free_descriptor_begins_nevertheless(daemon) -> None:
    lines = """
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
        children.prepare()
        print("begun")
    """
    assert daemon(lines) == "begun\n"


@pytest.mark.parametrize("passes", [True, False])
def test_a_deadline_is_kept_while_no_descriptor_is_free(daemon, tmp_path: Path, passes: bool) -> None:
    """The program itself is killed; what has left its session as soon as descriptors are free again."""
    file = tmp_path / "pids"
    orphan = f"(setsid {sleeper(tmp_path)} &); " if passes else ""
    line = f"{orphan}{sleeper(tmp_path)}"
    lines = f"""
        import os, resource, threading, time
        results = []
        thread = threading.Thread(target=lambda: results.append(run_program(("/bin/sh", "-c", {line!r}), 1.0).status))
        thread.start()
        while not os.path.exists({str(file)!r}) or len(open({str(file)!r}).readlines()) < {2 if passes else 1}:
            time.sleep(0.01)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        if {passes}:
            time.sleep(1.5)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        thread.join()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        print(results)
    """
    assert daemon(lines) == "[None]\n"
    assert not [pid for pid in pids(file) if alive(pid)]


def test_signals_that_we_ignore_are_not_ignored_by_programs() -> None:
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        ignored = run_program(("/bin/sh", "-c", "grep SigIgn /proc/self/status"), 5).output.split()[1]
    finally:
        signal.signal(signal.SIGHUP, previous)
    assert int(ignored, 16) & (1 << 31) - 1 == 0


def test_endless_output_of_a_reload_fills_neither_disk_nor_memory(tmp_path: Path) -> None:
    spent, threads = time.thread_time(), threading.active_count()  # those of other tests, too
    result = run_command("yes", 1.0)
    assert (result.status, len(result.output)) == (None, 8192)
    assert time.thread_time() - spent < 0.6
    assert threading.active_count() < threads + 10
