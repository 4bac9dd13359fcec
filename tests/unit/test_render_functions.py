# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Functions of templates under confd's names give what confd gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.keystore import (
    KeyTable,
    TemplateFailed,
)
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.templates import Template
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.view import View
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.wire import KeyValue

KEYS = {
    "/app/json": '{"hosts": ["b", "a"], "n": 1.5}',
    "/app/list": "[1,2]",
    "/app/evil": '"a\\nb"',
    "/app/b64": "YQpi",
}


@pytest.fixture
def render(tmp_path: Path):
    def render(text: str) -> str:
        (tmp_path / "t.j2").write_text(text)
        kvs = [KeyValue(key, value, 1, 1, 1, 0) for key, value in KEYS.items()]
        return (
            Template(str(tmp_path / "t.j2")).render(View(1, [], KeyTable({kv.key: kv for kv in kvs}), 0, [])).decode()
        )

    return render


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ('(getv("/app/json") | from_json).hosts[1]', "a"),
        ('json(getv("/app/json")).n', "1.5"),
        ('jsonArray(getv("/app/list"))[0]', "1"),
        ('{"b": [1, 2], "a": "é"} | to_json', '{"a":"é","b":[1,2]}'),
        ('"a,b" | split(",") | length', "2"),
        ("seq(1, 3) | join", "123"),
        ("seq(3, 1) | length", "0"),
        ('base("/a/b/")', "b"),
        ('base("")', "."),
        ('base("/")', "/"),
        ('dir("/a/b")', "/a"),
        ('dir("b")', "."),
        ("div(-7, 2)", "-3"),
        ("mod(-7, 2)", "-1"),
        ("mod(7, -2)", "1"),
        ('atoi("-12") + 1', "-11"),
        ('base64Encode("a") | base64Decode', "a"),
        ('toUpper("a") ~ toLower("B")', "Ab"),
        ('sortByLength(["ccc", "a", "bb"]) | join(" ")', "a bb ccc"),
        ('(gets("/app/*") | sortKVByLength)[0].key', "/app/b64"),
        ('fileExists("/nowhere")', "False"),
        ('getenv("ROLLCALL_NOT_SET", "x")', "x"),
        ('squote("a")', "'a'"),
        ('snakecase("someName")', "some_name"),
        ('trimPrefix("web-1", "web-") ~ trimSuffix("a.b", ".b")', "1a"),
        ('regexMatch("^w.b", "web") ~ regexFind("[0-9]+", "web12")', "True12"),
        ('regexReplaceAll("b(.)", "abc", "<\\\\1>")', "a<c>"),
        ('sha256sum("a")[:8]', "ca978112"),
        ('from_json(getv("/app/evil"), raw=true) | length', "3"),
        ('get("/app/list").value', "[1,2]"),
        ('["a", "b"] | reverse | join', "ba"),
    ],
)
def test_each_function_gives_what_confd_gives(render, expression: str, result: str) -> None:
    assert render("{{ " + expression + " }}") == result


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ('getv("/app/evil") | from_json', "from_json: a line break or another control character"),
        ('getv("/app/b64") | base64Decode', "base64Decode: a line break"),
        ('"{" | from_json', "from_json: the value is not JSON"),
        ('json("[]")', "json: expected an object"),
        ('jsonArray("{}")', "jsonArray: expected an array"),
        ('atoi("1e3")', "atoi: '1e3' is not a whole number"),
        ("div(1, 0)", "div: division by zero"),
        ("mod(1, 0)", "div: division by zero"),
        ("seq(1, 1000000000)", "seq: 1 to 1000000000 are more than 100000 numbers"),
        ('regexMatch("(", "a")', "regexMatch: '[(]' is no regular expression"),
        ('base64Decode("*")', "base64Decode: '[*]' is not base64"),
        ("to_json(seq)", "to_json: "),
    ],
)
def test_bad_arguments_are_errors_that_name_the_function(render, expression: str, message: str) -> None:
    with pytest.raises(TemplateFailed, match=message):
        render("{{ " + expression + " }}")
