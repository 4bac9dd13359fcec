# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Expressions of operators about hosts: `compose`, `groups` and `keyed_groups`.

Internal to the collection: no promise is made to other users of this file.

It is Ansible's own Constructable, so these options are what they are with every inventory plugin, but for two things.
A mere path costs no Jinja. And no node can stop the inventory by what it says where a name is expected.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible.plugins.inventory import Constructable
from ansible.utils.vars import combine_vars

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.text import shown
from ansible_collections.rollcall.discovery.plugins.plugin_utils._errors import PluginError
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory import _paths
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._draft import Draft


class _Naming(t.NamedTuple):
    """An expression whose value must make names of groups."""

    expression: t.Any

    def __str__(self) -> str:
        return str(self.expression)


class Constructed(Constructable):
    """Writes into a draft what the options say. `_claimant` is the host whose node may choose the name of a group."""

    _claimant = ""

    def construct(self, draft: Draft) -> None:
        """Evaluate the expressions, of each host its variables first. With `strict` a failure is an AnsibleError."""
        compose, groups, keyed_groups, strict = map(self.get_option, ("compose", "groups", "keyed_groups", "strict"))
        if not (compose or groups or keyed_groups):
            return
        keyed_groups = list(map(_naming, keyed_groups or ()))
        says_groups = "group_names" in str(keyed_groups)
        self.inventory = draft  # where Constructable writes
        for host in draft.hosts:
            variables = draft.get_host(host).get_vars()
            for name, expression in (compose or {}).items():
                self._set_composite_vars({name: expression}, variables, host, strict)
                variables.update(draft.hosts[host])
            self._add_host_to_composed_groups(groups, variables, host, strict, fetch_hostvars=False)
            for entry in keyed_groups:
                if says_groups:
                    variables["group_names"] = draft.group_names(host)
                self._claimant = host if self._is_claim(entry) else ""
                self._add_host_to_keyed_groups([entry], variables, host, strict, fetch_hostvars=False)

    def _compose(self, template: t.Any, variables: dict[str, t.Any], *args: t.Any) -> t.Any:
        """Constructable evaluates expressions here, and leaves their variables to the templar, for `parent_group`."""
        if isinstance(template, _Naming):
            return self._names(template, variables)
        known = combine_vars(variables, self._vars) if self.get_option("use_extra_vars") else variables
        self.templar.available_variables = known
        try:
            return _paths.evaluate(template, known)
        except _paths.NotAPath:
            return self.templar.evaluate_expression(template)

    def _names(self, naming: _Naming, variables: dict[str, t.Any]) -> t.Any:
        """A name, or a list or mapping of names. Raises AnsibleError otherwise; the host is skipped."""
        value = self._compose(naming.expression, variables)
        try:
            if isinstance(value, list):
                return list(map(_name, value))
            return {key: _name(inner) for key, inner in value.items()} if isinstance(value, Mapping) else _name(value)
        except TypeError:
            host = variables["inventory_hostname"]
            self.inventory.note(f"keyed_groups: the value of {naming} names no group", f"{host} ({shown(value)})")
            raise PluginError(f"{shown(value)} names no group") from None

    def _is_claim(self, entry: t.Any) -> bool:
        """Whether a node may choose the whole name of a group, or of its parent."""
        if not isinstance(entry, dict):
            return False
        separator = entry.get("separator", "_") and self.get_option("leading_separator")
        return not (entry.get("prefix") or separator) or "{" in str(entry.get("parent_group"))

    def _sanitize_group_name(self, name: t.Any) -> str:
        """A `parent_group` that is a template may come to anything."""
        group = str(super()._sanitize_group_name(str(name)))
        if self._claimant:
            self.inventory.claims.setdefault(group, {})[self._claimant] = None
        return group


def _naming(entry: t.Any) -> t.Any:
    """An entry of `keyed_groups`, whose key names groups; Constructable has an error for other values."""
    return {**entry, "key": _Naming(entry["key"])} if isinstance(entry, dict) and "key" in entry else entry


def _name(value: t.Any) -> str | None:
    """Text, as it is or of a number or a truth value; None is for Constructable. Raises TypeError for other values."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (int, float)):
        return str(value)
    raise TypeError(value)
