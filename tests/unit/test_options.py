# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of options: what follows from it, where values come from, which names are taken."""

from __future__ import annotations

import ast
import itertools
from pathlib import Path

import pytest
import yaml
from ansible import constants
from ansible.config.manager import ConfigManager
from ansible.plugins import AnsiblePlugin

from ansible_collections.rollcall.discovery.plugins.doc_fragments import etcd, filters, registry
from ansible_collections.rollcall.discovery.plugins.module_utils import _options
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import InvalidSettings
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.errors import InvalidLayout, InvalidNode
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.model import Node
from ansible_collections.rollcall.discovery.plugins.plugin_utils import _plugin

ROOT = Path(__file__).parents[2]
TABLES = {
    "etcd": _options.CONNECTION,
    "registry": _options.REGISTRY,
    "reading": _options.READING,
    "filters": _options.FILTERS,
}

# Inventory variables: a role option or a plugin's variable of such a name would be overridden by what a node says.
CLOSED_LIST = {f"rollcall_{field}" for field in Node("", "web", "web1", "10.0.0.1").public()}


def test_the_closed_list_is_that_of_the_design():
    words = "name role roles dc address health services tags meta checks maintenance"
    assert {f"rollcall_{word}" for word in words.split()} == CLOSED_LIST


@pytest.mark.parametrize("fragment", [etcd, registry, filters], ids=lambda module: module.__name__.rpartition(".")[2])
def test_a_fragment_documents_just_the_options_of_its_table(fragment):
    name = fragment.__name__.rpartition(".")[2]
    spec = _options.argument_spec(TABLES[name])
    documented = yaml.safe_load(fragment.ModuleDocFragment.DOCUMENTATION)["options"]
    assert list(documented) == list(spec)
    for option, argument in spec.items():
        described = dict(documented[option])
        assert all(sentence.endswith(".") for sentence in described.pop("description"))
        assert described == {key: value for key, value in argument.items() if key != "no_log"}


def test_plugins_read_what_is_ambient_from_everywhere():
    plugins = yaml.safe_load(etcd.ModuleDocFragment.PLUGINS)["options"]
    assert plugins["ca_cert"]["env"] == [{"name": "ETCDCTL_CACERT"}, {"name": "ANSIBLE_ROLLCALL_CA_CERT"}]
    assert plugins["ca_cert"]["ini"] == [{"section": "rollcall", "key": "ca_cert"}]
    assert plugins["ca_cert"]["vars"] == [{"name": "rollcall_etcd_ca_cert"}]
    assert not {"env", "ini", "vars"} & plugins["host"].keys()


def test_the_password_is_hidden_and_not_read_from_a_shared_file():
    assert _options.argument_spec(_options.CONNECTION)["password"]["no_log"] is True
    assert [name for name, option in _options.CONNECTION.items() if option.secret] == ["password"]
    assert "ini" not in yaml.safe_load(etcd.ModuleDocFragment.PLUGINS)["options"]["password"]


class Probe(AnsiblePlugin):
    """A plugin with the options of the connection, which Ansible itself finds in their documented sources."""

    plugin_type = "lookup"
    ansible_name = _load_name = "probe"


@pytest.fixture
def found(tmp_path, monkeypatch):
    """`found(ini, variables, direct)`: the options that such a plugin has; the environment is the process's own."""

    def find(ini="", variables=None, direct=None):
        config = tmp_path / "ansible.cfg"
        config.write_text(ini)
        manager = ConfigManager(str(config))
        definitions = _options.documentation(_options.CONNECTION, ("env", "ini", "vars"))["options"]
        manager.initialize_plugin_configuration_definitions("lookup", "probe", definitions)
        monkeypatch.setattr(constants, "config", manager)
        plugin = Probe()
        plugin.set_options(var_options=variables or {}, direct=direct or {})
        return _plugin.options_of(plugin)

    return find


def test_nearer_sources_win(found, monkeypatch):
    ini = "[rollcall]\nendpoints = ini:1\n"
    assert found(ini)["endpoints"] == ["ini:1"]
    monkeypatch.setenv("ETCDCTL_ENDPOINTS", "etcdctl:1,etcdctl:2")
    assert found(ini)["endpoints"] == ["etcdctl:1", "etcdctl:2"]
    monkeypatch.setenv("ANSIBLE_ROLLCALL_ENDPOINTS", "ours:1")
    assert found(ini)["endpoints"] == ["ours:1"]
    variables = {"rollcall_etcd_endpoints": ["vars:1"]}
    assert found(ini, variables)["endpoints"] == ["vars:1"]
    assert found(ini, variables, {"endpoints": "task:1"})["endpoints"] == ["task:1"]


PLACES = ("direct", "variables", "ours", "etcdctl", "ini")
WAYS = {"endpoints": "etcd1", "discovery_srv": "example.com"}


@pytest.fixture
def put(monkeypatch):
    """`put(option, place, sources)`: give an option of WAYS in one of PLACES."""

    def give(option, place, sources):
        if place == "ours":
            monkeypatch.setenv(f"ANSIBLE_ROLLCALL_{option.upper()}", WAYS[option])
        elif place == "etcdctl":
            monkeypatch.setenv(_options.ETCDCTL[option], WAYS[option])
        elif place == "ini":
            sources["ini"] = sources.get("ini", "[rollcall]\n") + f"{option} = {WAYS[option]}\n"
        else:
            name = option if place == "direct" else f"rollcall_etcd_{option}"
            sources.setdefault(place, {})[name] = WAYS[option]

    return give


@pytest.mark.parametrize(("near", "far"), list(itertools.combinations(PLACES, 2)))
@pytest.mark.parametrize("option", WAYS)
def test_of_the_ways_to_etcd_the_nearer_one_wins(found, put, option, near, far):
    (other,) = WAYS.keys() - {option}
    sources = {}
    put(option, near, sources)
    put(other, far, sources)
    settings = _options.settings(found(**sources))
    assert (bool(settings.endpoints), bool(settings.discovery_srv)) == (
        option == "endpoints",
        option == "discovery_srv",
    )


@pytest.mark.parametrize("place", PLACES)
def test_two_ways_to_etcd_from_the_same_place_are_an_error(found, put, place):
    sources = {}
    for option in WAYS:
        put(option, place, sources)
    with pytest.raises(InvalidSettings, match="endpoints, discovery_srv: expected exactly one"):
        _options.settings(found(**sources))


def test_a_host_in_the_task_takes_the_place_of_a_domain_elsewhere(found, monkeypatch):
    monkeypatch.setenv("ETCDCTL_DISCOVERY_SRV", "example.com")
    assert endpoints(**found(direct={"host": "etcd1"})) == ["http://etcd1:2379"]


def test_names_of_variables_and_of_the_environment_are_not_given_twice():
    options = [option for table in TABLES.values() for option in table.values()]
    for names in ([option.var for option in options], [option.etcdctl for option in options]):
        given = [name for name in names if name]
        assert len(given) == len(set(given))


def test_no_name_of_a_plugin_variable_is_an_inventory_variable():
    assert not CLOSED_LIST & {option.var for table in TABLES.values() for option in table.values()}
    for path in [path for kind in ("lookup", "inventory", "vars") for path in (ROOT / "plugins" / kind).glob("*.py")]:
        for option in documented_options(path).values():
            assert not CLOSED_LIST & {source["name"] for source in option.get("vars", [])}, path


def documented_options(path):
    for statement in ast.parse(path.read_text()).body:
        if isinstance(statement, ast.Assign) and getattr(statement.targets[0], "id", "") == "DOCUMENTATION":
            return yaml.safe_load(ast.literal_eval(statement.value)).get("options", {})
    return {}


def test_no_role_option_is_an_inventory_variable():
    for path in (ROOT / "roles").glob("*/meta/argument_specs.yml"):
        for entry in yaml.safe_load(path.read_text())["argument_specs"].values():
            assert not CLOSED_LIST & entry.get("options", {}).keys(), path


def endpoints(**options):
    return [str(endpoint) for endpoint in _options.settings(options).endpoints]


def test_host_and_port_take_the_place_of_endpoints():
    assert endpoints() == ["http://127.0.0.1:2379"]
    assert endpoints(endpoints=["a:1", "b:2"]) == ["http://a:1", "http://b:2"]
    assert endpoints(endpoints=["a:1", "b:2"], host="c") == ["http://c:2379"]
    assert endpoints(endpoints=["a:1"], port=7) == ["http://127.0.0.1:7"]
    assert endpoints(host="2001:db8::1", port=7) == ["http://[2001:db8::1]:7"]


def test_without_a_scheme_it_is_https_where_a_certificate_is_given():
    assert endpoints(endpoints=["a"], ca_cert="/ca.pem") == ["https://a:2379"]


@pytest.mark.parametrize("endpoint", ["http://", "ftp://a", "a:b", "http://a:2379/v3", "a:99999", "", "http://u:p@a"])
def test_a_malformed_endpoint_is_an_error_and_never_localhost(endpoint):
    with pytest.raises(InvalidSettings):
        _options.settings({"endpoints": [endpoint]})


def test_user_may_carry_the_password_as_in_etcdctl():
    settings = _options.settings({"user": "root:a:b"})
    assert (settings.user, settings.password) == ("root", "a:b")
    settings = _options.settings({"user": "root:a", "password": "b"})
    assert (settings.user, settings.password) == ("root", "b")
    with pytest.raises(InvalidSettings, match="user, password: expected both or neither"):
        _options.settings({"user": "root"})


@pytest.mark.parametrize(
    ("given", "seconds"), [(5, 5), ("2.5", 2.5), ("5s", 5), ("1m30s", 90), ("500ms", 0.5), ("1h", 3600), (".5s", 0.5)]
)
def test_a_timeout_is_seconds_or_a_duration(given, seconds):
    assert _options.settings({"timeout": given}).timeout == pytest.approx(seconds)


@pytest.mark.parametrize("given", ["soon", "5x", "s", "5s6", "", "nan", "inf", 0, "-1", "0s"])
def test_any_other_timeout_is_an_error(given):
    with pytest.raises(InvalidSettings, match="timeout(: expected| must be)"):
        _options.settings({"timeout": given})


def test_registry_options_become_a_layout_and_networks():
    options = {"prefix": "/infra", "layout": "{dc}/{role}/{name}", "state_prefix": None}
    layout = _options.layout(options)
    assert (layout.prefix, layout.layout, layout.state_prefix) == ("/infra/", "{dc}/{role}/{name}", "/rollcall/infra/")
    assert _options.allowed_networks(options) == ()
    assert [str(network) for network in _options.allowed_networks({"allowed_networks": ["10.0.0.0/8"]})] == [
        "10.0.0.0/8"
    ]
    with pytest.raises(InvalidLayout):
        _options.layout({**options, "prefix": "/"})
    with pytest.raises(InvalidNode, match="allowed_networks"):
        _options.allowed_networks({"allowed_networks": ["10.0.0.0/33"]})
