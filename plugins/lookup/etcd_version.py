# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: etcd_version
short_description: Known faults of a version of etcd, and whether members can be upgraded to it
author:
  - Rollcall contributors (@rollcall)
version_added: 0.2.0
description:
  - Returns the advisories that apply to a version of etcd, and whether authentication protects anything with it.
  - The table is part of this collection. SECURITY.md shows it. The lookup uses no network.
  - The role P(rollcall.discovery.etcd#role) uses this lookup.
options:
  _terms:
    description: Versions of etcd, such as V(3.6.14).
    type: list
    elements: str
    required: true
  running:
    description: Versions that members run now, to learn whether they can be upgraded.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Refuse an etcd whose authentication can be got around
  ansible.builtin.assert:
    that: lookup('rollcall.discovery.etcd_version', '3.5.16').refusal == ''
"""

RETURN = r"""
_raw:
  description: What is known of each version.
  type: list
  elements: dict
  contains:
    version:
      description: The version.
      type: str
      sample: 3.5.16
    refusal:
      description:
        - Why the role does not enable authentication with it, empty if it does.
        - It does with 3.5.33, 3.6.14, 3.7.1 and newer versions.
      type: str
      sample: ""
    warning:
      description: Why it is not safe with authentication on, empty if it is.
      type: str
      sample: ""
    upgrade_problem:
      description: Why members that run O(running) cannot be given this version, empty if they can.
      type: str
      sample: ""
    safe_versions:
      description: The lowest version of each minor series that is safe with authentication on.
      type: list
      elements: str
      sample: [3.6.14, 3.7.1]
    advisories:
      description: All advisories for this version, as M(rollcall.discovery.etcd_cluster_info) returns them.
      type: list
      elements: dict
"""

import typing as t

from ansible.plugins.lookup import LookupBase

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd import advisories
from ansible_collections.rollcall.discovery.plugins.plugin_utils import _plugin, _terms
from ansible_collections.rollcall.discovery.plugins.plugin_utils._errors import PluginError


class LookupModule(LookupBase):
    """Reads the table of advisories."""

    def run(self, terms: list[t.Any], variables: t.Any = None, **kwargs: t.Any) -> list[dict[str, t.Any]]:
        running = _plugin.lookup_options(self, variables, kwargs)["running"]
        _terms.require(terms, "A version of etcd")
        try:
            return [
                {
                    "version": version,
                    "refusal": advisories.warning(version, refused_only=True),
                    "warning": advisories.warning(version),
                    "upgrade_problem": next(
                        filter(None, (advisories.upgrade_problem(old, version) for old in running)), ""
                    ),
                    "safe_versions": advisories.safe_versions(),
                    "advisories": [advisory.public() for advisory in advisories.applying(version)],
                }
                for version in _terms.texts(terms, "A version of etcd")
            ]
        except ValueError as exc:
            raise PluginError(str(exc)) from exc
