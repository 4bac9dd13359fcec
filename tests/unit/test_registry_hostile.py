# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values that pass for plain ones in Python and are none to what reads them after us."""

from __future__ import annotations

import json
import time

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._registry.errors import InvalidNode
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.strict_json import MAX_DEPTH, load
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.validation import (
    parse_networks,
    valid_address,
)


def nested(levels: int) -> str:
    """An object of so many levels, the innermost one a number."""
    return '{"a":' * (levels - 1) + "1" + "}" * (levels - 1)


@pytest.mark.parametrize("zone", ["eth0", "\nbackend evil", "{{ 1 }}", '"'])
def test_an_address_with_a_zone_is_refused_since_any_text_passes_as_one(zone: str) -> None:
    with pytest.raises(InvalidNode, match="has a zone"):
        valid_address(f"2001:db8::1%{zone}")


@pytest.mark.parametrize("address", ["::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:169.254.1.1", "::ffff:0.0.0.0"])
def test_an_ipv4_address_in_disguise_follows_the_rules_of_ipv4(address: str) -> None:
    with pytest.raises(InvalidNode, match="allowed_networks"):
        valid_address(address)


def test_an_ipv4_address_in_disguise_is_shown_as_it_is_and_lies_in_ipv4_networks() -> None:
    assert valid_address("::ffff:10.0.0.5", parse_networks(["10.0.0.0/8"])) == "10.0.0.5"
    with pytest.raises(InvalidNode, match="outside the allowed networks"):
        valid_address("::ffff:127.0.0.1", parse_networks(["::/0"]))


@pytest.mark.parametrize(
    "text", ['{"a":NaN}', '{"a":-Infinity}', '{"a":1e999}', '{"a":"\\ud800"}', '{"a":"\udcff"}', '{"\\uDFFF":1}']
)
def test_what_only_python_takes_for_json_is_refused(text: str) -> None:
    with pytest.raises(InvalidNode, match="is not JSON"):
        load(text, "node document")


def test_a_whole_surrogate_pair_is_a_character() -> None:
    assert load('{"a":"\\ud83d\\ude00"}', "node document") == {"a": "\N{GRINNING FACE}"}


def test_deep_nesting_is_refused_before_a_recursive_reader_meets_it() -> None:
    assert load(nested(MAX_DEPTH), "node document") == json.loads(nested(MAX_DEPTH))
    with pytest.raises(InvalidNode, match="levels deep"):
        load(nested(MAX_DEPTH + 1), "node document")
    with pytest.raises(InvalidNode, match="levels deep"):
        load(nested(600), "node document")


def test_a_wide_document_is_read_in_no_time() -> None:
    started = time.monotonic()
    assert len(load(json.dumps({"a": [[]] * 1000}), "node document")["a"]) == 1000
    assert time.monotonic() - started < 1
