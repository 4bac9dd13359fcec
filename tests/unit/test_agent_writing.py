# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a daemon writes does not hold it up: files on a disk that stalls, and a log that nobody reads."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.host import shortage, threads, writer
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.host.writer import Writer


def test_the_newest_content_is_written_once_the_disk_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stalled, written, replace = threading.Event(), [], writer._replace

    def slow(path: str, content: bytes | None) -> None:
        assert stalled.wait(10)
        written.append((path, content))
        replace(path, content)

    monkeypatch.setattr(writer, "_replace", slow)
    files = Writer("test")
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    for number in range(1000):
        files.put(one, b"%d" % number)
    files.put(two, b"x")
    files.put(two, None)
    assert not files.flush(0.05), "the disk stalls"
    stalled.set()
    assert files.flush(5)
    assert len(written) <= 3, "what nobody will read any more is not written"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"one": b"999"}


def test_a_link_in_place_of_the_candidate_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "file.new").symlink_to(victim)
    files = Writer("test")
    files.put(str(tmp_path / "file"), b"content")
    assert files.flush(5)
    assert victim.read_text() == "mine"
    assert (tmp_path / "file").read_bytes() == b"content"


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_others_can_read_and_not_write_it_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    former = os.umask(umask)
    try:
        files = Writer("test")
        files.put(str(tmp_path / "file"), b"x")
        assert files.flush(5)
    finally:
        os.umask(former)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


def test_a_thread_goes_on_after_an_error(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_PAUSE", 0.01)
    rounds, over = [], threading.Event()

    def work() -> None:
        rounds.append(1)
        if len(rounds) < 4:
            raise KeyError("x")
        over.set()
        threading.Event().wait()

    threads.start_rounds("test", work)
    assert over.wait(5)
    assert capsys.readouterr().err == "The thread test goes on after an unexpected error: KeyError: 'x' [RC-E-BUG]\n"


LOGGING = """
import sys
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.host import log
log._LAST_LINES = 30.0
with log.in_background():
    for number in range(int(sys.argv[1])):
        log.info(f"line {number} " + "x" * 1000)
    print("all is said", flush=True)
    sys.stdin.read()
"""


def test_a_log_that_nobody_reads_holds_up_nobody() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", LOGGING, "5000"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"all is said\n", "5 MB are more than a pipe holds"
    lines = process.communicate(timeout=30)[1].decode().splitlines()
    notices = [line for line in lines if "dropped" in line]
    assert notices
    assert lines[-1].startswith("line 4999 ")
    assert len(lines) - len(notices) + sum(int(line.split()[0]) for line in notices) == 5000


def test_a_closed_log_ends_nobody() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOGGING, "3"], input=b"", capture_output=False, stdout=subprocess.PIPE,
        preexec_fn=lambda: os.close(2), check=False, timeout=30,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, b"all is said\n")


@pytest.fixture
def without_descriptors() -> Iterator[Callable[[], None]]:
    """Takes all descriptors from this process until the end of the test."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_shortage_is_told_from_other_errors(without_descriptors: Callable[[], None]) -> None:
    assert shortage.shortage_here() == ""
    try:
        raise RuntimeError("Cannot do it") from OSError(24, "Too many open files")
    except RuntimeError as exc:
        assert shortage.is_shortage(exc), "its cause says so"
    assert shortage.is_shortage(RuntimeError("can't start new thread"))
    assert shortage.is_shortage(MemoryError())
    assert not shortage.is_shortage(FileNotFoundError(2, "x"))
    without_descriptors()
    assert shortage.shortage_here() == "Too many open files"


def test_what_cannot_be_done_for_want_of_something_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shortage, "_PAUSE", 0.0)
    failures = [OSError(24, "Too many open files"), RuntimeError("can't start new thread")]

    def make() -> str:
        if failures:
            raise failures.pop()
        return "made"

    assert shortage.patiently(make, "make it") == "made"
    with pytest.raises(KeyError):
        shortage.patiently(lambda: {}["x"], "make it")


def test_lines_are_written_in_order() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOGGING, "100"], input=b"", capture_output=True, check=True, timeout=30
    )
    assert [int(line.split()[1]) for line in done.stderr.decode().splitlines()] == list(range(100))
