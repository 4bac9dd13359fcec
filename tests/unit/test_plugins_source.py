# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which files the inventory plugin takes for its configuration."""

from __future__ import annotations

import json

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader

from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._source import may_be_ours, require_ours

NAME = "rollcall.discovery.etcd"


@pytest.mark.parametrize(
    "text",
    [
        f"plugin: {NAME}\n",
        f"plugin: {NAME}",
        f"---\n# production\nendpoints: [http://etcd1]\nplugin:   '{NAME}'  # ours\n",
        f'"plugin": "{NAME}"\r\n',
        f"{{plugin: {NAME}, endpoints: [http://etcd1]}}",
        json.dumps({"endpoints": ["http://etcd1"], "plugin": NAME}),
        json.dumps({"endpoints": ["http://etcd1"], "plugin": NAME}, indent=2),
        "#" * 600000 + f"\nplugin: {NAME}\n",
        f"\ufeffplugin: {NAME}\n",
        f"plugin: >-\n  {NAME}\n",
        f"plugin: !!str {NAME}\n",
        f"? plugin\n: &name {NAME}\n",
    ],
)
def test_a_file_that_names_the_plugin_is_ours(tmp_path, text):
    path = tmp_path / "prod.yaml"
    path.write_bytes(text.encode())
    assert may_be_ours(str(path))
    require_ours(str(path), DataLoader())


def test_a_file_that_does_not_is_not_read_as_yaml(tmp_path):
    for text in ("", "all:\n  hosts: {web1: }\n", "plugin: other\n"):
        path = tmp_path / "prod.yml"
        path.write_text(text)
        assert not may_be_ours(str(path))


@pytest.mark.parametrize(
    "text",
    [
        f"# plugin: {NAME}\nplugin: other\n",
        f"plugin: {NAME}2\n",
        f"plugin: {NAME}.more\n",
        f"my_plugin: {NAME}\n",
        f"plugin: x{NAME}\n",
        f"all:\n  vars:\n    plugin: {NAME}\n",
    ],
)
def test_a_file_that_only_mentions_the_plugin_is_left_to_other_plugins(tmp_path, text):
    path = tmp_path / "hosts.yml"
    path.write_text(text)
    with pytest.raises(AnsibleError, match="is no configuration of"):
        require_ours(str(path), DataLoader())


def test_a_broken_file_is_ours_only_if_it_is_meant_to_be(tmp_path):
    path = tmp_path / "prod.yml"
    path.write_text(f"plugin: {NAME}\nendpoints: [\n")
    require_ours(str(path), DataLoader())
    path.write_text(f"# as with {NAME}\nall: [\n")
    with pytest.raises(AnsibleError, match="YAML"):
        require_ours(str(path), DataLoader())


@pytest.mark.parametrize("name", ["hosts", "hosts.ini", "etcd.json", "etcd.yml.bak"])
def test_another_suffix_is_not_ours(tmp_path, name):
    path = tmp_path / name
    path.write_text(f"plugin: {NAME}\n")
    assert not may_be_ours(str(path))


def test_a_file_that_cannot_be_read_is_not_ours(tmp_path):
    assert not may_be_ours(str(tmp_path / "none.yml"))
    assert not may_be_ours(str(tmp_path / "a\0.yml"))
