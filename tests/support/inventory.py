# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads an inventory as Ansible's programs do, with its own InventoryManager, in this process."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import is_trusted_as_template
from ansible.utils.collection_loader import AnsibleCollectionConfig

from tests.support.fake_etcd import FakeEtcd


def read_inventory(*sources: Path) -> InventoryManager:
    """Everything the sources give, or SystemExit."""
    if AnsibleCollectionConfig.collection_finder is None:
        init_plugin_loader()
    return InventoryManager(DataLoader(), sources=[str(source) for source in sources])


def write_config(directory: Path, name: str = "test.etcd.yml", **options: Any) -> Path:
    """A configuration file of the plugin; JSON is YAML, too. An option that is `...` is left out."""
    path = directory / name
    given = {option: value for option, value in options.items() if value is not ...}
    path.write_text(json.dumps({"plugin": "rollcall.discovery.etcd", **given}))
    return path


def own_variables(inventory: InventoryManager, host: str) -> dict[str, Any]:
    """The variables of a host but for those that Ansible gives to every one."""
    foreign = ("inventory_file", "inventory_dir", "inventory_hostname", "inventory_hostname_short", "group_names")
    return {name: value for name, value in inventory.hosts[host].vars.items() if name not in foreign}


def members(inventory: InventoryManager, group: str) -> list[str]:
    """The hosts of a group, sorted."""
    return sorted(host.name for host in inventory.groups[group].hosts)


def trusted_texts(value: Any) -> Iterator[str]:
    """Every text in `value`, keys too, that Ansible would take for a template."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from trusted_texts(key)
            yield from trusted_texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from trusted_texts(inner)
    elif isinstance(value, str) and is_trusted_as_template(value):
        yield value


def register_nodes(etcd: FakeEtcd, *names: str) -> None:
    """Let nodes of the role web answer, each with another address."""
    for name in names:
        etcd.put(f"/infrastructure/web/{name}/ip", address_of(name))


def address_of(name: str) -> str:
    """An address for a node: 10.0.0.1 for web1, for other names always another one."""
    number = 1 if name == "web1" else zlib.crc32(name.encode("utf-8", "surrogatepass"))
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
