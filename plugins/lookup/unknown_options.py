# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: unknown_options
short_description: Variables that look like options of a role but are not
author:
  - Rollcall contributors (@rollcall)
version_added: 0.2.0
description:
  - Returns one sentence for each variable of the host that begins with the name of a role of this collection and an
    underscore, but is not an option of that role. Ansible ignores a misspelt option silently.
  - Returns one for each variable, too, whose name is nearly that of a shared one, such as C(rollcall_credential).
  - The roles use this lookup and fail if it returns anything.
options:
  _terms:
    description: Names of roles of this collection, such as V(register).
    type: list
    elements: str
    required: true
  foreign:
    description:
      - Names of variables that begin like options but belong to something else, such as another role.
      - A name may have shell wildcards, as in V(etcd_backup_*).
    type: list
    elements: str
    default: []
    vars:
      - name: rollcall_foreign_variables
"""

EXAMPLES = r"""
- name: Check that no option is misspelt
  ansible.builtin.assert:
    that: query('rollcall.discovery.unknown_options', 'register') | length == 0
"""

RETURN = r"""
_raw:
  description: A sentence for each unknown variable, with the nearest option.
  type: list
  elements: str
  sample: ["register_service is not an option of the role register; did you mean 'register_services'?"]
"""

import difflib
import fnmatch
import typing as t

from ansible.plugins.lookup import LookupBase

from ansible_collections.rollcall.discovery.plugins.plugin_utils import _plugin, _roles, _terms

_NEARLY = 0.9  # of difflib: a letter or two of a name of this length


class LookupModule(LookupBase):
    """Compares the names of variables with a role's argument specification."""

    def run(self, terms: list[t.Any], variables: t.Any = None, **kwargs: t.Any) -> list[str]:
        foreign = _plugin.lookup_options(self, variables, kwargs)["foreign"]
        _terms.require(terms, "The name of a role")
        roles = _terms.texts(terms, "The name of a role")
        names = [
            name
            for name in sorted(variables or ())
            if not any(fnmatch.fnmatchcase(name, pattern) for pattern in foreign)
        ]
        unknown = [
            f"{name} is not an option of the role {role}{_plugin.suggestion(name, options)}"
            for role, options in ((role, _roles.options(role)) for role in roles)
            for name in names
            if name.startswith(f"{role}_") and name not in options
        ]
        return unknown + _misspelt(names, _roles.shared_variables())


def _misspelt(names: t.Iterable[str], shared: t.Collection[str]) -> list[str]:
    """Others may have variables that begin with rollcall_, so only those that are nearly a shared one are mistakes."""
    found = []
    for name in names:
        close = difflib.get_close_matches(name, shared, 1, _NEARLY) if name.startswith("rollcall_") else []
        if close and name not in shared:
            found.append(f"{name} is not a variable of rollcall.discovery; did you mean {close[0]!r}?")
    return found
