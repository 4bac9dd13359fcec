# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of the addresses found is published, and when none is."""

from __future__ import annotations

import json
import queue
import subprocess

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.registering import interfaces
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.registering.addresses import (
    Found,
    Locator,
    Source,
)
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.words import parse_networks

SOURCE = Source("interface", "eth0", 0, 5)


def locator(source: Source = SOURCE, allowed: tuple[str, ...] = ()) -> Locator:
    return Locator(source, parse_networks(allowed), queue.SimpleQueue().put)


def found(*candidates: str, problem: str = "") -> Found:
    return Found(SOURCE, candidates, problem)


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
    assert here.problem == "the address 192.168.0.1 is in none of the allowed networks"
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
    assert (here.address, here.problem) == ("10.0.0.1", "there is none")
    assert 104 <= here.next_due <= 106


def test_a_route_of_a_family_that_is_not_there() -> None:
    here = locator(Source("route", "203.0.113.1", 6, 5))
    here.turn(0)
    assert (here.address, here.problem) == ("", "there is none")


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
