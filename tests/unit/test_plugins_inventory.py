# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory plugin, loaded and run by Ansible's own InventoryManager, on an etcd in this process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible.errors import AnsibleError

from ansible_collections.rollcall.discovery.plugins.plugin_utils import _plugin
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory import _reading
from tests.support.fake_etcd import Refuse
from tests.support.inventory import members, own_variables, read_inventory, write_config

DOCUMENT = {"v": 1, "id": "a", "services": {"web": {"port": 80}}, "tags": ["ssd"], "meta": {"env": "prod"}}


@pytest.fixture
def config(fake_etcd, tmp_path):
    """Writes a configuration for the fake."""

    def write(name="test.etcd.yml", **options):
        return write_config(tmp_path, name, **{"endpoints": [fake_etcd.endpoint], **options})

    return write


def register(etcd, place="web/web1", address="10.0.0.1", **leaves):
    etcd.put(f"/infrastructure/{place}/ip", address)
    for leaf, value in leaves.items():
        etcd.put(f"/infrastructure/{place}/{leaf}", value if isinstance(value, str) else json.dumps(value))


def test_a_node_becomes_a_host_with_variables_and_groups(fake_etcd, config):
    register(fake_etcd, node=DOCUMENT, health="warning")
    fake_etcd.put("/rollcall/infrastructure/maintenance/web/web1", '{"by":"me","reason":"disk"}')
    inventory = read_inventory(config())
    assert own_variables(inventory, "web1") == {
        "ansible_host": "10.0.0.1",
        "rollcall_name": "web1",
        "rollcall_role": "web",
        "rollcall_roles": ["web"],
        "rollcall_dc": "",
        "rollcall_address": "10.0.0.1",
        "rollcall_health": "warning",
        "rollcall_services": {"web": {"port": 80, "weight": 100, "tags": [], "meta": {}, "health": "warning"}},
        "rollcall_tags": ["ssd"],
        "rollcall_meta": {"env": "prod"},
        "rollcall_checks": {},
        "rollcall_maintenance": {"by": "me", "reason": "disk"},
    }
    for group in ("role_web", "service_web", "tag_ssd", "health_warning", "maintenance"):
        assert members(inventory, group) == ["web1"]


def test_everything_is_read_at_one_revision(fake_etcd, config):
    register(fake_etcd)
    read_inventory(config())
    first, second = [request.body for request in fake_etcd.received if request.path == "/v3/kv/range"]
    assert first.get("revision", 0) == 0
    assert second["revision"] == fake_etcd.revision


def test_constructed_options_work_as_with_every_plugin(fake_etcd, config):
    register(fake_etcd, node=DOCUMENT)
    register(fake_etcd, "db/db1", "10.0.0.2")
    inventory = read_inventory(
        config(
            strict=True,
            compose={"port": "rollcall_services.web.port | default(0)"},
            groups={"served": "port == 80"},
            keyed_groups=[{"key": "rollcall_meta.env | default('none')", "prefix": "env", "parent_group": "envs"}],
        )
    )
    assert {name: host.vars["port"] for name, host in inventory.hosts.items()} == {"web1": 80, "db1": 0}
    assert members(inventory, "served") == members(inventory, "env_prod") == ["web1"]
    assert members(inventory, "env_none") == ["db1"]
    assert {group.name for group in inventory.groups["envs"].child_groups} == {"env_prod", "env_none"}


def test_an_expression_that_fails_is_skipped_or_with_strict_an_error(fake_etcd, config, failure):
    register(fake_etcd)
    expression = {"compose": {"env": "rollcall_meta.env"}}
    assert "env" not in read_inventory(config(**expression)).hosts["web1"].vars
    assert "Could not set env for host web1" in failure(config(strict=True, **expression))


def test_variables_of_an_earlier_source_are_seen_by_expressions(fake_etcd, config, tmp_path):
    register(fake_etcd)
    earlier = tmp_path / "hosts.yml"
    earlier.write_text(json.dumps({"all": {"hosts": {"web1": {"colour": "green"}}}}))
    inventory = read_inventory(earlier, config(keyed_groups=[{"key": "colour", "prefix": "is"}]))
    assert members(inventory, "is_green") == ["web1"]


def test_data_centres_by_the_layout_of_the_file(fake_etcd, config):
    register(fake_etcd, "eu/web/web1")
    assert members(read_inventory(config(layout="{dc}/{role}/{name}")), "dc_eu") == ["web1"]


def test_another_prefix(fake_etcd, config):
    fake_etcd.put("/staging/web/web1/ip", "10.0.0.1")
    register(fake_etcd, "web/other")
    assert list(read_inventory(config(prefix="/staging")).hosts) == ["web1"]


def test_the_operator_may_use_templates_in_shared_options(fake_etcd, config, monkeypatch):
    register(fake_etcd)
    monkeypatch.setenv("WHERE_IS_ETCD", fake_etcd.endpoint)
    endpoints = "{{ lookup('ansible.builtin.env', 'WHERE_IS_ETCD') }}"
    assert list(read_inventory(config(endpoints=endpoints)).hosts) == ["web1"]


def test_templates_know_the_directory_of_the_file(fake_etcd, config):
    register(fake_etcd)
    path = config(endpoints="{{ lookup('ansible.builtin.file', inventory_dir ~ '/where') }}")
    Path(path).with_name("where").write_text(fake_etcd.endpoint)
    assert list(read_inventory(path).hosts) == ["web1"]


def test_the_environment_may_say_where_etcd_is(fake_etcd, config, monkeypatch):
    register(fake_etcd)
    monkeypatch.setenv("ETCDCTL_ENDPOINTS", fake_etcd.endpoint)
    assert list(read_inventory(config(endpoints=...)).hosts) == ["web1"]


def test_what_the_file_says_of_it_counts_more(fake_etcd, config, monkeypatch):
    register(fake_etcd)
    monkeypatch.setenv("ETCDCTL_DISCOVERY_SRV", "etcd.example.com")
    assert list(read_inventory(config()).hosts) == ["web1"]
    clusters = [{"name": "eu", "endpoints": [fake_etcd.endpoint]}]
    assert list(read_inventory(config(endpoints=..., clusters=clusters)).hosts) == ["web1"]


def test_bad_nodes_are_left_out_with_a_warning_each(fake_etcd, config, capsys):
    register(fake_etcd, "web/good")
    register(fake_etcd, "web/nowhere", "not-an-address")
    register(fake_etcd, "web/garbled", node="{")
    register(fake_etcd, "web/localhost")
    inventory = read_inventory(config())
    assert list(inventory.hosts) == ["good"]
    assert set(inventory.groups) == {"all", "ungrouped", "role_web", "health_passing"}
    warnings = " ".join(capsys.readouterr().err.split())
    assert "rejected: 'web/nowhere': the address 'not-an-address' is not an IP address" in warnings
    assert "rejected: 'web/garbled': the node document is not JSON" in warnings
    assert "rejected: 'web/localhost': the name 'localhost' is reserved" in warnings


def test_many_bad_nodes_do_not_flood_the_screen(fake_etcd, config, capsys):
    register(fake_etcd)
    for number in range(_plugin.MAX_WARNINGS + 7):
        register(fake_etcd, f"web/bad{number}", "?")
    read_inventory(config())
    warnings = " ".join(capsys.readouterr().err.split())
    assert warnings.count("Node rejected") == _plugin.MAX_WARNINGS
    assert "7 more nodes are rejected (-v names them)" in warnings


def test_strict_nodes_makes_one_bad_node_an_error(fake_etcd, config, failure):
    register(fake_etcd)
    register(fake_etcd, "web/bad", "?")
    assert "'web/bad': the address '?' is not an IP address" in failure(config(strict_nodes=True))


def test_addresses_outside_the_allowed_networks_are_left_out(fake_etcd, config):
    register(fake_etcd, "web/in", "10.0.0.1")
    register(fake_etcd, "web/out", "192.168.0.1")
    assert list(read_inventory(config(allowed_networks=["10.0.0.0/8"])).hosts) == ["in"]


def test_an_empty_prefix_is_an_error_unless_declared(fake_etcd, config, failure):
    assert "no node under /infrastructure/" in failure(config())
    assert not read_inventory(config(allow_empty=True)).hosts


def test_fewer_than_min_hosts_is_an_error(fake_etcd, config, failure):
    register(fake_etcd)
    assert "fewer than min_hosts (2)" in failure(config(min_hosts=2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"endpoint": "x"}, "Unknown option 'endpoint'; did you mean 'endpoints'?"),
        ({"frobnicate": 1}, "Unknown option 'frobnicate'"),
        ({"endpoints": ["http://etcd:port"]}, "etcd endpoint: expected http://host:2379"),
        ({"layout": "{name}"}, "Valid values are: {role}/{name}, {dc}/{role}/{name}"),
        ({"prefix": "/"}, "prefix: expected a directory such as /infrastructure"),
        ({"allowed_networks": ["10.0.0.1/8"]}, "allowed_networks: 10.0.0.1/8 has host bits set"),
        ({"min_hosts": "some"}, "min_hosts"),
        ({"timeout": "soon"}, "timeout: expected seconds or a duration"),
        ({"user": "inventory"}, "user, password: expected both or neither"),
        ({"endpoints": None}, "endpoints: expected a value, got an empty one"),
        ({"password": None}, "password: expected a value, got an empty one"),
        ({"ca_cert": ""}, "ca_cert: expected a path, got an empty one"),
        ({"ca_cert": "/nowhere.pem", "endpoints": "https://127.0.0.1:1"}, "/nowhere.pem"),
    ],
)
def test_wrong_options_end_the_program_and_nothing_is_asked(fake_etcd, config, failure, options, message):
    register(fake_etcd)
    printed = failure(config(**options))
    assert message in printed
    assert (printed.count("[ERROR]"), printed.count("[WARNING]")) == (1, 0)
    assert not fake_etcd.received


@pytest.mark.parametrize(
    ("value", "shown"), [("perhaps", ", not 'perhaps'"), ("", ", not ''"), (2, ", not 2"), ([True], "")]
)
def test_a_misspelt_truth_value_does_not_switch_verification_off(fake_etcd, config, failure, value, shown):
    assert f"validate_certs must be true or false{shown}" in failure(config(validate_certs=value))
    assert not fake_etcd.received


def test_nor_does_one_in_the_environment(config, failure, monkeypatch):
    monkeypatch.setenv("ANSIBLE_ROLLCALL_VALIDATE_CERTS", "flase")
    assert "ANSIBLE_ROLLCALL_VALIDATE_CERTS must be true or false, not 'flase'" in failure(config())


def test_an_etcd_that_refuses_ends_the_program_and_names_endpoint_and_keys(fake_etcd, config, failure):
    fake_etcd.stop()
    printed = failure(config())
    assert "Reading keys under /infrastructure/ failed" in printed
    assert fake_etcd.endpoint in printed


def test_a_failure_between_the_two_reads_leaves_no_host(fake_etcd, config, failure):
    register(fake_etcd)
    fake_etcd.require_auth(root="secret", inventory="sesame")
    fake_etcd.permit("inventory", "/infrastructure/", "read")
    printed = failure(config(user="inventory", password="sesame"))
    assert "permission denied" in printed
    assert "/rollcall/infrastructure/maintenance/" in printed
    assert "sesame" not in printed


def test_a_wrong_password_is_told_without_it(fake_etcd, config, failure):
    fake_etcd.require_auth(root="secret", inventory="sesame")
    printed = failure(config(user="inventory", password="swordfish"))
    assert "Authenticating as inventory failed" in printed
    assert "swordfish" not in printed


def test_a_mistake_of_our_own_ends_the_program_too(fake_etcd, config, failure, monkeypatch):
    register(fake_etcd)
    monkeypatch.setattr(_reading, "read", None)
    assert "this is a bug of rollcall.discovery" in failure(config())


def test_a_file_of_any_name_is_ours_by_its_plugin(fake_etcd, config):
    register(fake_etcd)
    assert "web1" in read_inventory(config("prod.yml")).hosts


def cached(tmp_path, **options):
    return {
        "cache": True,
        "cache_plugin": "ansible.builtin.jsonfile",
        "cache_connection": str(tmp_path / "cache"),
        **options,
    }


def test_a_cache_hit_asks_nothing_and_gives_the_same(fake_etcd, config, tmp_path):
    register(fake_etcd, node=DOCUMENT)
    path = config(**cached(tmp_path))
    first = read_inventory(path)
    asked = len(fake_etcd.received)
    fake_etcd.stop()
    second = read_inventory(path)
    assert len(fake_etcd.received) == asked
    assert own_variables(second, "web1") == own_variables(first, "web1")


def test_a_refresh_reads_anew_and_renews_the_cache(fake_etcd, config, tmp_path):
    register(fake_etcd)
    path = config(**cached(tmp_path))
    inventory = read_inventory(path)
    register(fake_etcd, "web/web2", "10.0.0.2")
    assert list(read_inventory(path).hosts) == ["web1"]
    inventory.refresh_inventory()
    assert list(inventory.hosts) == ["web1", "web2"]
    assert list(read_inventory(path).hosts) == ["web1", "web2"]


def test_a_cache_of_another_prefix_or_etcd_is_no_hit(fake_etcd, config, tmp_path):
    register(fake_etcd)
    fake_etcd.put("/staging/web/web2/ip", "10.0.0.2")
    read_inventory(config(**cached(tmp_path)))
    assert list(read_inventory(config(**cached(tmp_path, prefix="/staging"))).hosts) == ["web2"]


def test_what_a_cache_holds_is_checked_like_what_etcd_says(fake_etcd, config, tmp_path):
    register(fake_etcd)
    path = config(**cached(tmp_path))
    read_inventory(path)
    [file] = (tmp_path / "cache").iterdir()
    file.write_text(file.read_text().replace("10.0.0.1", "127.0.0.1"))
    fake_etcd.stop()
    with pytest.raises(SystemExit):
        read_inventory(path)


def test_an_error_is_not_cached(fake_etcd, config, tmp_path, failure):
    register(fake_etcd)
    fake_etcd.inject("/v3/kv/range", Refuse(code=7, message="etcdserver: permission denied"))
    failure(config(**cached(tmp_path)))
    assert list(read_inventory(config(**cached(tmp_path))).hosts) == ["web1"]


def test_stop_lets_no_message_pass_as_a_success(capsys):
    with pytest.raises(SystemExit) as stopped:
        _plugin.stop("No inventory from x", AnsibleError("reason"))
    assert stopped.value.code == 1
    assert "No inventory from x: reason" in capsys.readouterr().err
