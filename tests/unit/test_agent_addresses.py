# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of the addresses found is published, and when none is."""

from __future__ import annotations

import json
import queue
import shlex
import subprocess
import threading

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.host import interfaces, programs
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.registering.addresses import (
    Candidates,
    Locator,
    Source,
)
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.validation import parse_networks
from tests.support.waiting import wait_for

SOURCE = Source("interface", "eth0", 0, 5)


def locator(source: Source = SOURCE, allowed: tuple[str, ...] = ()) -> Locator:
    return Locator(source, parse_networks(allowed), queue.SimpleQueue().put)


def found(*candidates: str, problem: str = "") -> Candidates:
    return Candidates(SOURCE, candidates, problem)


@pytest.mark.parametrize(
    ("looks", "address"),
    [
        ([("10.0.0.1", "10.0.0.2")], "10.0.0.1"),
        ([("10.0.0.2",), ("10.0.0.1", "10.0.0.2")], "10.0.0.2"),  # it stays while it is there
        ([("10.0.0.2",), ("10.0.0.1",)], "10.0.0.1"),
        ([("fd00::1",), ("10.0.0.1", "fd00::1")], "10.0.0.1"),  # but IPv4 goes first
        ([("10.0.0.1",), ()], "10.0.0.1"),  # and the last one is better than none
        ([("127.0.0.1", "fe80::1", "10.0.0.3")], "10.0.0.3"),
        ([("10.0.0.1",), ("127.0.0.1",)], "10.0.0.1"),
        ([("10.0.0.1\nserver evil",)], ""),
    ],
)
def test_which_one_is_published(looks: list[tuple[str, ...]], address: str) -> None:
    here = locator()
    for candidates in looks:
        here.take(found(*candidates), 0)
    assert here.address == address


def test_only_networks_that_are_allowed(capsys: pytest.CaptureFixture[str]) -> None:
    here = locator(allowed=("10.0.0.0/8",))
    here.take(found("192.168.0.1", "10.0.0.1"), 0)
    assert (here.address, here.problem) == ("10.0.0.1", "")
    for _look in range(2):
        here.take(found("192.168.0.1"), 0)
    assert here.problem == "the address 192.168.0.1 is outside the allowed networks (allowed_networks)"
    assert capsys.readouterr().err.count("10.0.0.1 stays") == 1, "it is told once"


def test_what_a_former_source_finds_late_is_nothing() -> None:
    here = locator()
    here.configure(Source("given", "10.0.0.9"), ())
    here.turn(0)
    here.take(found("10.0.0.1"), 0)
    assert (here.address, here.next_due) == ("10.0.0.9", float("inf"))


def test_another_source_keeps_the_address_until_it_has_one() -> None:
    here = locator()
    here.take(found("10.0.0.1"), 0)
    here.configure(Source("interface", "nosuch0", 0, 5), ())
    here.turn(100)
    assert (here.address, here.problem) == ("10.0.0.1", "no usable address")
    assert 104 <= here.next_due <= 106


def test_a_route_of_a_family_that_is_not_there() -> None:
    here = locator(Source("route", "203.0.113.1", 6, 5))
    here.turn(0)
    assert (here.address, here.problem) == ("", "no usable address")


class Commands:
    """A locator whose address comes from a command, and what is delivered to it; the clock is ours."""

    def __init__(self, *command: str) -> None:
        self.inbox: queue.SimpleQueue[Candidates] = queue.SimpleQueue()
        self.here = Locator(Source("command", shlex.join(command), 0, 60), (), self.inbox.put)

    def take(self, now: float) -> None:
        """Wait for what the command gives."""
        self.here.take(self.inbox.get(timeout=5), now)


def test_a_command_is_asked_again_when_it_has_answered() -> None:
    asked = Commands("/bin/echo", "10.0.0.1")
    asked.here.turn(0)
    assert asked.here.next_due > 60, "while it runs there is nothing to do but to wait"
    asked.take(5)
    assert (asked.here.address, asked.here.problem) == ("10.0.0.1", "")
    assert 5 + 54 <= asked.here.next_due <= 5 + 66
    asked.here.turn(asked.here.next_due)
    asked.take(100)


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (("/bin/sh", "-c", "echo no lease >&2; exit 3"), "exit status 3: no lease"),
        (("/bin/true",), "/bin/true printed nothing"),
        (("/nowhere/address",), "/nowhere/address: not found"),
        (("/bin/echo", "a\0b"), "ValueError: embedded null byte"),
    ],
)
def test_a_command_that_gives_none_says_why(command: tuple[str, ...], problem: str) -> None:
    asked = Commands(*command)
    asked.here.turn(0)
    asked.take(1)
    assert problem in asked.here.problem


def test_a_command_that_does_not_end_is_not_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even being killed ends a process that waits for a disk or a server that is gone."""
    begun, ends = [], threading.Event()

    def stuck(argv: list[str], timeout: float) -> programs.CommandResult:
        begun.append(argv)
        ends.wait(10)
        return programs.CommandResult(0, "10.0.0.1")

    monkeypatch.setattr(programs, "run_program", stuck)
    asked = Commands("/nfs/address")
    asked.here.turn(0)
    asked.here.configure(asked.here._source, ())
    asked.here.turn(1)
    assert asked.here.problem == "", "it has its time, after a reload, too"
    for _look in range(3):
        asked.here.turn(asked.here.next_due)
    assert asked.here.problem == "/nfs/address was killed, and does not end"
    asked.here.configure(Source("command", "/bin/address", 0, 60), ())
    asked.here.turn(300)
    wait_for(lambda: begun == [["/nfs/address"], ["/bin/address"]], "another command, which need not wait for it")
    ends.set()
    asked.take(301)
    asked.take(302)
    assert (asked.here.address, asked.here.problem) == ("10.0.0.1", "")


def test_a_command_that_cannot_be_started_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_thread(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    asked = Commands("/bin/echo", "10.0.0.1")
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_thread)
        asked.here.turn(0)
    assert asked.here.problem == "/bin/echo 10.0.0.1 cannot be started: can't start new thread"
    asked.here.turn(asked.here.next_due)
    asked.take(100)
    assert (asked.here.address, asked.here.problem) == ("10.0.0.1", "")


def test_the_kernel_tells_what_ip_tells() -> None:
    """`ip` of iproute2 is the witness."""
    said = json.loads(subprocess.run(["ip", "-j", "address"], capture_output=True, check=True).stdout)
    expected = {
        (link["ifname"], address["local"])
        for link in said
        for address in link["addr_info"]
        if "UP" in link["flags"] and not address.keys() & {"tentative", "deprecated", "dadfailed"}
    }
    assert {(each.interface, each.address) for each in interfaces.addresses()} == expected
    assert ("lo", "127.0.0.1") in expected
    assert interfaces.towards("127.0.0.2") in ("127.0.0.1", "127.0.0.2")
