# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configuration files of any name, and encrypted ones, with Ansible's own programs."""

from __future__ import annotations

import json

import pytest
from ansible.parsing.vault import VaultEditor, VaultLib, VaultSecret

NAME = "rollcall.discovery.etcd"
VAULT_PASSWORD = "open sesame"
SECRET = "only-the-vault-knows"


@pytest.fixture
def vault(tmp_path):
    """Encrypts a text as `!vault` wants it. The vault's password is in the file `vault`, a wrong one in `no`."""
    (tmp_path / "vault").write_text(VAULT_PASSWORD)
    (tmp_path / "no").write_text("wrong")
    library = VaultLib([("default", VaultSecret(VAULT_PASSWORD.encode()))])

    def encrypt(text, indent=10):
        lines = library.encrypt(text).decode().splitlines()
        return "!vault |\n" + "\n".join(" " * indent + line for line in lines)

    return encrypt


@pytest.fixture
def web1(etcd):
    etcd.put("/infrastructure/web/web1/ip", "10.0.0.1")
    return etcd


def hosts(done):
    return sorted(done.inventory["_meta"]["hostvars"])


@pytest.mark.parametrize("enabled", ["auto,yaml", f"{NAME},yaml"])
def test_files_of_any_name_beside_those_of_other_plugins(run, web1, tmp_path, enabled):
    directory = tmp_path / "inventory"
    directory.mkdir()
    (directory / "prod.yml").write_text(f"plugin: {NAME}\nendpoints: {json.dumps(web1.endpoints)}\n")
    (directory / "static.yml").write_text(f"all: {{hosts: {{db1: {{plugin: {NAME}}}}}}}\n")
    (tmp_path / "vault").write_text(VAULT_PASSWORD)
    editor = VaultEditor(VaultLib([("default", VaultSecret(VAULT_PASSWORD.encode()))]))
    (directory / "secret.yml").write_text("all: {hosts: {db2: {x: 1}}}\n")
    editor.encrypt_file(str(directory / "secret.yml"), VaultSecret(VAULT_PASSWORD.encode()))
    whole = directory / "encrypted.yaml"
    whole.write_text(f"plugin: {NAME}\nhostnames: [address]\nendpoints: {json.dumps(web1.endpoints)}\n")
    editor.encrypt_file(str(whole), VaultSecret(VAULT_PASSWORD.encode()))
    arguments = ("--list", "--vault-password-file", "vault")
    done = run("ansible-inventory", "-i", directory, *arguments, ANSIBLE_INVENTORY_ENABLED=enabled)
    assert hosts(done) == ["10.0.0.1", "db1", "db2", "web1"]
    assert done.stderr.count("[WARNING]") == 1, "web1 and 10.0.0.1 are one machine"
    assert "RC-E-NODE-NOTE" in done.stderr


def test_every_option_may_be_encrypted(run, web1, tmp_path, vault):
    web1.put("/staging/web/web2/ip", "10.0.0.2")
    source = tmp_path / "prod.yml"
    source.write_text(
        f"""plugin: {NAME}
prefix: {vault("/wrong")}
user: {vault("nobody")}
password: {vault(SECRET)}
clusters:
  - name: {vault("one")}
    endpoints:
      - {vault(web1.endpoints[0])}
    user: {vault("web")}
    password: {vault(SECRET)}
    prefix: {vault("/staging")}
"""
    )
    done = run("ansible-inventory", "-i", source, "--list", "--vault-password-file", "vault")
    assert hosts(done) == ["web2"]
    wrong = run("ansible-inventory", "-i", source, "--list", "--vault-password-file", "no", "-vvv")
    assert wrong.rc == 1
    assert "No inventory from" in wrong.messages and "Decryption failed" in wrong.messages
    for done_ in (done, wrong):
        assert SECRET not in done_.stdout + done_.stderr


def test_a_variable_that_options_come_from_may_be_encrypted_or_a_template(run, web1, tmp_path, vault):
    source = tmp_path / "prod.yml"
    source.write_text(f"plugin: {NAME}\n")
    (tmp_path / "extra.yml").write_text(
        f"""rollcall_etcd_endpoints:
  - "{{{{ scheme }}}}://{web1.endpoints[0].partition("://")[2]}"
scheme: {vault("http")}
rollcall_prefix: {vault("/infrastructure")}
"""
    )
    listing = ("ansible-inventory", "-i", source, "--list", "-e", "@extra.yml", "--vault-password-file")
    assert hosts(run(*listing, "vault")) == ["web1"]
    lookup = "{{ query('rollcall.discovery.nodes', prefix=rollcall_prefix) | map(attribute='name') }}"
    tasks = [{"ansible.builtin.assert": {"that": "names == ['web1']"}, "vars": {"names": lookup}}]
    (tmp_path / "play.yml").write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    playing = ("ansible-playbook", "-i", "localhost,", "-e", "@extra.yml", "play.yml", "--vault-password-file")
    assert run(*playing, "vault").rc == 0
    wrong = run(*playing, "no")
    assert wrong.rc == 2
    assert "Decryption failed" in wrong.stdout + wrong.stderr


WRONG = {
    "password": {"password": {"x": SECRET}},
    "list": {"password": [[SECRET]]},
    "user": {"user": {"root": SECRET}},
    "endpoints": {"endpoints": {f"http://root:{SECRET}@etcd1": 1}},
    "nested": {"endpoints": [[f"http://root:{SECRET}@etcd1"]]},
    "credentials": {"endpoints": [f"http://root:{SECRET}@etcd1"]},
    "misspelt": {"pasword": SECRET},
    "cluster": {"clusters": [{"name": "eu", "pasword": SECRET, "endpoints": ["http://127.0.0.1:9"]}]},
    "mapping": {"clusters": {"eu": {"password": SECRET}}},
    "text": {"clusters": f"password={SECRET}"},
    "items": {"clusters": [f"eu:{SECRET}"]},
    "deep": {"clusters": [{"name": "eu", "password": {"x": SECRET}, "endpoints": ["http://127.0.0.1:9"]}]},
    "key": {"client_key": f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n", "client_cert": "/nonexistent"},
}


@pytest.mark.parametrize("options", WRONG.values(), ids=WRONG)
def test_no_error_of_an_inventory_file_shows_a_secret(run, tmp_path, options):
    source = tmp_path / "prod.yml"
    source.write_text(json.dumps({"plugin": NAME, "endpoints": ["http://127.0.0.1:9"], "timeout": 1, **options}))
    done = run("ansible-inventory", "-i", source, "--list", "-vvv")
    assert done.rc == 1
    assert "No inventory from" in done.messages
    assert SECRET not in done.stdout + done.stderr
