# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The quick way through an expression and Jinja's own come to the same, or the quick way is not taken."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory import _paths
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._paths import NotAPath

VARIABLES = {
    "node": {
        "text": "{{ 1 + 1 }}",
        "number": 3,
        "half": 0.5,
        "yes": True,
        "none": None,
        "empty": "",
        "items": "a key named as a method",
        "list": ["x", {"y": "z"}],
        "inner": {"with space": 1, "é": 2, "deep": {"er": [1, 2]}},
    },
    "plain": "word",
    "nothing": None,
}

PATHS = [
    "plain",
    "nothing",
    "node",
    " node.text ",
    "node .number",
    "node.half",
    "node.yes",
    "node.none",
    "node.empty",
    "node.list",
    "node.inner.deep.er",
    "node['inner']['with space']",
    'node["inner"].deep',
    "node.inner.é",
    "node.missing | default('unknown')",
    "node.missing|d(80)",
    "node.missing | default(none)",
    "node.missing | default(0.5)",
    "node.missing.deeper | default('unknown')",
    "node.none.deeper | default('unknown')",
    "node.none | default('unknown')",
    "node.empty | default('unknown')",
    "nothing.reason | default('')",
    "node.text | default('{{ 2 }}')",
    "node.missing | default('{{ 2 }}')",
]

LEFT_TO_JINJA = [
    "node.missing",
    "node.missing.deeper",
    "missing",
    "missing | default('unknown')",
    "lookup | default('unknown')",
    "node.items",
    "node['items']",
    "node.items | default('unknown')",
    "node.list[0]",
    "node.list.missing | default('unknown')",
    "node.text.upper",
    "node._missing | default('unknown')",
    "node.empty | default('unknown', true)",
    "node.missing | default(omit)",
    "node.missing | default(plain)",
    "node.text | lower",
    "node.missing | default('A') | lower",
    "node.number + 1",
    "node.number == 3",
    "'word'",
    "node.text }} {{ plain",
    "node.",
    "",
]


def by_jinja(expression: str) -> object:
    templar = Templar(DataLoader())
    templar.available_variables = VARIABLES
    return templar.evaluate_expression(trust_as_template(expression))


@pytest.mark.parametrize("expression", PATHS)
def test_a_path_gives_what_jinja_gives(expression):
    quick, slow = _paths.evaluate(trust_as_template(expression), VARIABLES), by_jinja(expression)
    assert (quick, type(quick)) == (slow, type(slow))


@pytest.mark.parametrize("expression", LEFT_TO_JINJA)
def test_anything_else_is_left_to_jinja(expression):
    with pytest.raises(NotAPath):
        _paths.evaluate(trust_as_template(expression), VARIABLES)


@pytest.mark.parametrize("expression", [None, 5, {"a": 1}, ["node.text"]])
def test_what_is_no_text_is_left_to_ansible(expression):
    with pytest.raises(NotAPath):
        _paths.evaluate(expression, VARIABLES)


@pytest.mark.parametrize("value", ["{{ plain }}", {"deep": "{{ plain }}"}, ["{{ plain }}"]])
def test_a_value_that_is_a_trusted_template_is_left_to_jinja(value):
    trusted = _trusted(value)
    with pytest.raises(NotAPath):
        _paths.evaluate("a.b", {"a": {"b": trusted}})


def test_two_variables_do_not_share_a_value():
    copy = _paths.evaluate("node.inner.deep", VARIABLES)
    copy["er"].append(3)
    assert VARIABLES["node"]["inner"]["deep"]["er"] == [1, 2]


def test_jinja_has_the_words_for_what_is_missing():
    with pytest.raises(AnsibleError, match="has no attribute 'missing'"):
        by_jinja("node.missing")


def _trusted(value):
    if isinstance(value, dict):
        return {name: _trusted(inner) for name, inner in value.items()}
    return [_trusted(inner) for inner in value] if isinstance(value, list) else trust_as_template(value)
