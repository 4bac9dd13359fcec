# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values of keys as data: anybody may have written them."""

from __future__ import annotations

import datetime
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.rollcall.discovery.plugins.plugin_utils._decode import decode
from tests.support.inventory import trusted_texts


@pytest.mark.parametrize("text", ["", "x", "{{ 1 + 1 }}", '{"a": 1}', "\udcff", "\0", "a\nb"])
def test_text_is_left_alone(text):
    assert decode(text, "text") == text


@pytest.mark.parametrize("form", ["json", "yaml"])
@pytest.mark.parametrize("data", [None, True, 5, 2.5, "", "{{ 1 + 1 }}", [], {"{{ x }}": ["{{ y }}", {"ü": None}]}])
def test_json_is_data_in_both_forms_and_no_template(form, data):
    found = decode(json.dumps(data), form)
    assert found == data
    assert not list(trusted_texts(found))


def test_json_may_be_deep_and_have_brackets_and_escapes_in_its_text():
    text = "[" * 100 + "]" * 100
    assert json.dumps(decode(text, "json")) == text
    assert decode(r'["[[\"[\\", "\ud83d\ude00"]'.replace("[[", "[" * 200), "json") == ["[" * 200 + '"[\\', "\U0001f600"]


def test_yaml_is_more_than_json():
    text = "colour: green\nsizes: [1, 2]\nsince: 2026-01-01\nnote: |\n  two\n  lines\n"
    note, since = "two\nlines\n", datetime.date(2026, 1, 1)
    assert decode(text, "yaml") == {"colour": "green", "sizes": [1, 2], "since": since, "note": note}
    assert decode("", "yaml") is None


@pytest.mark.parametrize(
    ("form", "text", "words"),
    [
        ("json", "", "Expecting value"),
        ("json", "green", "Expecting value"),
        ("json", "NaN", "NaN is not a number of JSON"),
        ("json", "[" * 100_000, "nested too deeply"),
        ("json", "9" * 5000, "limit"),
        ("json", "[" * 101 + "]" * 101, "nested too deeply"),
        ("json", '{"a": ' * 101 + "1" + "}" * 101, "nested too deeply"),
        ("json", '["\\"", ' + "[" * 100 + "]" * 101, "nested too deeply"),
        ("json", '"' + '\\"[' * 400_000, "Unterminated string"),  # as quick as it is long
        ("json", '"\udcff"', "text that is not UTF-8"),
        ("json", '{"a": "\\ud800"}', "text that is not UTF-8"),
        ("json", '{"\\udfff": 1}', "text that is not UTF-8"),
        ("yaml", "a: b: c", "mapping values are not allowed .*line 1, column 5"),
        ("yaml", "a: [", "while parsing a flow"),
        ("yaml", "--- 1\n--- 2", "single document"),
        ("yaml", "2026-99-99", "month"),
        ("yaml", "\0", "control characters"),
        ("yaml", "\udcff", "text that is not UTF-8"),
        ("yaml", "[" * 200_000 + "]" * 200_000, "nested too deeply"),  # libyaml's loader crashes Python with these
        ("yaml", "{a: " * 101 + "1" + "}" * 101, "nested too deeply"),
        ("yaml", "!!python/object/apply:os.system [id]", "has the tag"),
        ("yaml", "!vault x", "has the tag !vault"),
        ("yaml", "!!timestamp 5", "has the tag"),
        ("yaml", "&a [*a]", "aliases"),
        ("yaml", "a: &a [x]\nb: &b [*a, *a]\nc: &c [*b, *b]", "aliases"),
    ],
)
def test_what_cannot_be_decoded_says_why(form, text, words):
    with pytest.raises(ValueError, match=words) as failure:
        decode(text, form)
    assert "\n" not in str(failure.value)


def test_the_reason_does_not_show_the_value():
    for form in ("json", "yaml"):
        with pytest.raises(ValueError, match=".") as failure:
            decode('{"password": "s3cret" "oops', form)
        assert "s3cret" not in str(failure.value)


@given(st.one_of(st.text(), st.text(alphabet="{}[]:,-&*!|>'\"#%@ \n0123456789._ae+=<"), st.text(alphabet="[{}]a:,")))
def test_any_text_is_data_or_an_error_that_says_so(text):
    for form in ("json", "yaml"):
        try:
            found = decode(text, form)
        except ValueError:
            continue
        assert not list(trusted_texts(found))
