# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: password
short_description: Retrieve or create passwords of etcd users in the credentials directory
author:
  - Rollcall contributors (@rollcall)
version_added: 0.2.0
description:
  - Returns the passwords of etcd users from the credentials directory, C(.rollcall) beside the inventory unless the
    variable C(rollcall_credentials) names another one.
  - A password is the file C(passwords/USER) in that directory. Files that are encrypted with ansible-vault are read. If
    a vault password is loaded, as with C(--vault-password-file), new ones are encrypted.
  - Several controllers may share the directory. If two create the same password at once, both return the first one.
options:
  _terms:
    description: The users.
    type: list
    elements: str
    required: true
  directory:
    description:
      - The credentials directory. It is created if it is missing, with mode 0700. One that other users can write is
        refused, as is a password or key in it that others can read and that is not encrypted.
    type: path
    required: true
  on_missing:
    description:
      - With V(error), a user without a password is an error.
      - With V(create), a random password of 32 letters and digits is created.
      - With V(empty), the empty string is returned.
    type: str
    choices:
      - error
      - create
      - empty
    default: error
seealso:
  - plugin: rollcall.discovery.certificate
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Read what is registered
  rollcall.discovery.node_info:
    endpoints: https://etcd1:2379
    ca_cert: "{{ inventory_dir }}/.rollcall/tls/ca.crt"
    user: inventory
    password: "{{ lookup('rollcall.discovery.password', 'inventory', directory=inventory_dir ~ '/.rollcall') }}"
"""

RETURN = r"""
_raw:
  description: The password of each user.
  type: list
  elements: str
"""

import typing as t
from pathlib import Path

from ansible.plugins.lookup import LookupBase

from ansible_collections.rollcall.discovery.plugins.plugin_utils import _plugin, _terms
from ansible_collections.rollcall.discovery.plugins.plugin_utils._credentials import CredentialsDirectory
from ansible_collections.rollcall.discovery.plugins.plugin_utils._errors import PluginError


class LookupModule(LookupBase):
    """Reads passwords, and creates them on request."""

    def run(self, terms: list[t.Any], variables: t.Any = None, **kwargs: t.Any) -> list[str]:
        options = _plugin.lookup_options(self, variables, kwargs)
        directory = CredentialsDirectory(Path(options["directory"]), _plugin.vault_of(self))
        _terms.require(terms, "The name of an etcd user")
        users = _terms.texts(terms, "The name of an etcd user")
        return [_password(directory, user, options["on_missing"]) for user in users]


def _password(directory: CredentialsDirectory, user: str, on_missing: str) -> str:
    password = directory.create_password(user) if on_missing == "create" else directory.password(user)
    if password is None and on_missing == "error":
        raise PluginError(
            f"The credentials directory {directory.path} has no password of the etcd user {user}. Copy "
            f"passwords/{user} there from the controller that created it",
            "RC-E-CREDENTIALS",
        )
    return password or ""
