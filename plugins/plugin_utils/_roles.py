# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Argument specifications of the collection's roles.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import functools
import typing as t

import yaml

from ansible_collections.rollcall.discovery.plugins.module_utils import _options
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.model import Node
from ansible_collections.rollcall.discovery.plugins.plugin_utils import _runtime
from ansible_collections.rollcall.discovery.plugins.plugin_utils._errors import PluginError

Json = dict[str, t.Any]

# Of the roles alone; plugins read the others, too.
_SHARED = ("rollcall_credentials", "rollcall_etcd_root_password", "rollcall_foreign_variables")


def shared_variables() -> set[str]:
    """The variables that all roles and plugins share, and those that a host of the inventory has."""
    options = (option.var for table in (_options.CONNECTION, _options.REGISTRY) for option in table.values())
    discovered = (f"rollcall_{field}" for field in Node("", "", "", "").public())
    return {*_SHARED, *filter(None, options), *discovered}


@functools.cache
def options(role: str) -> Json:
    """The options of the main entry point of `role`, by name, each as meta/argument_specs.yml has it.

    Raises AnsibleError if the collection has no such role.
    """
    root = _runtime.collection_root() / "roles"
    roles = sorted(path.name for path in root.iterdir() if (path / "meta/argument_specs.yml").is_file())
    if role not in roles:
        raise PluginError(f"rollcall.discovery has no role {role!r}, only {', '.join(roles)}")
    specification = yaml.safe_load((root / role / "meta/argument_specs.yml").read_text(encoding="utf-8"))
    return dict(specification["argument_specs"]["main"]["options"])
