# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What `ansible-inventory` prints, as jq, AWX and other programs read it."""

from __future__ import annotations

import json
import re
import tomllib

import pytest
import yaml

from tests.support.inventory import write_config

HARMLESS = re.compile(r"[A-Za-z0-9 ._:/@,+=-]*")
SECRET = "only-the-controller-knows"

# Halves of a template, a whole one with the delimiters of a template file of the operator, and plain words
META = {
    "env": "prod",
    "path": "/srv/app_1, user@host:8080+x=y",
    "left": "{",
    "right": "{ secret }}",
    "both": "{{ secret }}",
    "at": "@@ secret @@",
    "statement": "# set x = secret",
    "quote": "it's",
    "letter": "München",
    "deep": [{"list": ["plain", "{% if secret %}"]}],
}
COMPOSED = {
    "joined": "rollcall_meta.left ~ rollcall_meta.right",
    "named": "rollcall_name ~ '.example.com'",
    "all_of_it": "rollcall_meta.values() | map('string') | join(' ')",
}


def texts(value):
    """Every text of the output with whether it is plain."""
    if isinstance(value, str):
        yield value, True
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
    elif isinstance(value, dict):
        if set(value) == {"__ansible_unsafe"}:
            yield value["__ansible_unsafe"], False
        else:
            for inner in value.values():
                yield from texts(inner)


@pytest.fixture
def source(etcd, tmp_path):
    etcd.put("/infrastructure/web/web1/ip", "10.0.0.1")
    etcd.ctl("put", "/infrastructure/web/web1/node", json.dumps({"tags": ["blue"], "meta": META}))
    etcd.ctl("put", "/rollcall/infrastructure/maintenance/web/web1", '{"by": "ann"}')
    etcd.put("/infrastructure/web/web2/ip", "10.0.0.2")
    return write_config(tmp_path, endpoints=etcd.endpoints, compose=COMPOSED)


@pytest.mark.parametrize("export", [(), ("--export",)])
def test_harmless_text_is_printed_as_plain_json_and_all_other_text_as_no_template(run, source, export):
    listed = run("ansible-inventory", "-i", source, "--list", *export).inventory
    variables = listed["_meta"]["hostvars"]["web1"]
    found = dict(texts(variables))
    assert found == {text: bool(HARMLESS.fullmatch(text)) for text in found}
    assert {"10.0.0.1", "prod", META["path"], "web1.example.com", "plain"} < {text for text in found if found[text]}
    assert {"{{ secret }}", "{", META["letter"]} < {text for text in found if not found[text]}
    assert variables["ansible_host"] == "10.0.0.1"


def test_toml_has_no_null_wherever_a_node_says_it(run, source, etcd):
    etcd.put("/infrastructure/web/web3/ip", "10.0.0.3")
    etcd.put("/infrastructure/web/web3/node", '{"meta": {"a": null, "b": [1, null, {"c": null}], "d": {"e": null}}}')
    in_toml = tomllib.loads(run("ansible-inventory", "-i", source, "--list", "--toml").stdout)
    (found,) = [group["hosts"]["web3"] for group in in_toml.values() if group.get("hosts", {}).get("web3")]
    assert found["rollcall_meta"] == {"b": [1, {}], "d": {}}
    listed = run("ansible-inventory", "-i", source, "--list").inventory
    assert listed["_meta"]["hostvars"]["web3"]["rollcall_meta"]["a"] is None


def test_other_forms_of_output_have_the_same_values(run, source):
    host = json.loads(run("ansible-inventory", "-i", source, "--host", "web1").stdout)
    assert host["rollcall_meta"] == META
    assert host["joined"] == "{{ secret }}"
    in_yaml = yaml.safe_load(run("ansible-inventory", "-i", source, "--list", "--yaml").stdout)
    in_toml = tomllib.loads(run("ansible-inventory", "-i", source, "--list", "--toml").stdout)
    for groups in (in_toml, in_yaml["all"]["children"]):
        members = [group.get("hosts", {}) for group in groups.values()]
        hosts = {name: variables for group in members for name, variables in group.items() if variables}
        assert hosts["web1"] == host
        assert hosts["web2"]["rollcall_maintenance"] == {}


@pytest.mark.parametrize("imported", [False, True])
def test_no_text_of_a_node_is_a_template_also_after_joining_and_an_import(run, source, tmp_path, imported):
    if imported:  # as AWX does it
        (tmp_path / "listed.json").write_text(run("ansible-inventory", "-i", source, "--list", "--export").stdout)
        source = tmp_path / "inventory.sh"
        source.write_text(f"#!/bin/sh\nexec cat {tmp_path}/listed.json\n")
        source.chmod(0o755)
    (tmp_path / "page.j2").write_text("@@ rollcall_meta.at @@ @@ rollcall_meta.both @@ @@ joined @@ @@ all_of_it @@\n")
    copy = {"src": str(tmp_path / "page.j2"), "dest": str(tmp_path / "page"), "mode": "0600"}
    tasks = [
        {"ansible.builtin.debug": {"msg": "{{ rollcall_meta }} {{ joined }} {{ named }} {{ all_of_it }}"}},
        {"ansible.builtin.debug": {"msg": "{{ rollcall_meta.left ~ rollcall_meta.right }}{{ rollcall_meta.at * 2 }}"}},
        {"ansible.builtin.set_fact": {"stored": "{{ rollcall_meta.left }}{{ rollcall_meta.right }}"}},
        {"ansible.builtin.debug": {"msg": "{{ stored }} {{ hostvars['web1'].stored }}"}},
        {"ansible.builtin.template": {**copy, "variable_start_string": "@@", "variable_end_string": "@@"}},
    ]
    variables = {
        "secret": SECRET,
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
    }
    play = [{"hosts": "web1", "gather_facts": False, "vars": variables, "tasks": tasks}]
    (tmp_path / "play.yml").write_text(json.dumps(play))
    done = run("ansible-playbook", "-i", source, "play.yml", "-vvv")
    assert done.rc == 0, done
    assert SECRET not in done.stdout + done.stderr
    page = (tmp_path / "page").read_text()
    assert page.startswith("@@ secret @@ {{ secret }} {{ secret }} ")
    assert SECRET not in page
