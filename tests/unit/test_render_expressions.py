# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Regular expressions of templates: a value that makes a search slow holds up no other thread, and the search ends."""

from __future__ import annotations

import time

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.host import programs
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering import expressions
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.expressions import Expressions
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.keystore import TemplateFailed
from tests.unit.test_agent_searching import SLOW, heartbeat

CALLS = {
    "regexMatch": lambda searched, pattern, text: searched.match(pattern, text),
    "regexFind": lambda searched, pattern, text: searched.find(pattern, text),
    "regexReplaceAll": lambda searched, pattern, text: searched.replace_all(pattern, text, "x"),
}


@pytest.mark.parametrize("function", CALLS)
@pytest.mark.parametrize("pattern", ["(a+)+b", "java.*kafka.*server.*prod"])
def test_slow_search_ends_at_its_deadline_and_holds_up_no_other_thread(function: str, pattern: str) -> None:
    begun = time.monotonic()
    with heartbeat() as longest, pytest.raises(TemplateFailed, match=rf"^{function}: the search for .* takes too long"):
        CALLS[function](Expressions(1.0), pattern, SLOW[pattern])
    assert longest[0] < 3
    assert time.monotonic() - begun < 6


def test_all_searches_of_a_rendering_share_one_deadline() -> None:
    searched = Expressions(1.0)
    begun = time.monotonic()
    for number in range(5):
        with pytest.raises(TemplateFailed, match="takes too long"):
            searched.match("(a+)+b", "a" * (3000 + number))
    assert time.monotonic() - begun < 6


def test_simple_expression_in_a_long_value_is_slow_too() -> None:
    with heartbeat() as longest, pytest.raises(TemplateFailed, match="takes too long"):
        Expressions(1.0).match("a+b", "a" * 1_000_000)
    assert longest[0] < 3


@pytest.mark.parametrize("text", ["node-12.eu", "é\n\0-7" * 3, "", "\udcff-1"])
@pytest.mark.parametrize("pattern", [r"-(\d+)", r"(\w+[-.])+(\d)?"])
def test_results_in_a_process_are_those_of_python(monkeypatch: pytest.MonkeyPatch, pattern: str, text: str) -> None:
    import re

    found = re.search(pattern, text)
    for steps in (1 << 40, 0):
        monkeypatch.setattr(expressions.searching, "_MOST_STEPS", steps)
        monkeypatch.setattr(expressions, "_known", {})
        searched = Expressions()
        assert searched.match(pattern, text) is (found is not None)
        assert searched.find(pattern, text) == (found[0] if found else "")
        assert searched.replace_all(pattern, text, r"<\1>") == re.sub(pattern, r"<\1>", text)


def test_common_expression_in_a_name_needs_no_process_and_a_result_is_found_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started = []
    run = programs.run_program
    monkeypatch.setattr(programs, "run_program", lambda *args, **kwargs: started.append(1) or run(*args, **kwargs))
    monkeypatch.setattr(expressions, "_known", {})
    assert Expressions().match(r"^web-[0-9]+\.(eu|us)\.[a-z]+$", "web-12.eu.example")
    assert not started
    for _rendering in range(3):
        assert Expressions().match("(a|aa)+$", "aaa")
    assert len(started) == 1


def test_replacement_that_names_no_group_is_an_error() -> None:
    with pytest.raises(TemplateFailed, match=r"regexReplaceAll: .* is no replacement: invalid group reference"):
        Expressions().replace_all("a", "b", r"\1")
