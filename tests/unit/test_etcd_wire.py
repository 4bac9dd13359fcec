# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys and values over the wire, for any text there is."""

from __future__ import annotations

import ast
import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd import fields, wire

# Any text and any bytes: what is not UTF-8 arrives as surrogates.
texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape")),
)


def raw(text):
    return text.encode("utf-8", "surrogateescape")


def selects(fields, key):
    """Whether etcd would select `key`: a key, or an interval whose end is open; b"\\0" as end is no end."""
    start, end = base64.b64decode(fields["key"]), base64.b64decode(fields.get("range_end", ""))
    if not end:
        return key == start
    return start <= key and (end == b"\0" or key < end)


@given(texts)
def test_text_survives(text):
    assert fields.decode(wire.encode(text)) == text


@given(texts, texts)
def test_a_prefix_selects_exactly_what_starts_with_it(prefix, key):
    selection = wire.key_range(prefix, prefix=True)
    for candidate in (raw(key), raw(prefix) + raw(key)):
        if candidate:  # etcd has no empty key
            assert selects(selection, candidate) is candidate.startswith(raw(prefix))


@pytest.mark.parametrize("prefix", ["\udcff", "\udcff\udcff", "a\udcff"])
def test_a_prefix_that_ends_in_the_last_byte_has_an_end_all_the_same(prefix):
    selection = wire.key_range(prefix, prefix=True)
    assert selects(selection, raw(prefix) + b"x")
    assert not selects(selection, b"Z")


@given(texts)
def test_without_prefix_one_key_is_selected(key):
    assert wire.key_range(key, prefix=False) == {"key": wire.encode(key)}


def test_what_etcd_leaves_out_is_zero():
    kv = wire.KeyValue.parse({"key": wire.encode("/k"), "create_revision": "7", "mod_revision": "8", "version": "2"})
    assert kv == ("/k", "", 7, 8, 2, 0)
    empty = wire.RangeResult.parse({"header": {"revision": "9"}})
    assert (empty.kvs, empty.count, empty.revision) == ([], 0, 9)


@pytest.mark.parametrize(
    ("page", "last"),
    [
        (b'{"header":{},"kvs":[{"key":"L2E="},{"key":"L2I=","value":"ImtleSI6Ig=="}],"more":true,"count":"3"}', "/b"),
        (b'{"header":{},"kvs":[{"key":"L2E="}],"count":"1"}', None),
        (b'{"header":{},"more":true}', None),
        (b'{"header": {}, "kvs": [{"key": "L2E="}], "more": true}', "/a"),  # 3.6 writes spaces now and then
        (b"<html>", None),
    ],
)
def test_the_last_key_of_a_page_is_found_before_it_is_decoded(page, last):
    assert wire.last_key(page) == last


def test_only_the_wire_and_the_errors_name_fields_of_etcd():
    """No other file of the client looks into an answer, or writes a request."""
    for file in Path(wire.__file__).parent.glob("*.py"):
        tree = ast.parse(file.read_text())
        paths = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and "/v3/" in str(node.value)]
        assert not paths or file.name in ("wire.py", "wire_cluster.py"), (file, paths)
        if file.name in ("client.py", "lock.py", "transport.py", "v2.py", "watch.py"):
            names = [node for node in ast.walk(tree) if isinstance(node, ast.Subscript)]
            looked = [node.slice.value for node in names if isinstance(node.slice, ast.Constant)]
            assert not any(isinstance(name, str) and name != "Authorization" for name in looked), (file, looked)


@pytest.mark.parametrize("other", [True, 1.0, None, [], {}, "x", "", "9" * 21, b"1"])
@pytest.mark.parametrize("name", ["create_revision", "mod_revision", "version", "lease"])
def test_each_number_of_a_list_of_keys_is_an_integer(name, other):
    """Also one that Python takes for equal to a number that stands beside it."""
    items = [{"key": wire.encode(f"/{index}"), name: value} for index, value in enumerate(["1", 1, 0, other])]
    assert wire.KeyValue.parse_list(items[:3])[1] == wire.KeyValue.parse(items[0])._replace(key="/1")
    with pytest.raises(fields.Malformed, match=f"{name} is not an integer"):
        wire.KeyValue.parse_list(items)
