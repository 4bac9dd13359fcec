# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How an inventory gets from etcd to nodes: over which API, and in which layout.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import typing as t

from ansible_collections.rollcall.discovery.plugins.module_utils import _options
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.client import Client
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.v2 import V2Reader
from ansible_collections.rollcall.discovery.plugins.module_utils._registry import node_set, reading, roster
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.errors import InvalidLayout
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.layout import ROLE_NAME
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.model import Node
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.node_set import Keys
from ansible_collections.rollcall.discovery.plugins.plugin_utils import _plugin
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._draft import Draft
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._groups import GroupNames
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._presets import (
    EVERYBODY,
    PRESETS,
    Preset,
    Tree,
    Trust,
)


class Reader:
    """Reads trees as the options `layout`, `api`, `prefix`, … say. Raises RollcallError kinds."""

    def __init__(self, options: t.Mapping[str, t.Any]) -> None:
        kind = options["layout"]
        self._preset = PRESETS.get(kind)
        self._v2 = options["api"] == "v2"
        self._trust = Trust(_options.admission(options), options["trusted_variables"])
        self.layout = _options.layout({**options, "layout": ROLE_NAME} if self._preset else options)
        self._roster = not (self._preset or self._v2) and (options["lost"] or options["max_shrink"] is not None)
        if options["lost"] and not self._roster:
            raise InvalidLayout("lost needs a roster, which only the layouts and the api of this collection have")
        self.source = {
            "api": options["api"],
            "layout": kind,
            "prefix": self.layout.prefix,
            "state_prefix": self.layout.state_prefix,
            "roster": self._roster,
        }

    @property
    def operated(self) -> bool:
        """Whether operators write the tree, and not its nodes."""
        return bool(self._preset and self._preset.operated)

    def group_names(self, given: t.Mapping[str, str | None]) -> GroupNames:
        """How groups are called: as is `given`, else as the layout has it. Raises AnsibleError."""
        return GroupNames({**(self._preset.group_names if self._preset else {}), **given})

    def fetch(self, options: t.Mapping[str, t.Any]) -> Keys:
        """Every key, from the etcd that the connection options name. Raises RollcallError kinds."""
        if self._v2:
            with V2Reader(_plugin.settings(options)) as reader:
                found = reader.read_all(self.layout.prefix)
            return Keys(found.revision, found.kvs)
        with Client(_plugin.settings(options)) as client:
            if self._preset is None:
                return node_set.fetch(client, self.layout, roster=self._roster)
            return self._tree(client, self._preset)

    def _tree(self, client: Client, preset: Preset) -> Keys:
        """The tree alone: those of others have no kept state beside them."""
        prefix = self.layout.prefix

        def directory_of(key: str) -> str:
            directory = preset.directory_of(key[len(prefix) :])
            return prefix + directory if directory else ""

        found = reading.read(client, prefix, directory_of).found
        return Keys(found.revision, found.kvs)

    def assemble(self, keys: Keys) -> Tree:
        """The nodes, and what the tree says of groups."""
        if self._preset is None:
            found = node_set.assemble(keys.revision, keys.tree, keys.maintenance, self.layout, self._trust.admission)
            return Tree(found.nodes, found.rejected, notes=found.notes)
        return self._preset.read({kv.key[len(self.layout.prefix) :]: kv for kv in keys.tree}, self._trust)

    def absent(self, keys: Keys) -> list[Node]:
        """The nodes that the roster knows and that do not answer."""
        return roster.absent(keys, self.layout, self._trust.admission.networks)

    def write(self, draft: Draft, tree: Tree, names: GroupNames) -> None:
        """Put into the draft what operators say in their tree: variables of hosts and groups, groups of groups."""
        if not self.operated:
            return
        for variables in draft.hosts.values():
            meta, variables["rollcall_meta"] = variables["rollcall_meta"], {}
            variables.update(meta)
        for word, given in tree.group_variables.items():
            group = word if word in EVERYBODY else names.group("role", word)
            for name, value in given.items() if group else ():
                draft.set_group_variable(group, name, value)
        for word, words in tree.children.items():
            for group, child in ((names.group("role", word), names.group("role", inner)) for inner in words):
                if group and child:
                    draft.add_group(child)
                    draft.add_child(draft.add_group(group), child)
