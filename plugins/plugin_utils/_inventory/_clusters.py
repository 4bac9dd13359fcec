# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The etcds that an inventory is made of: one, or several clusters in one source.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.inventory import BaseInventoryPlugin

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import RollcallError
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.settings import WHERE
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.model import Node
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.node_set import Keys, Rejected
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.validation import valid_word
from ansible_collections.rollcall.discovery.plugins.plugin_utils import _plugin
from ansible_collections.rollcall.discovery.plugins.plugin_utils._errors import PluginError, id_of, reason
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory import _cached
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._groups import GroupNames
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._presets import Tree
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._reader import Reader

Json = dict[str, t.Any]

OPTIONS = (*_plugin.SHARED_OPTIONS, "api", "trusted_variables")  # what one cluster may have otherwise than the others


class Cluster(t.NamedTuple):
    """One etcd. `name` is "" where there is only one; `dc` is for nodes whose layout names none."""

    name: str
    dc: str
    options: Json
    reader: Reader
    source: Json

    def __str__(self) -> str:
        return f"The cluster {self.name}" if self.name else "etcd"

    def fetch(self) -> Keys:
        """Every key, at one revision. Raises RollcallError kinds."""
        return self.reader.fetch(self.options)


class Nodes(t.NamedTuple):
    """The nodes of all clusters, those that cannot be taken and those that no longer answer, and what trees say."""

    nodes: list[Node]
    rejected: list[Rejected]
    absent: list[Node]
    notes: list[str]
    trees: list[tuple[Reader, Tree]]

    @property
    def operated(self) -> bool:
        """Whether operators write the trees, and not their nodes."""
        return any(reader.operated for reader, _tree in self.trees)


def configured(plugin: BaseInventoryPlugin, direct: Json, variables: Json) -> list[Cluster]:
    """Give the plugin its options: `direct` is what the file says. Raises AnsibleError and RollcallError kinds.

    Ansible itself reads the options of each cluster, with those of the file below them.
    """
    plugin.set_options(direct=direct, var_options=variables)
    entries = plugin.get_option("clusters")
    if entries is None:
        return [_cluster("", "", _plugin.options_of(plugin))]
    names = {name: option for name, option in _plugin.option_names(plugin).items() if option in OPTIONS}
    clusters = []
    for cluster, dc, own in map(_entry, entries):
        try:
            _plugin.refuse_unknown(own, names)
            _plugin.refuse_blank(own, names)
            own = {names[name]: value for name, value in own.items()}
            plugin.set_options(direct={**direct, **own}, var_options=variables)
            clusters.append(_cluster(cluster, dc, _own_endpoints(_plugin.options_of(plugin), own)))
        except (AnsibleError, RollcallError) as exc:
            raise PluginError(f"Cannot read the cluster {cluster}: {reason(exc)}", id_of(exc)) from None
    plugin.set_options(direct=direct, var_options=variables)
    _refuse_twins(clusters)
    return clusters


def group_names(clusters: t.Sequence[Cluster], given: t.Mapping[str, str | None]) -> GroupNames:
    """How groups are called: as is `given`, else as the layout has it. Raises AnsibleError."""
    return clusters[0].reader.group_names(given)  # the others have a layout of the same kind


def assemble(clusters: t.Sequence[Cluster], readings: t.Mapping[str, Keys]) -> Nodes:
    """The nodes of each cluster, by its name. Raises RollcallError kinds."""
    found = Nodes([], [], [], [], [])
    for cluster in clusters:
        keys = readings[cluster.name]
        tree = cluster.reader.assemble(keys)
        found.nodes.extend(_placed(tree.nodes, cluster))
        found.absent.extend(_placed(cluster.reader.absent(keys), cluster))
        label = f"{cluster.name}: " if cluster.name else ""
        found.rejected.extend(Rejected(label + path, reason) for path, reason in tree.rejected)
        found.notes.extend(label + note for note in tree.notes)
        found.trees.append((cluster.reader, tree))
    return found


def where(clusters: t.Sequence[Cluster]) -> str:
    """Where nodes were looked for, for a message."""
    if len(clusters) == 1:
        return f"under {clusters[0].reader.layout.prefix}"
    return f"in the clusters {', '.join(cluster.name for cluster in clusters)}"


def _entry(entry: t.Any) -> tuple[str, str, Json]:
    """Name, data centre and own options of one of `clusters`."""
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise PluginError("clusters: each must be a mapping with a name, as {name: eu, endpoints: [...]}")
    own = dict(entry)
    name, dc = valid_word(own.pop("name"), "cluster"), own.pop("dc", None)
    return name, valid_word(dc, "data centre") if dc else "", own


def _own_endpoints(options: Json, own: Json) -> Json:
    """The options, with the connection of the file only if the cluster names no endpoints, and never this host's."""
    if not any(name in own for name in WHERE):
        if not any(options[name] for name in WHERE):
            raise PluginError("neither the cluster nor the file gives endpoints")
        return options
    return {**options, **{name: None for name in WHERE if name not in own}}


def _cluster(name: str, dc: str, options: Json) -> Cluster:
    reader = Reader(options)
    return Cluster(name, dc, options, reader, _cached.source(options, reader))


def _refuse_twins(clusters: t.Sequence[Cluster]) -> None:
    """Raises AnsibleError if clusters could not be distinguished, or differ in who writes them."""
    if not clusters:
        raise PluginError(
            "clusters: expected at least one cluster, got an empty list. Omit the option for a single one"
        )
    for number, cluster in enumerate(clusters):
        for other in clusters[:number]:
            if cluster.name == other.name:
                raise PluginError(f"clusters: {cluster.name} is there twice")
            if cluster.source == other.source:
                raise PluginError(f"clusters: {other.name} and {cluster.name} are the same keys of the same etcd")
            if cluster.reader.operated != other.reader.operated:
                raise PluginError(
                    f"clusters: of {other.name} and {cluster.name} one is written by nodes, the other by operators, "
                    "who are trusted with more. Make an inventory file of each"
                )


def _placed(nodes: t.Iterable[Node], cluster: Cluster) -> t.Iterable[Node]:
    if not cluster.name:
        return nodes
    return (dataclasses.replace(node, dc=node.dc or cluster.dc, cluster=cluster.name) for node in nodes)
