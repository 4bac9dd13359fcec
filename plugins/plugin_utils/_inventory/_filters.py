# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of the nodes become hosts: `filters` and `exclude_filters`.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.rollcall.discovery.plugins.module_utils import _options
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.model import Node
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.select import select
from ansible_collections.rollcall.discovery.plugins.plugin_utils._errors import PluginError
from ansible_collections.rollcall.discovery.plugins.plugin_utils._plugin import suggestion

Json = dict[str, t.Any]


class Filters:
    """The nodes that pass `wanted`, but for those that pass one of `unwanted`. Raises AnsibleError for a bad filter."""

    def __init__(self, wanted: Json | None = None, unwanted: Json | list[Json] | None = None) -> None:
        excluding = [unwanted] if isinstance(unwanted, dict) else unwanted or []
        self._wanted = _filter("filters", wanted or {})
        self._unwanted = [_filter("exclude_filters", given) for given in excluding]
        self.given = {"filters": self._wanted, "exclude_filters": self._unwanted}

    def select(self, nodes: t.Sequence[Node]) -> list[Node]:
        """The nodes that become hosts, in their order."""
        excluded = {id(node) for unwanted in self._unwanted for node in select(nodes, **unwanted)}
        return [node for node in select(nodes, **self._wanted) if id(node) not in excluded]


def _filter(option: str, given: t.Any) -> Json:
    """Filters as `select` takes them. A mistake in one would silently match nobody, or everybody."""
    if not isinstance(given, dict):
        raise PluginError(f"{option}: {given!r} is no mapping of filters, as `role: web` is one")
    for name, value in given.items():
        if name not in _options.FILTERS:
            raise PluginError(f"{option}: there is no filter {name!r}{suggestion(name, _options.FILTERS)}")
        if value in (None, "", [], {}):
            raise PluginError(f"{option}.{name}: expected a value, got an empty one. Omit the filter to match all")
    checked = ArgumentSpecValidator(_options.argument_spec(_options.FILTERS)).validate(given)
    if checked.error_messages:
        raise PluginError(f"{option}: {checked.error_messages[0]}{_suggested(checked.validated_parameters)}")
    return {name: checked.validated_parameters[name] for name in given}


def _suggested(values: Json) -> str:
    choices = {name: option.choices for name, option in _options.FILTERS.items() if option.choices}
    wrong = [(word, choices[name]) for name in choices for word in values.get(name) or () if word not in choices[name]]
    return suggestion(*wrong[0]) if wrong else ""
