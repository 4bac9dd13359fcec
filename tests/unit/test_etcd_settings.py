# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Endpoints and settings: what is malformed is an error that says so, and never another address."""

from __future__ import annotations

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.endpoints import parse_endpoint, parse_endpoints
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import InvalidSettings
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.settings import Settings, nearest


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("etcd1", "http://etcd1:2379"),
        ("etcd1:2380", "http://etcd1:2380"),
        (" https://etcd1.example.com/ ", "https://etcd1.example.com:2379"),
        ("http://10.0.0.1:1", "http://10.0.0.1:1"),
        ("[2001:db8::1]", "http://[2001:db8::1]:2379"),
        ("https://[::1]:7", "https://[::1]:7"),
        ("https://[fe80::1%eth0]:7", "https://[fe80::1%eth0]:7"),
        ("unix:///run/etcd.sock", "unix:///run/etcd.sock"),
        ("unix:///tmp/etcd#1.sock", "unix:///tmp/etcd#1.sock"),
        ("unix:///tmp/a?b", "unix:///tmp/a?b"),
        ("unix:///tmp/a@b%20c", "unix:///tmp/a@b%20c"),
        ("unix://localhost:2379", "unix://localhost:2379"),  # etcd takes it for a file in its working directory
    ],
)
def test_endpoints_that_are_well_formed(given, meant):
    assert str(parse_endpoint(given)) == meant
    assert str(parse_endpoint(meant)) == meant


@pytest.mark.parametrize(
    "given",
    [
        *("", "http://", "https://:2379", ":2379", "//etcd1:2379", "ftp://etcd1", "etcd1:http", "etcd1:", "etcd1:0"),
        *("etcd1:65536", "etcd1:-1", "http://etcd1:2379/v3", "http://etcd1?x=1", "http://etcd1#x", "etcd 1", "et\ncd"),
        *(
            "http://etcd1?",
            "etcd1#",
            "unix://",
            "unix:///",
            "unix:///tmp/a\tb",
            "unix:///tmp/a\0",
            "et\x7fcd",
            "et\x85cd",
        ),
        *(
            "http://etcd..example",
            "http://-etcd1",
            "etcd." + "a" * 64,
            "http://10.0.0.256:2379",
            "http://[1::2::3]:2379",
        ),
        *("http://[v1.a]:1", "http://[etcd1]:1", "http://[10.0.0.1]", "http://etcd[::1]:1", "http://[::1]etcd:1"),
        *(
            "::1",
            "2001:db8::1",
            "[::1",
            "http://[nonsense]:2379",
            "http://etcd1:2379:2379",
            "{{ host }}",
            "http;//etcd1",
        ),
    ],
)
def test_a_malformed_endpoint_is_named(given):
    with pytest.raises(InvalidSettings) as failure:
        parse_endpoint(given)
    assert repr(given.strip()) in str(failure.value)
    assert "http://host:2379" in str(failure.value)


@pytest.mark.parametrize(
    "password", ["sekret9", "sek@ret", "sek/ret", "sek,ret", "sek\tret", "sek[ret", "sek#ret?", "9:sek"]
)
@pytest.mark.parametrize("form", ["http://root:{}@etcd1:2379", "root:{}@etcd1", "a,https://root:{}@[::1]:port", "{}@"])
def test_credentials_in_an_endpoint_are_refused_and_not_shown(form, password):
    for given in (form.format(password), [form.format(password)]):
        with pytest.raises(InvalidSettings, match="endpoints: expected URLs without credentials") as failure:
            parse_endpoints(given)
        assert not any(part in repr(failure.value) for part in ("sek", "ret"))
    with pytest.raises(InvalidSettings, match="endpoints: expected URLs without credentials"):
        parse_endpoint("http://root:secret@etcd1:2379")


def test_lists_and_strings_with_commas_are_read_once_each():
    expected = ["http://a:2379", "http://b:1"]
    assert [str(one) for one in parse_endpoints("a,b:1, a:2379")] == expected
    assert [str(one) for one in parse_endpoints(["a", "b:1,a"])] == expected


@pytest.mark.parametrize("given", ["", " , ", [], [""]])
def test_no_endpoint_at_all_is_an_error(given):
    with pytest.raises(InvalidSettings, match="endpoints: expected at least one URL"):
        parse_endpoints(given)


@pytest.mark.parametrize("given", ["a,,b", ["a", ""]])
def test_a_hole_in_the_list_is_an_error(given):
    with pytest.raises(InvalidSettings):
        parse_endpoints(given)


def test_without_scheme_tls_files_mean_https():
    options = {"endpoints": "etcd1", "ca_cert": "/ca.pem"}
    assert str(Settings.from_mapping(options).endpoints[0]) == "https://etcd1:2379"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"user": "web"}, "user, password: expected both or neither"),
        ({"password": "x"}, "user, password: expected both or neither"),
        ({"client_cert": "/c.pem"}, "client_cert, client_key: expected both or neither"),
        ({"client_key": "/k.pem"}, "client_cert, client_key: expected both or neither"),
        ({"timeout": 0}, "timeout: expected more than 0"),
        ({"timeout": -1}, "timeout: expected more than 0"),
        ({"timeout": "9" * 100_000}, "timeout: expected seconds or a duration such as 5s or 1m30s, got '9{40}'"),
        ({"timeout": "nan"}, "timeout: expected more than 0"),
        ({"timeout": "inf"}, "timeout: expected more than 0"),
        ({"timeout": "soon"}, "'soon'"),
        ({"timeout": "5s5"}, "'5s5'"),
        ({"discovery_srv": "example.com"}, "endpoints, discovery_srv: expected exactly one"),
    ],
)
def test_settings_that_cannot_work_are_refused(options, words):
    with pytest.raises(InvalidSettings, match=words):
        Settings.from_mapping({"endpoints": "etcd1", **options})


@pytest.mark.parametrize(("given", "seconds"), [(5, 5), ("5", 5), ("500ms", 0.5), ("1m30s", 90), ("1.5s", 1.5)])
def test_timeouts_are_seconds_or_durations(given, seconds):
    assert Settings.from_mapping({"endpoints": "etcd1", "timeout": given}).timeout == seconds


def test_user_and_password_in_one_as_etcdctl_has_it():
    settings = Settings.from_mapping({"endpoints": "etcd1", "user": "web:pass:word"})
    assert (settings.user, settings.password) == ("web", "pass:word")
    assert "pass:word" not in repr(settings)
    settings = Settings.from_mapping({"endpoints": "etcd1", "user": "web:sekret9", "password": "other"})
    assert (settings.user, settings.password) == ("web", "other")
    assert "sekret9" not in repr(settings)


def test_of_what_says_where_etcd_is_the_nearest_counts():
    distances = {"endpoints": 2, "discovery_srv": 1, "host": 0, "port": 0, "user": 3}
    given = {"endpoints": ["a"], "discovery_srv": "example.com", "user": "web"}
    assert nearest(given, distances.get) == {**given, "endpoints": None}
    assert nearest({**given, "port": 1}, distances.get) == {
        "endpoints": None,
        "discovery_srv": None,
        "user": "web",
        "port": 1,
    }
    empty = {**given, "discovery_srv": ""}
    assert nearest(empty, distances.get) == {**empty, "endpoints": None}
    assert nearest({**given, "endpoints": []}, distances.get) == {**given, "endpoints": None}
    assert nearest(given, lambda name: 1) == given
    assert nearest({"user": "web"}, distances.get) == {"user": "web"}


@pytest.mark.parametrize("option", ["ca_cert", "client_cert"])
@pytest.mark.parametrize("content", [None, "this is no certificate"])
def test_a_tls_file_that_cannot_be_used_is_named(connect, tmp_path, authority, option, content):
    path = tmp_path / "file.pem"
    if content:
        path.write_text(content)
    options = {option: str(path)}
    if option == "client_cert":
        options["client_key"] = str(authority.client().key)
    with pytest.raises(InvalidSettings) as failure:
        connect(endpoints=["https://127.0.0.1:1"], **options).get("/key")
    assert str(path) in str(failure.value)


NAMES = [
    "endpoints",
    "host",
    "discovery_srv",
    "ca_cert",
    "client_cert",
    "client_key",
    "user",
    "password",
    "tls_server_name",
    "timeout",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("empty", ["", " ", [], [""], ["", " "]])
def test_option_that_is_given_and_empty_is_an_error(name, empty):
    with pytest.raises(InvalidSettings, match=f"{name}: expected a value, got an empty one"):
        Settings.from_mapping({name: empty})


def test_option_that_is_not_given_has_a_default():
    assert str(Settings.from_mapping(dict.fromkeys(NAMES)).endpoints[0]) == "http://127.0.0.1:2379"


def test_port_zero_is_no_default():
    with pytest.raises(InvalidSettings, match="etcd endpoint: expected"):
        Settings.from_mapping({"port": 0})


def test_empty_endpoints_of_a_task_do_not_give_way_to_the_environment():
    near = nearest({"endpoints": [], "discovery_srv": "example.com"}, lambda name: int(name == "discovery_srv"))
    assert near == {"endpoints": [], "discovery_srv": None}


@pytest.mark.parametrize(
    "options",
    [
        {"ca_cert": "/nonexistent"},
        {"client_cert": "/c.pem", "client_key": "/k.pem"},
        {"tls_server_name": "etcd"},
    ],
)
@pytest.mark.parametrize("endpoint", ["http://a:2379", "unix:///run/etcd.sock"])
def test_tls_options_with_a_plain_endpoint_contradict_each_other(options, endpoint):
    with pytest.raises(InvalidSettings, match=f"since TLS options are set, got {endpoint}"):
        Settings.from_mapping({"endpoints": ["https://b:2379", endpoint], **options})
    assert Settings.from_mapping({"endpoints": "b", **options}).endpoints[0].scheme == "https"


@pytest.mark.parametrize("where", [{"endpoints": "https://a"}, {"discovery_srv": "example.com"}])
def test_certificates_that_are_not_verified_are_a_warning(where):
    assert "validate_certs is false" in Settings.from_mapping({**where, "validate_certs": False}).warning
    assert Settings.from_mapping(where).warning == ""


def test_plain_endpoints_have_no_certificate_to_warn_of():
    assert Settings.from_mapping({"endpoints": "http://a", "validate_certs": False}).warning == ""


@pytest.mark.parametrize(
    ("given", "meant"), [("true", True), ("1", True), ("false", False), (None, False), (True, True)]
)
def test_insecure_discovery_is_read_as_etcdctl_reads_it(given, meant):
    settings = Settings.from_mapping({"discovery_srv": "example.com", "discovery_srv_insecure": given})
    assert settings.discovery_srv_insecure is meant


def test_insecure_discovery_that_is_neither_true_nor_false_is_an_error():
    with pytest.raises(InvalidSettings, match="discovery_srv_insecure: expected true or false, got 'maybe'"):
        Settings.from_mapping({"discovery_srv": "example.com", "discovery_srv_insecure": "maybe"})
