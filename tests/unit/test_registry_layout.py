# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which key is whose, and which words a node may say."""

from __future__ import annotations

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.text import shown
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.errors import InvalidLayout, InvalidNode
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.layout import (
    DC_ROLE_NAME,
    LAYOUTS,
    Identity,
    Layout,
)
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.validation import (
    parse_networks,
    valid_address,
    valid_name,
    valid_number,
    valid_word,
)

WEB1 = Identity("", "web", "web1")
EU_WEB1 = Identity("eu-west-1a", "web", "web1")


def test_the_articles_two_layouts():
    assert Layout().directory(WEB1) + "ip" == "/infrastructure/web/web1/ip"
    assert Layout(layout=DC_ROLE_NAME).directory(EU_WEB1) + "ip" == "/infrastructure/eu-west-1a/web/web1/ip"


def test_kept_state_lies_beside_the_prefix_so_that_two_prefixes_share_nothing():
    assert Layout().roster(WEB1) == "/rollcall/infrastructure/roster/web/web1"
    assert Layout("/staging/").maintenance(WEB1) == "/rollcall/staging/maintenance/web/web1"
    assert Layout(state_prefix="/kept").consumer("lb1") == "/kept/consumers/lb1"


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("leaf", ["ip", "node", "health", "checks/http"])
def test_what_is_built_is_read_back(layout, leaf):
    who = EU_WEB1 if layout == DC_ROLE_NAME else WEB1
    keys = Layout(layout=layout)
    assert keys.parse(keys.directory(who) + leaf) == (who, leaf)


@pytest.mark.parametrize(
    "key",
    [
        "/infrastructure/web/web1",
        "/infrastructure/web/web1/unknown",
        "/infrastructure/web//ip",
        "/infrastructure/web/web1/ip/",
        "/infrastructure/web/web1/checks/",
        "/infrastructure/web/web1/checks/a/b",
        "/infrastructure/eu-west-1a/web/web1/ip",
    ],
)
def test_a_key_that_does_not_fit_is_nobodys(key):
    assert Layout().parse(key) is None


def test_the_layout_that_would_fit_is_found():
    assert Layout().fitting(["/infrastructure/eu-west-1a/web/web1/ip"]) == DC_ROLE_NAME
    assert Layout().fitting(["/infrastructure/what/is/this/even"]) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prefix": "/"}, "all of etcd"),
        ({"prefix": ""}, "all of etcd"),
        ({"layout": "{name}"}, "expected one of"),
        ({"prefix": "/a", "state_prefix": "/a/b"}, "expected a directory outside the prefix"),
        ({"prefix": "/a/b", "state_prefix": "/a"}, "expected a directory outside the prefix"),
    ],
)
def test_a_layout_that_cannot_work_is_refused(arguments, message):
    with pytest.raises(InvalidLayout, match=message):
        Layout(**arguments)


def test_a_data_centre_and_the_layout_must_agree():
    with pytest.raises(InvalidLayout, match="expected a data centre"):
        Layout(layout=DC_ROLE_NAME).directory(WEB1)
    with pytest.raises(InvalidLayout, match="got 'eu-west-1a'"):
        Layout().directory(EU_WEB1)


@pytest.mark.parametrize("name", ["web1", "web-1.example.com", "a", "WEB_1", "10.0.0.5"])
def test_host_names_are_taken(name):
    assert valid_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "localhost",
        "LocalHost",
        "127.0.0.1",
        "::1",
        "all",
        "ungrouped",
        "",
        "-web",
        "web1\n",
        "a b",
        "{{ 1 }}",
        "é",
        "a" * 254,
    ],
)
def test_names_that_mean_something_else_are_refused(name):
    with pytest.raises(InvalidNode):
        valid_name(name)


@pytest.mark.parametrize("word", ["web", "k8s-master", "v1.2", "a:b", "_x"])
def test_plain_words_are_taken(word):
    assert valid_word(word, "role") == word


@pytest.mark.parametrize("word", ["", "a b", "a\n", "a/b", "'", '"', "{{x}}", None, 5, ["web"], "x" * 65])
def test_other_words_are_refused(word):
    with pytest.raises(InvalidNode, match="role"):
        valid_word(word, "role")


@pytest.mark.parametrize("number", [0, 65536, True, "80", 80.0, None])
def test_a_port_is_a_whole_number_in_range(number):
    assert valid_number(80, 1, 65535, "port") == 80
    with pytest.raises(InvalidNode, match="port"):
        valid_number(number, 1, 65535, "port")


@pytest.mark.parametrize(("text", "address"), [("10.0.0.5\n", "10.0.0.5"), ("2001:DB8::1", "2001:db8::1")])
def test_addresses_are_normalised(text, address):
    assert valid_address(text) == address


@pytest.mark.parametrize(
    "text",
    ["", "web1", "10.0.0.5:80", "10.0.0.256", "127.0.0.1", "0.0.0.0", "::1", "224.0.0.1", "169.254.169.254", "fe80::1"],
)
def test_addresses_that_nobody_else_can_mean_are_refused(text):
    with pytest.raises(InvalidNode, match="address"):
        valid_address(text)


def test_allowed_networks_narrow_and_permit():
    networks = parse_networks(["127.0.0.0/8", "10.0.0.0/24"])
    assert valid_address("127.0.0.1", networks) == "127.0.0.1"
    assert valid_address("10.0.0.9", networks) == "10.0.0.9"
    with pytest.raises(InvalidNode, match="outside the allowed networks"):
        valid_address("10.0.1.9", networks)
    with pytest.raises(InvalidNode, match="allowed_networks"):
        parse_networks(["10.0.0.1/24"])


def test_what_is_shown_in_a_message_stays_on_one_line():
    assert "\n" not in shown("a\nb")
    assert len(shown("x" * 500)) == 60
