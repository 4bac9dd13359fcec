# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which files are configurations of the inventory plugin.

Internal to the collection: no promise is made to other users of this file.

If `enable_plugins` lists the plugin, Ansible asks it about every file of an inventory directory. So a file is read as
YAML only if the name of the plugin is in it, or if it is encrypted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.parsing.dataloader import DataLoader

NAME = "rollcall.discovery.etcd"

_OWN_NAMES = ("etcd.yml", "etcd.yaml")  # mistakes in such a file are errors, also if `plugin` is missing
_LARGEST = 16 << 20  # bytes of a configuration, by far
_VAULT = b"$ANSIBLE_VAULT;"
_PLUGIN = re.compile(rb"""(?:^|[{,])\s*["']?plugin["']?\s*:\s*["']?rollcall\.discovery\.etcd(?![\w.])""", re.MULTILINE)


def may_be_ours(path: str) -> bool:
    """Whether the file is a configuration of this plugin, or is encrypted so that only `require_ours` can tell."""
    if path.endswith(_OWN_NAMES):
        return True
    if not path.endswith((".yml", ".yaml")):
        return False
    try:
        content = _content(path)
    except (OSError, ValueError):
        return False
    return content.startswith(_VAULT) or NAME.encode() in content


def require_ours(path: str, loader: DataLoader) -> None:
    """Raises AnsibleParserError for a file of another plugin, after which Ansible asks the other plugins."""
    if path.endswith(_OWN_NAMES):
        return
    try:
        config = loader.load_from_file(path, cache="none")
    except AnsibleError:
        content = _content(path)
        if content.startswith(_VAULT) or not _PLUGIN.search(content):
            raise
        return  # it is meant for this plugin: reading it again says what is wrong
    if not isinstance(config, Mapping) or config.get("plugin") != NAME:
        raise AnsibleParserError(f"{path} is no configuration of {NAME}")


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(_LARGEST)
