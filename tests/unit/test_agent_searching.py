# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""No text and no expression holds the agent's other threads up."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.checking.probe_process import Process
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.host.searching import (
    SEARCHED,
    SearchFailed,
    _traits,
    first_match,
)

# Expressions, each with a text of up to 4 KiB that would take from 20 s to longer than the universe exists.
SLOW = {
    "(a+)+b": "a" * SEARCHED,
    "(a|a)*b": "a" * SEARCHED,
    "(a|aa)+$": "a" * (SEARCHED - 1) + "!",
    "(?:a?){30}a{30}b": "a" * SEARCHED,
    r"(\w+\s?)*\.": "a" * SEARCHED,
    "java.*kafka.*server.*prod": ("java" * 250 + "kafka" * 200 + "server" * 170)[:SEARCHED],
    "(.*)(.*)(.*)\\1\\2b": "a" * SEARCHED,
    "(?=(a+)+b)a": "a" * SEARCHED,
}


@contextmanager
def heartbeat() -> Iterator[list[float]]:
    """The longest time for which another thread was held up, in seconds."""
    longest, over = [0.0], threading.Event()

    def beat() -> None:
        last = time.monotonic()
        while not over.wait(0.01):
            longest[0], last = max(longest[0], time.monotonic() - last), time.monotonic()

    thread = threading.Thread(target=beat)
    thread.start()
    yield longest
    over.set()
    thread.join()


@pytest.mark.parametrize(("pattern", "text"), SLOW.items(), ids=SLOW)
def test_a_slow_search_ends_at_its_deadline_and_holds_nobody_up(pattern: str, text: str) -> None:
    with heartbeat() as longest, pytest.raises(SearchFailed, match="takes too long"):
        first_match(re.compile(pattern), [("text", text)], 1.0)
    assert longest[0] < 3


@pytest.mark.parametrize(
    "pattern", ["ready", "^ready", r"\s+ok", '"status": ?"(ok|up)"', "ok|up|ready", "[a-z]+!", "r?eady"]
)
def test_an_expression_that_no_text_slows_down_needs_no_process(pattern: str) -> None:
    assert _traits(pattern).quick(SEARCHED)
    begun = time.thread_time()
    for text in (" " * SEARCHED, "a" * SEARCHED, "r" * SEARCHED, '"status": "' * 400):
        first_match(re.compile(pattern), [("text", text)], 5.0)
    assert time.thread_time() - begun < 3


@pytest.mark.parametrize("pattern", ["b+c?", "(b|x)+c", "a.*c.*", "é+(d|c)*"])
def test_the_first_text_that_matches_is_named(pattern: str) -> None:
    texts = [("one", "\0\n"), ("two", "a bc"), ("three", "a bc éd")]
    expected = next(name for name, text in texts if re.search(pattern, text))
    assert first_match(re.compile(pattern), texts, 20.0) == expected
    assert first_match(re.compile(pattern + "never"), texts, 20.0) == ""


def test_a_hostile_command_line_holds_up_nobody_and_hides_no_process() -> None:
    """Any user of the host can start a process with any arguments."""
    pattern, pipe = re.compile("java.*kafka.*server.*prod"), subprocess.PIPE
    hostile = subprocess.Popen([sys.executable, "-c", "input()", SLOW[pattern.pattern]], stdin=pipe)
    meant = subprocess.Popen([sys.executable, "-c", "input()", "java -jar kafka.jar server prod"], stdin=pipe)
    try:
        assert Process(cmdline=pattern)(20.0) == (
            "passing",
            f"command line {pattern.pattern} runs, process {meant.pid}",
        )
        meant.communicate()
        with heartbeat() as longest:
            status, output = Process(cmdline=pattern)(1.0)
        assert (status, output) == ("critical", f"the search for {pattern.pattern!r} takes too long")
        assert longest[0] < 3
    finally:
        for process in (hostile, meant):
            process.kill()
            process.wait()
