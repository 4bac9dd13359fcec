# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a host that boots for the first time fetches the program: the very script, from web servers on a bad day."""

from __future__ import annotations

import hashlib
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

FETCH = Path(__file__).resolve().parents[3] / "roles/register/files/fetch.py"
PROGRAM = b"the program" * 1000


class Fetched(NamedTuple):
    """What came of it: the exit status, the pauses that were made, what was printed, and the file, if there is one."""

    status: int
    pauses: list[float]
    output: str
    content: bytes | None


@pytest.fixture
def fetch(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[[str], Fetched]:
    """Runs the script for a URL; its pauses are noted, and none is made."""

    def run(url: str) -> Fetched:
        pauses: list[float] = []
        file = tmp_path / "runtime.tar.gz"
        monkeypatch.setattr(time, "sleep", pauses.append)
        monkeypatch.setattr(sys, "argv", ["fetch.py", url, hashlib.sha256(PROGRAM).hexdigest(), str(file)])
        with pytest.raises(SystemExit) as ended:
            exec(compile(FETCH.read_text(), str(FETCH), "exec"), {"__name__": "__main__"})
        captured = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        content = file.read_bytes() if file.exists() else None
        return Fetched(ended.value.code, pauses, captured.out + captured.err, content)

    return run


def test_a_server_that_is_there_is_asked_once(fetch: Callable[[str], Fetched], mirror: Any) -> None:
    mirror.answers = [mirror.content(PROGRAM)]
    assert fetch(mirror.url) == (0, [], "", PROGRAM)
    assert mirror.asked == 1


def test_whatever_goes_wrong_it_tries_again_and_says_why(fetch: Callable[[str], Fetched], mirror: Any) -> None:
    right, wrong = mirror.content(PROGRAM), mirror.content(b"another release")
    cut = mirror.content(PROGRAM[:500], promised=len(PROGRAM))
    mirror.answers = [mirror.busy, mirror.silent, cut, wrong, right]
    done = fetch(mirror.url)
    assert (done.status, done.content, mirror.asked, len(done.pauses)) == (0, PROGRAM, 5, 4)
    said = done.output.splitlines()
    for line, words in zip(
        said, ("503", "without response", "IncompleteRead", "another file, with SHA-256"), strict=True
    ):
        assert line.startswith(f"http://127.0.0.1:{mirror.server_port}/runtime.tar.gz: ")
        assert words in line
    assert "s3cret" not in done.output


def test_endless_and_dripping_answers_end_and_the_servers_text_is_printable(
    fetch: Callable[[str], Fetched], mirror: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror.answers = [mirror.endless, mirror.escaping, mirror.content(PROGRAM)]
    done = fetch(mirror.url)
    assert (done.status, done.content, mirror.asked) == (0, PROGRAM, 3)
    assert "the answer is larger than 8388608 bytes" in done.output
    assert "\\x1b[31mred" in done.output
    assert "\x1b" not in done.output


def test_a_wrong_file_is_never_left_there(fetch: Callable[[str], Fetched], mirror: Any) -> None:
    mirror.answers = [mirror.content(b"another release")]
    done = fetch(mirror.url)
    assert (done.status, done.content, mirror.asked) == (1, None, 10)
    assert "in 10 tries" in done.output.splitlines()[-2]
    assert "another file, with SHA-256 " in done.output.splitlines()[-2]
    assert done.output.splitlines()[-1].endswith("sh /opt/rollcall/install")
    assert "s3cret" not in done.output


def test_a_server_that_is_not_there_yet_is_waited_for(fetch: Callable[[str], Fetched]) -> None:
    with socket.socket() as unused:  # bound, and nobody listens
        unused.bind(("127.0.0.1", 0))
        done = fetch(f"http://127.0.0.1:{unused.getsockname()[1]}/runtime.tar.gz")
    assert (done.status, len(done.pauses)) == (1, 9)
    assert "Connection refused" in done.output


def test_pauses_grow_and_are_no_two_hosts_the_same(fetch: Callable[[str], Fetched], mirror: Any) -> None:
    one, other = fetch(mirror.url).pauses, fetch(mirror.url).pauses
    assert set(one).isdisjoint(other)
    for pauses in (one, other):
        for pause, middle in zip(pauses, (2, 4, 8, 16, 32, 60, 60, 60, 60), strict=True):
            assert middle / 2 <= pause <= middle * 1.5
