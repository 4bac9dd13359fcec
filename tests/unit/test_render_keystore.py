# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The functions of templates on keys: what confd's users know, and no control characters."""

from __future__ import annotations

import sys

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.keystore import (
    CONTROL,
    KeyStore,
    KeyTable,
    Pair,
    TemplateFailed,
    is_plain,
)
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.wire import KeyValue


def store(values, prefix=""):
    return KeyStore(KeyTable({key: KeyValue(key, value, 1, 1, 1, 0) for key, value in values.items()}), prefix)


TREE = {
    "/app": "leaf",
    "/app/db/host": "db1",
    "/app/db/port": "5432",
    "/app/name": "shop",
    "/app-2/name": "other",
    "/b/w[1]/ip": "10.0.0.1",
}


def test_getv():
    assert store(TREE).getv("/app/db/host") == "db1"


def test_getv_of_a_missing_key_gives_the_default_or_names_the_key():
    assert store(TREE).getv("/app/db/user", "admin") == "admin"
    assert store(TREE).getv("/app/db/user", "") == ""
    with pytest.raises(TemplateFailed, match="no key '/app/db/user'"):
        store(TREE).getv("/app/db/user")


def test_a_key_that_is_there_wins_over_the_default_even_empty():
    assert store({"/x": ""}).getv("/x", "default") == ""


def test_get_and_getvs_give_pairs_and_values():
    assert store(TREE).get("/app/name") == Pair("/app/name", "shop")
    assert store(TREE, "/app").getvs("/db/*") == ["db1", "5432"]
    with pytest.raises(TemplateFailed, match="no key '/nowhere'"):
        store(TREE).get("/nowhere")


def test_exists_is_for_keys_not_directories():
    assert store(TREE).exists("/app/name")
    assert not store(TREE).exists("/app/db")


def test_ls_and_lsdir():
    assert store(TREE).ls("/app") == ["db", "name"]
    assert store(TREE).ls("/app/") == ["db", "name"]
    assert store(TREE).lsdir("/app") == ["db"]
    assert store(TREE).ls("/") == ["app", "app-2", "b"]
    assert store(TREE).lsdir("/app/db") == store(TREE).lsdir("/nowhere") == []


def test_gets_matches_one_level():
    assert store(TREE).gets("/app/*") == [Pair("/app/name", "shop")]
    assert store(TREE).gets("/app/db/*") == [Pair("/app/db/host", "db1"), Pair("/app/db/port", "5432")]
    assert store(TREE).gets("/*/name") == [Pair("/app-2/name", "other"), Pair("/app/name", "shop")]
    assert store(TREE).gets("/app/db/hos[^x]") == [Pair("/app/db/host", "db1")]
    assert store(TREE).gets("/app/db/host") == [Pair("/app/db/host", "db1")]
    assert store(TREE).gets("/nowhere/*") == []


def test_a_prefix_is_left_out_of_names_as_in_confd():
    keys = store(TREE, "/app")
    assert keys.getv("/db/host") == "db1"
    assert keys.ls("/") == ["db", "name"]
    assert keys.gets("/db/*")[0] == Pair("/db/host", "db1")
    assert keys.exists("/name")


@pytest.mark.parametrize("bad", ["a\nb", "a\rb", "a\0", "a\tb", "a\x1b[0m", "a\x85b", "a\u2028b", "\udcff", "a\n\n"])
def test_a_value_with_a_control_character_does_not_come_out(bad):
    keys = store({"/x": bad})
    for read in (lambda: keys.getv("/x"), lambda: keys.gets("/*")):
        with pytest.raises(TemplateFailed, match="'/x' has a line break or another control character"):
            read()
    assert keys.getv("/x", raw=True) == keys.gets("/*", raw=True)[0].value == bad


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_line_break_that_etcdctl_leaves_is_dropped(end):
    assert store({"/x": "10.0.0.1" + end}).getv("/x") == "10.0.0.1"


def test_a_name_with_a_control_character_is_not_listed():
    keys = store({"/a/good/ip": "1", "/a/ba\nd/ip": "2"})
    assert keys.ls("/a") == keys.lsdir("/a") == ["good"]
    assert keys.gets("/a/*/ip") == [Pair("/a/good/ip", "1")]


def test_what_python_can_print_has_no_control_character():
    assert [code for code in range(sys.maxunicode + 1) if is_plain(chr(code)) != (not CONTROL.search(chr(code)))] == []
