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


def test_a_template_in_a_value_stays_text(lookup, app):
    [item] = lookup("etcd", "/app/template")
    assert item["value"] == "{{ 1 + 1 }}"
    assert not list(trusted_texts(item))


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


def test_a_health_that_there_is_not_is_an_error(lookup, nodes):
    with pytest.raises(AnsibleError, match="health"):
        lookup("nodes", health="pasing")


def test_no_node_at_all_is_an_error_unless_declared(lookup, fake_etcd):
    with pytest.raises(AnsibleError, match="allow_empty"):
        lookup("nodes")
    assert lookup("nodes", allow_empty=True) == []


def test_a_bad_node_is_left_out_with_a_warning(lookup, nodes, capsys):
    nodes.put("/infrastructure/web/web3/ip", "?")
    assert len(lookup("nodes")) == 3
    assert "left out: 'web/web3'" in " ".join(capsys.readouterr().err.split())
