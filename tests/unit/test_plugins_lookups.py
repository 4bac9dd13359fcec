# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookups, loaded by Ansible's own loader, on an etcd in this process."""

from __future__ import annotations

import json

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader, lookup_loader
from ansible.template import Templar, trust_as_template
from ansible.utils.collection_loader import AnsibleCollectionConfig

from tests.support.fake_etcd import FakeEtcd
from tests.support.inventory import trusted_texts

DOCUMENT = {"v": 1, "id": "a", "services": {"web": {"port": 80}}, "tags": ["ssd"], "meta": {"x": "{{ 1 + 1 }}"}}


@pytest.fixture
def lookup(fake_etcd):
    """`lookup("etcd", "/key", option=…)`, connected to the fake unless `endpoints` says otherwise."""
    if AnsibleCollectionConfig.collection_finder is None:
        init_plugin_loader()

    def run(name, /, *terms, variables=None, **options):
        templar = Templar(loader=DataLoader(), variables=variables or {})
        plugin = lookup_loader.get(f"rollcall.discovery.{name}", loader=templar._loader, templar=templar)
        if not variables:
            options.setdefault("endpoints", [fake_etcd.endpoint])
        return plugin.run(list(terms), variables=variables or {}, **options)

    return run


@pytest.fixture
def app(fake_etcd):
    for key, value in {"colour": "green", "size": "7", "empty": "", "template": "{{ 1 + 1 }}"}.items():
        fake_etcd.put(f"/app/{key}", value)
    return fake_etcd


def test_items_are_the_default_in_the_order_of_the_terms(lookup, app):
    assert lookup("etcd", "/app/size", "/app/colour") == [
        {"key": "/app/size", "value": "7"},
        {"key": "/app/colour", "value": "green"},
    ]


def test_one_key_is_a_list_of_one_item_too(lookup, app):
    assert lookup("etcd", "/app/empty") == [{"key": "/app/empty", "value": ""}]


def test_values_and_a_dictionary(lookup, app):
    terms = ("/app/colour", "/app/size")
    assert lookup("etcd", *terms, **{"return": "value"}) == ["green", "7"]
    assert lookup("etcd", *terms, **{"return": "dict"}) == [{"/app/colour": "green", "/app/size": "7"}]


def test_a_prefix_gives_every_key_once_in_their_order(lookup, app):
    keys = ["/app/colour", "/app/empty", "/app/size", "/app/template"]
    assert [item["key"] for item in lookup("etcd", "/app/", "/app/s", prefix=True)] == keys
    assert lookup("etcd", "/nothing/", prefix=True) == []


def test_a_missing_key_is_an_error_that_names_it_and_the_endpoint(lookup, app):
    with pytest.raises(AnsibleError, match=f"etcd at {app.endpoint} has no key /app/colr"):
        lookup("etcd", "/app/colour", "/app/colr")


@pytest.mark.parametrize("default", ["blue", None, "", 0])
def test_a_default_takes_the_place_of_what_is_missing_whatever_it_is(lookup, app, default):
    assert lookup("etcd", "/app/colour", "/nope", default=default, **{"return": "value"}) == ["green", default]


def test_many_keys_cost_one_connection_and_few_requests_and_are_of_one_revision(lookup, app):
    for number in range(300):
        app.put(f"/many/{number}", str(number))
    terms = [f"/many/{number}" for number in range(300)]
    assert lookup("etcd", *terms, **{"return": "value"}) == [str(number) for number in range(300)]
    assert (app.connections, app.counts) == (1, {"/v3/kv/txn": 3})
    asked = [operation["request_range"] for request in app.received for operation in request.body["success"]]
    assert {int(body["revision"]) for body in asked[128:]} == {app.revision}


# What anybody may have written, as text
HOSTILE = [
    "",
    " ",
    "{{ 1 + 1 }}",
    "{% for %}",
    "!unsafe x",
    "a\nb",
    "\0",
    "\x1b[2J",
    "\u202e",
    "\udcff\udc80",
    "{" * 500,
]


@pytest.mark.parametrize("value", HOSTILE)
def test_any_value_is_given_as_it_is_and_is_no_template(lookup, app, value):
    app.put("/app/hostile", value)
    found = {form: lookup("etcd", "/app/hostile", **{"return": form})[0] for form in ("item", "value", "dict", "kv")}
    assert found["value"] == found["item"]["value"] == found["dict"]["/app/hostile"] == found["kv"]["value"] == value
    assert not list(trusted_texts(found))


def test_a_list_among_the_terms_stands_for_its_items(lookup, app):
    assert lookup("etcd", ["/app/size", "/app/colour"], "/app/empty", **{"return": "value"}) == ["7", "green", ""]
    assert lookup("etcd", []) == []
    assert lookup("etcd", [], **{"return": "dict"}) == [{}]


@pytest.mark.parametrize("term", ["", None, 5, {"key": "/app/size"}, ["/app/size", ""]])
def test_a_term_that_cannot_be_a_key_is_refused_before_anything_is_asked(lookup, app, term):
    with pytest.raises(AnsibleError, match="A key of etcd: expected text that is not empty"):
        lookup("etcd", term)
    assert not app.received


def test_a_prefix_that_is_no_text_is_refused(lookup, app):
    with pytest.raises(AnsibleError, match="A key of etcd: expected text, got 5"):
        lookup("etcd", 5, prefix=True)


def test_an_empty_prefix_is_all_of_etcd(lookup, app):
    app.put("elsewhere", "x")
    assert len(lookup("etcd", "", prefix=True)) == 5


def test_many_prefixes_cost_one_request(lookup, app):
    prefixes = [f"/app/{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    assert lookup("etcd", *prefixes, prefix=True, **{"return": "value"}) == ["green", "", "7", "{{ 1 + 1 }}"]
    assert (app.connections, app.counts) == (1, {"/v3/kv/txn": 1})


def test_all_about_a_key(lookup, app):
    [found] = lookup("etcd", "/app/colour", **{"return": "kv"})
    assert (found["key"], found["value"], found["version"], found["lease"]) == ("/app/colour", "green", 1, 0)
    assert found["mod_revision"] == found["create_revision"] > 0
    [absent] = lookup("etcd", "/nope", default="x", **{"return": "kv"})
    assert (absent["value"], absent["mod_revision"]) == ("x", 0)


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_values_are_decoded_where_that_is_asked_for(lookup, app, form):
    app.put("/data/a", '{"size": 7, "name": "{{ 1 + 1 }}"}')
    app.put("/data/b", "[true, null]")
    found = lookup("etcd", "/data/", prefix=True, decode=form, **{"return": "value"})
    assert found == [{"size": 7, "name": "{{ 1 + 1 }}"}, [True, None]]
    assert not list(trusted_texts(found))
    assert lookup("etcd", "/nope", default="{not: json", decode=form, **{"return": "value"}) == ["{not: json"]


def test_a_value_that_cannot_be_decoded_is_an_error_that_names_the_key(lookup, app):
    with pytest.raises(AnsibleError, match="The value of /app/colour in etcd cannot be decoded as json: Expecting"):
        lookup("etcd", "/app/size", "/app/colour", decode="json", default=1)


def test_a_past_revision(lookup, app):
    then = app.revision
    app.put("/app/colour", "blue")
    app.put("/app/new", "x")
    assert lookup("etcd", "/app/colour", revision=then, **{"return": "value"}) == ["green"]
    assert len(lookup("etcd", "/app/", prefix=True, revision=then)) == 4
    with pytest.raises(AnsibleError, match="has no key /app/new"):
        lookup("etcd", "/app/new", revision=then)
    with pytest.raises(AnsibleError, match="future revision"):
        lookup("etcd", "/app/new", revision=then + 1000)
    app.compact()
    with pytest.raises(AnsibleError, match="compacted.*read a later one"):
        lookup("etcd", "/app/colour", revision=then)


def test_what_cannot_be_had_may_be_a_warning(lookup, app, capsys):
    terms = ("/app/size", "/app/colour", "/nope", "/nope2")
    assert lookup("etcd", *terms, decode="json", on_error="warn") == [{"key": "/app/size", "value": 7}]
    warned = " ".join(capsys.readouterr().err.split())
    assert f"etcd at {app.endpoint} has no key /nope (and 1 more of those asked for)" in warned
    assert "The value of /app/colour in etcd cannot be decoded" in warned
    assert lookup("etcd", *terms, decode="json", on_error="ignore", default=0, **{"return": "value"}) == [7, 0, 0, 0]
    assert lookup("etcd", "/app/c", prefix=True, decode="json", on_error="ignore") == []
    assert not capsys.readouterr().err


def test_an_etcd_that_is_away_may_be_a_warning_and_a_default(lookup, app, capsys):
    app.stop()
    assert lookup("etcd", "/a", "/b", default="x", on_error="warn", **{"return": "value"}) == ["x", "x"]
    warned = capsys.readouterr().err
    assert "no etcd endpoint answered" in " ".join(warned.split())
    assert "has no key" not in warned
    assert lookup("etcd", "/a", on_error="ignore") == lookup("etcd", "/a", prefix=True, on_error="ignore") == []
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"endpoints": ["http://bad url"]}, "etcd endpoint: expected"),
        ({"timeout": "soon"}, "timeout"),
        ({"user": "root"}, "password"),
    ],
)
def test_options_that_cannot_work_are_always_an_error(lookup, app, options, words):
    with pytest.raises(AnsibleError, match=words):
        lookup("etcd", "/a", on_error="ignore", default="x", **options)


@pytest.fixture
def partly(app):
    """Its user `reader` may read what is under /app/, and nothing else."""
    app.put("/secret/b", "s3cret")
    app.require_auth(root="pw", reader="pw")
    app.permit("reader", "/app/", "read")
    return app


def login(**options):
    return {"user": "reader", "password": "pw", **options}


@pytest.mark.parametrize("on_error", ["warn", "ignore"])
def test_a_key_that_may_not_be_read_does_not_take_others_with_it(lookup, partly, capsys, on_error):
    terms = ("/app/colour", "/secret/b", "/app/size", "/app/nope")
    found = lookup("etcd", *terms, on_error=on_error, default="x", **login(**{"return": "value"}))
    assert found == ["green", "x", "7", "x"]
    assert ("Reading /secret/b failed" in " ".join(capsys.readouterr().err.split())) == (on_error == "warn")


def test_the_error_names_the_key_that_may_not_be_read(lookup, partly):
    with pytest.raises(AnsibleError, match="^Reading /secret/b failed.*permission denied(?!.*more errors)"):
        lookup("etcd", "/app/colour", "/secret/b", **login())
    with pytest.raises(AnsibleError, match="^Reading /secret/b failed.*1 more errors of this kind"):
        lookup("etcd", "/secret/b", "/secret/b", "/secret/c", **login())


def test_nor_does_a_prefix_that_may_not_be_read(lookup, partly):
    found = lookup("etcd", "/app/c", "/secret/", "/app/s", prefix=True, on_error="ignore", **login())
    assert [item["key"] for item in found] == ["/app/colour", "/app/size"]


@pytest.mark.parametrize("prefix", [False, True])
def test_keys_that_are_asked_for_one_by_one_are_of_one_revision(lookup, partly, prefix):
    lookup("etcd", "/secret/b", "/app/colour", "/app/size", prefix=prefix, on_error="ignore", **login())
    _batch, _denied, first, second = [r.body for r in partly.received if r.path.startswith("/v3/kv/")]
    assert (int(first.get("revision", 0)), int(second["revision"])) == (0, partly.revision)


def test_one_key_that_may_not_be_read_is_asked_for_once(lookup, partly):
    assert lookup("etcd", "/secret/b", on_error="ignore", default="x", **login(**{"return": "value"})) == ["x"]
    assert partly.count("/v3/kv") == 1


@pytest.mark.parametrize("revision", [-1, "-7"])
def test_a_revision_before_the_first_is_refused_before_anything_is_asked(lookup, app, revision):
    with pytest.raises(AnsibleError, match=f"revision is {revision}: it must be one of etcd's, or 0 for now"):
        lookup("etcd", "/app/colour", revision=revision, on_error="ignore")
    assert not app.received


@pytest.mark.parametrize("name", ["etcd", "nodes"])
def test_lookups_share_a_connection_and_a_login(lookup, nodes, name):
    nodes.require_auth(root="pw")
    for _call in range(20):
        lookup(name, *(["/infrastructure/web/web1/ip"] if name == "etcd" else []), user="root", password="pw")
    assert (nodes.connections, nodes.authentications) == (1, 1)


def test_an_option_that_is_none_is_refused_before_anything_is_asked(lookup, app):
    with pytest.raises(AnsibleError, match="Unknown option 'endpoint'; did you mean 'endpoints'"):
        lookup("etcd", "/app/colour", endpoint="http://elsewhere")
    assert not app.received


@pytest.mark.parametrize("name", ["etcd", "nodes"])
def test_an_etcd_that_cannot_be_reached_is_never_an_empty_answer(lookup, app, name):
    app.stop()
    with pytest.raises(AnsibleError, match="no etcd endpoint answered"):
        lookup(name, "/app/", **({"prefix": True} if name == "etcd" else {}))


def test_the_connection_may_come_from_variables_that_are_templates(lookup, app):
    port = app.endpoint.rpartition(":")[2]
    endpoints = trust_as_template("{{ ['127.0.0.1'] | map('regex_replace', '$', ':' ~ port) | list }}")
    variables = {"port": port, "rollcall_etcd_endpoints": endpoints}
    assert lookup("etcd", "/app/size", variables=variables) == [{"key": "/app/size", "value": "7"}]


def test_the_environment_is_the_last_resort(lookup, app, monkeypatch):
    monkeypatch.setenv("ETCDCTL_ENDPOINTS", app.endpoint)
    assert lookup("etcd", "/app/size", endpoints=None) == [{"key": "/app/size", "value": "7"}]


@pytest.mark.parametrize("names", [("ca_cert", "client_cert", "client_key"), ("ca_path", "cert_cert", "cert_key")])
def test_options_have_the_names_that_users_of_other_lookups_know(lookup, authority, names):
    own, server = authority.client(), authority.server()
    files = dict(zip(names, map(str, (authority.ca_cert, *own)), strict=True))
    with FakeEtcd(cert=server.cert, key=server.key, client_ca=authority.ca_cert) as fake:
        fake.put("/a", "x")
        endpoint = fake.endpoint.removeprefix("https://")  # a certificate makes it https, as in etcdctl
        assert lookup("etcd", "/a", endpoints=endpoint, **files) == [{"key": "/a", "value": "x"}]


@pytest.fixture
def nodes(fake_etcd):
    fake_etcd.put("/infrastructure/web/web1/ip", "10.0.0.1")
    fake_etcd.put("/infrastructure/web/web1/node", json.dumps(DOCUMENT))
    fake_etcd.put("/infrastructure/web/web2/ip", "10.0.0.2")
    fake_etcd.put("/infrastructure/web/web2/health", "critical")
    fake_etcd.put("/infrastructure/lb/lb1/ip", "10.0.0.3")
    fake_etcd.put("/rollcall/infrastructure/maintenance/lb/lb1", '{"by":"me"}')
    return fake_etcd


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({}, ["lb1", "web1", "web2"]),
        ({"role": "web"}, ["web1", "web2"]),
        ({"role": ["web", "lb"], "health": "critical"}, ["web2"]),
        ({"service": "web"}, ["web1"]),
        ({"tag": "ssd"}, ["web1"]),
        ({"maintenance": True}, ["lb1"]),
        ({"maintenance": False, "health": "passing"}, ["web1"]),
        ({"name": ["web2", "unknown"]}, ["web2"]),
        ({"role": "none-such"}, []),
    ],
)
def test_nodes_that_pass_the_filters(lookup, nodes, filters, names):
    assert [node["name"] for node in lookup("nodes", **filters)] == names


def test_a_node_has_the_same_fields_as_everywhere_and_no_template(lookup, nodes):
    [node] = lookup("nodes", "web1")
    assert node["address"] == "10.0.0.1"
    assert node["services"]["web"]["port"] == 80
    assert node["meta"] == {"x": "{{ 1 + 1 }}"}
    assert not list(trusted_texts(node))


def test_a_node_that_is_asked_for_by_name_must_be_there(lookup, nodes):
    with pytest.raises(AnsibleError, match="No node 'web9' is registered"):
        lookup("nodes", "web1", "web9")


def test_names_of_nodes_may_be_a_list(lookup, nodes):
    names = [node["name"] for node in lookup("nodes", ["web2", "lb1"], "web1")]
    assert names == ["lb1", "web1", "web2"]
    assert lookup("nodes", []) == []
    with pytest.raises(AnsibleError, match="No node 'web9' is registered"):
        lookup("nodes", ["web1", "web9"])


@pytest.mark.parametrize("term", ["", 5, None, {"name": "web1"}, ["web1", 5]])
def test_what_cannot_be_the_name_of_a_node_is_refused_before_anything_is_asked(lookup, nodes, term):
    with pytest.raises(AnsibleError, match="The name of a node: expected text that is not empty, got "):
        lookup("nodes", term)
    assert not nodes.received


def test_a_health_that_there_is_not_is_an_error(lookup, nodes):
    with pytest.raises(AnsibleError, match="health"):
        lookup("nodes", health="pasing")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ([["web"]], " must be a list of texts"),
        ([{"a": 1}], " must be a list of texts"),
        ([None], ": expected a list of strings, got None"),
        (["web", ""], ": expected a list of strings, got ''"),
    ],
)
def test_a_filter_that_is_no_text_does_not_match_nobody(lookup, nodes, given, problem):
    with pytest.raises(AnsibleError, match=f"service{problem}"):
        lookup("nodes", service=given)


def test_a_filter_may_be_a_number_as_in_the_modules(lookup, fake_etcd):
    fake_etcd.put("/infrastructure/web/5/ip", "10.0.0.5")
    assert [node["name"] for node in lookup("nodes", name=[5])] == ["5"]


@pytest.mark.parametrize(
    ("name", "terms", "options"),
    [
        ("etcd", ["/app/\ud800"], {}),
        ("etcd", ["/app/\ud800"], {"prefix": True}),
        ("nodes", [], {"prefix": "/\ud800"}),
        ("nodes", [], {"state_prefix": "/\ud800"}),
    ],
)
def test_half_of_a_character_is_no_key(lookup, nodes, name, terms, options):
    with pytest.raises(AnsibleError, match="contains half of a surrogate pair"):
        lookup(name, *terms, **options)


def test_no_node_at_all_is_an_error_unless_declared(lookup, fake_etcd):
    with pytest.raises(AnsibleError, match="allow_empty"):
        lookup("nodes")
    assert lookup("nodes", allow_empty=True) == []


def test_a_bad_node_is_left_out_with_a_warning(lookup, nodes, capsys):
    nodes.put("/infrastructure/web/web3/ip", "?")
    assert len(lookup("nodes")) == 3
    assert "rejected: 'web/web3'" in " ".join(capsys.readouterr().err.split())


def test_a_node_without_a_lease_is_rejected_and_marked_where_it_is_allowed(lookup, fake_etcd, capsys):
    fake_etcd.put("/infrastructure/web/web1/ip", "10.0.0.1")
    fake_etcd.put("/infrastructure/web/stale/ip", "10.0.0.66", 0)
    assert [node["name"] for node in lookup("nodes")] == ["web1"]
    printed = " ".join(capsys.readouterr().err.split())
    assert "the key /infrastructure/web/stale/ip has no lease" in printed
    assert "allow_unleased" in printed
    assert [(node["name"], node["lease"] > 0) for node in lookup("nodes", allow_unleased=True)] == [
        ("stale", False),
        ("web1", True),
    ]


@pytest.mark.parametrize("decode", ["json", "yaml"])
def test_a_value_with_a_key_that_ansible_reserves_is_an_error_that_names_it(lookup, fake_etcd, decode):
    fake_etcd.put("/app/a", '{"x": [{"__ansible_unsafe": "y"}]}')
    with pytest.raises(AnsibleError, match="value of /app/a in etcd .*'__ansible_unsafe', which Ansible reserves"):
        lookup("etcd", "/app/a", decode=decode)
    assert lookup("etcd", "/app/a", **{"return": "value"}) == ['{"x": [{"__ansible_unsafe": "y"}]}']


def test_a_key_of_etcd_with_a_reserved_name_is_none_of_a_dictionary(lookup, fake_etcd):
    fake_etcd.put("__ansible_unsafe", "y")
    with pytest.raises(AnsibleError, match="The key __ansible_unsafe of etcd"):
        lookup("etcd", "__ansible_unsafe", **{"return": "dict"})


@pytest.mark.parametrize("name", ["etcd", "nodes", "certificate", "runtime"])
def test_terms_given_by_name_are_an_error(lookup, app, tmp_path, name):
    options = {} if name != "certificate" else {"directory": str(tmp_path / "tls")}
    with pytest.raises(AnsibleError, match="_terms is no option"):
        lookup(name, _terms=["/app/colour"], variables={"x": 1}, **options)
    assert not list(tmp_path.iterdir())


# What each lookup that needs a term requires besides
NEEDED = {
    "etcd": {},
    "etcd_archive": {"checksum": f"sha256:{'0' * 64}"},
    "etcd_version": {},
    "fingerprints": {},
    "unknown_options": {},
    "certificate": {"directory": "/nowhere"},
    "password": {"directory": "/nowhere"},
}


@pytest.mark.parametrize("name", NEEDED)
def test_no_term_at_all_is_an_error(lookup, app, name):
    with pytest.raises(AnsibleError, match="no term was given"):
        lookup(name, variables={"x": 1}, **NEEDED[name])


@pytest.mark.parametrize("name", NEEDED)
def test_a_term_that_is_no_text_is_an_error(lookup, app, name):
    for term in (None, 5, {"a": 1}):
        with pytest.raises(AnsibleError, match="expected text"):
            lookup(name, term, variables={"x": 1}, **NEEDED[name])


@pytest.mark.parametrize("name", ["certificate", "password"])
def test_an_empty_path_is_not_the_working_directory(lookup, name):
    with pytest.raises(AnsibleError, match="directory: expected a path, got an empty one"):
        lookup(name, "root", variables={"x": 1}, directory="")


def test_an_unknown_option_of_a_lookup_without_options_is_an_error(lookup):
    with pytest.raises(AnsibleError, match="Unknown option 'colour'"):
        lookup("runtime", variables={"x": 1}, colour="green")
