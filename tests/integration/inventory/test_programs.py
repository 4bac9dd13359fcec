# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What users do with the plugins, with the programs they do it with."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from tests.support.inventory import write_config

HERE = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
TEMPLATE = "{{ lookup('ansible.builtin.pipe', 'touch %s') }}"


def test_the_graph_and_a_host_of_the_articles_first_layout(run, etcd, tmp_path):
    etcd.put("/infrastructure/registry/production-registry/ip", "10.0.0.5")
    etcd.put("/infrastructure/k8s-master/production-k8s-master/ip", "10.0.0.6")
    path = write_config(tmp_path, endpoints=etcd.endpoints)

    assert run("ansible-inventory", "-i", path, "--graph").stdout.splitlines() == [
        "@all:",
        "  |--@ungrouped:",
        "  |--@health_passing:",
        "  |  |--production-k8s-master",
        "  |  |--production-registry",
        "  |--@role_k8s_master:",
        "  |  |--production-k8s-master",
        "  |--@role_registry:",
        "  |  |--production-registry",
    ]
    host = run("ansible-inventory", "-i", path, "--host", "production-registry")
    assert json.loads(host.stdout)["ansible_host"] == "10.0.0.5"


def test_the_articles_second_layout_and_a_file_for_the_first(run, etcd, tmp_path):
    etcd.put("/infrastructure/eu-west-1a/k8s-master/production-k8s-master/ip", "10.0.0.6")
    path = write_config(tmp_path, endpoints=etcd.endpoints, layout="{dc}/{role}/{name}")
    assert "@dc_eu_west_1a:" in run("ansible-inventory", "-i", path, "--graph").stdout

    done = run("ansible-inventory", "-i", write_config(tmp_path, endpoints=etcd.endpoints), "--graph")
    assert done.rc == 1
    assert "but {dc}/{role}/{name} (such as" in done.messages


def test_extra_variables_reach_the_inventory(run, etcd, tmp_path):
    etcd.put("/staging/web/web1/ip", "10.0.0.1")
    path = write_config(tmp_path)
    extra = json.dumps({"rollcall_etcd_endpoints": etcd.endpoints, "rollcall_prefix": "/staging"})
    assert list(run("ansible-inventory", "-i", path, "--list", "-e", extra).inventory["_meta"]["hostvars"]) == ["web1"]


def test_a_hostile_node_runs_nothing_in_a_play_and_the_rest_goes_on(run, etcd, tmp_path):
    trap = tmp_path / "sprung"
    template = TEMPLATE % trap
    document = {
        "services": {"web": {"port": 80, "meta": {"x": template}}},
        "meta": {
            "x": template,
            template: 1,
            "ansible_connection": "local",
            "ansible_python_interpreter": f"touch {trap}",
        },
        "ansible_connection": "local",
    }
    etcd.put("/infrastructure/web/evil/ip", "10.0.0.66")
    etcd.ctl("put", "/infrastructure/web/evil/node", json.dumps(document))
    etcd.ctl("put", "/infrastructure/web/evil/checks/c", json.dumps({"status": "passing", "output": template}))
    etcd.ctl("put", "/rollcall/infrastructure/maintenance/web/evil", json.dumps({"by": template}))
    etcd.put(f"/infrastructure/web/{template}/ip".replace("/tmp", ""), "10.0.0.67")
    etcd.put("/infrastructure/web/quote'\"/ip", "10.0.0.68")
    etcd.put("/infrastructure/web/line\nbreak/ip", "10.0.0.69")
    etcd.put("/infrastructure/web/good/ip", "10.0.0.1")
    etcd.ctl("put", "/app/x", template)
    tasks = [
        {"ansible.builtin.debug": {"msg": "{{ rollcall_meta }} {{ rollcall_services }} {{ rollcall_checks }}"}},
        {"ansible.builtin.debug": {"msg": "{{ rollcall_maintenance | to_json }} {{ hostvars['evil'].rollcall_meta }}"}},
        {"ansible.builtin.debug": {"msg": "{{ query('rollcall.discovery.nodes') }}"}},
        {"ansible.builtin.debug": {"msg": "{{ lookup('rollcall.discovery.etcd', '/app/x') }}"}},
        {"ansible.builtin.command": {"argv": ["echo", "{{ rollcall_meta.x | default('-') }}"]}},
        {"ansible.builtin.debug": {"msg": "connection is {{ ansible_connection }}, composed {{ composed }}"}},
    ]
    variables = {**HERE, "rollcall_etcd_endpoints": etcd.endpoints}
    play = [{"hosts": "role_web", "gather_facts": False, "vars": variables, "tasks": tasks}]
    (tmp_path / "play.yml").write_text(json.dumps(play))
    path = write_config(
        tmp_path,
        endpoints=etcd.endpoints,
        strict=True,
        compose={"composed": "rollcall_meta.x | default('-')"},
        keyed_groups=[{"key": "rollcall_meta.x | default('-')", "prefix": "x"}],
    )
    done = run("ansible-playbook", "-i", path, "play.yml")
    assert done.rc == 0, done
    assert not trap.exists()
    assert re.search(r"evil .*ok=6 .*failed=0", done.stdout)
    assert re.search(r"good .*ok=6 .*failed=0", done.stdout)
    assert done.messages.count("Node rejected") == 3


def test_a_node_does_not_get_the_password_of_a_host_that_somebody_else_has_written_down(run, etcd, tmp_path):
    etcd.put("/infrastructure/db/db1/ip", "6.6.6.6")
    etcd.ctl("put", "/infrastructure/db/db1/node", json.dumps({"meta": {"env": 5}}))
    hosts = tmp_path / "hosts.ini"
    hosts.write_text("db1 ansible_host=10.1.1.1 ansible_password=sesame\n")
    keyed_groups = [{"key": "rollcall_meta.env", "prefix": "env", "parent_group": "env_5"}]
    path = write_config(tmp_path, endpoints=etcd.endpoints, keyed_groups=keyed_groups)
    done = run("ansible-inventory", "-i", hosts, "-i", path, "--list")
    variables = done.inventory["_meta"]["hostvars"]["db1"]
    assert (variables["ansible_host"], variables["rollcall_address"]) == ("10.1.1.1", "6.6.6.6")
    assert done.inventory["role_db"] == done.inventory["env_5"] == {"hosts": ["db1"]}
    assert "db1 ('10.1.1.1', not '6.6.6.6')" in done.messages
    assert "a circle, so this is omitted: 'env_5' in 'env_5'" in done.messages
    assert "sesame" not in done.messages


def test_lookups_in_a_play(run, etcd, tmp_path):
    etcd.ctl("put", "/app/colour", "green")
    etcd.ctl("put", "/app/size", "7")
    etcd.put("/infrastructure/web/web1/ip", "10.0.0.1")
    checks = [
        "lookup('rollcall.discovery.etcd', '/app/colour') == {'key': '/app/colour', 'value': 'green'}",
        "lookup('rollcall.discovery.etcd', '/app/colour', return='value') == 'green'",
        "query('rollcall.discovery.etcd', '/app/', prefix=true) | map(attribute='value') == ['green', '7']",
        "lookup('rollcall.discovery.etcd', '/app/none', return='dict', default=none) == {'/app/none': none}",
        "lookup('rollcall.discovery.nodes', 'web1').address == '10.0.0.1'",
        "query('rollcall.discovery.nodes', name='web1', health='passing') | length == 1",
        "query('rollcall.discovery.nodes', role='db') == []",
        "lookup('rollcall.discovery.runtime') is file",
        "lookup('rollcall.discovery.runtime') == lookup('rollcall.discovery.runtime')",
    ]
    variables = {
        "hosts_of_etcd": [endpoint.partition("://")[2] for endpoint in etcd.endpoints],
        "rollcall_etcd_endpoints": "{{ hosts_of_etcd | map('regex_replace', '^', 'http://') | list }}",
    }
    tasks = [{"ansible.builtin.assert": {"that": checks}}]
    (tmp_path / "play.yml").write_text(
        json.dumps([{"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": tasks}])
    )
    done = run("ansible-playbook", "-i", "localhost,", "-c", "local", "play.yml")
    assert done.rc == 0, done


def test_the_runtime_runs_where_it_is_unpacked(run, tmp_path):
    unpack = {"src": "{{ lookup('rollcall.discovery.runtime') }}", "dest": str(tmp_path)}
    play = [
        {"hosts": "localhost", "gather_facts": False, "vars": HERE, "tasks": [{"ansible.builtin.unarchive": unpack}]}
    ]
    (tmp_path / "play.yml").write_text(json.dumps(play))
    done = run("ansible-playbook", "-i", "localhost,", "play.yml")
    assert done.rc == 0, done
    version = json.loads((tmp_path / "VERSION").read_text())
    assert re.fullmatch("[0-9a-f]{12}", version["digest"])
    command = [sys.executable, "-B", "-m", "rollcall._agent.cli", "--version"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert version["version"] in said.stdout


@pytest.mark.parametrize(("kind", "names"), [("inventory", ["etcd"]), ("lookup", ["etcd", "nodes", "runtime"])])
def test_every_plugin_is_documented(run, kind, names):
    done = run("ansible-doc", "-t", kind, "--json", *(f"rollcall.discovery.{name}" for name in names))
    assert done.rc == 0, done
    documented = json.loads(done.stdout)
    assert len(documented) == len(names)
    for plugin in documented.values():
        assert plugin["doc"]["short_description"]
        assert plugin["examples"]
        assert kind == "inventory" or plugin["return"]["_raw"]["description"]
        for option, about in plugin["doc"].get("options", {}).items():
            assert about["description"], option
