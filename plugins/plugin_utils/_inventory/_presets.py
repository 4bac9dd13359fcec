# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Layouts of trees that people already have: from their keys to nodes, and to what is said of groups.

Internal to the collection: no promise is made to other users of this file.

Who writes a tree decides what is taken from it. In `json` nodes describe themselves, and stay within the closed list
of variables. `consul` and `script` are written by operators: there a node's meta are variables of its host, groups have
the names that they have in the tree, and only what decides how Ansible works must be allowed by name.
"""

from __future__ import annotations

import collections
import graphlib
import typing as t

from ansible import constants
from ansible.utils.vars import isidentifier

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.text import shown
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.wire import KeyValue
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.errors import InvalidLayout, InvalidNode
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.model import (
    PASSING,
    Document,
    Node,
    valid_health,
)
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.node_set import (
    DEFAULT_ADMISSION,
    Admission,
    Rejected,
    require_lease,
)
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.strict_json import load, parse_json
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.validation import (
    RESERVED_KEYS,
    valid_address,
    valid_name,
    valid_word,
)

Json = dict[str, t.Any]

EVERYBODY = ("all", "ungrouped")  # Ansible's own groups: they may have variables, and nobody is put into them


class Tree(t.NamedTuple):
    """The nodes of a tree and the rejected ones, and groups as the tree names them, if operators write it."""

    nodes: list[Node]
    rejected: list[Rejected]
    children: t.Mapping[str, t.Iterable[str]] = {}  # the groups within each group
    group_variables: t.Mapping[str, Json] = {}
    notes: t.Sequence[str] = ()


class Trust(t.NamedTuple):
    """How far a tree is believed: which nodes are taken, and special variables that are taken nevertheless."""

    admission: Admission = DEFAULT_ADMISSION
    variables: t.Collection[str] = ()


class Preset(t.NamedTuple):
    """A layout: how keys, without the prefix, are read, how its groups are called, and whether operators write it."""

    read: t.Callable[[t.Mapping[str, KeyValue], Trust], Tree]
    group_names: t.Mapping[str, str | None]
    operated: bool

    def directory_of(self, key: str) -> str:
        """Which keys (without the prefix) are one node's and so have bounds: where nodes write, all of its name."""
        name, slash, _rest = key.partition("/")
        return "" if self.operated else name + slash


class _Variables:
    """Takes variables from a tree, but for those that decide how Ansible works, and remembers which it did not."""

    def __init__(self, trusted: t.Collection[str]) -> None:
        self._trusted = trusted
        self._refused: collections.Counter[tuple[str, str]] = collections.Counter()

    def take(self, given: t.Mapping[str, t.Any]) -> Json:
        """Those of `given` that may be taken."""
        reasons = {name: self._reason(name) for name in given}
        self._refused.update((name, reason) for name, reason in reasons.items() if reason)
        return {name: value for name, value in given.items() if not reasons[name]}

    @property
    def notes(self) -> list[str]:
        """One sentence for each name that was not taken."""
        return [
            f"The variable {shown(name)} is not taken from etcd ({count} x): {reason}"
            for (name, reason), count in sorted(self._refused.items())
        ]

    def _reason(self, name: str) -> str:
        if name in self._trusted:
            return ""
        if not isidentifier(name) or name.startswith(RESERVED_KEYS):
            return "no variable can have this name"
        if name.startswith(("ansible_", "rollcall_")) or name in constants.INTERNAL_STATIC_VARS or name == "vars":
            return "it decides how Ansible works (trusted_variables can allow it)"
        return ""


def _read_json(keys: t.Mapping[str, KeyValue], trust: Trust) -> Tree:
    """<host> = {"hostname", "ip", …}"""
    nodes: list[Node] = []
    rejected: list[Rejected] = []
    strays = [key for key in keys if "/" in key]
    for key, kv in keys.items():
        if "/" in key:
            continue
        try:
            if not trust.admission.unleased:
                require_lease(kv)
            nodes.append(_described(key, kv, trust))
        except InvalidNode as exc:
            rejected.append(Rejected(shown(key), str(exc)))
    return Tree(nodes, [*rejected, *_unfit(strays, "json, <host>")])


def _unfit(keys: t.Sequence[str], layout: str) -> list[Rejected]:
    """One line for all keys that fit no layout."""
    if not keys[1:]:
        return [Rejected(shown(key), f"the key does not fit the layout {layout}") for key in keys]
    return [Rejected(f"{len(keys)} keys", f"they do not fit the layout {layout}, such as {shown(keys[0])}")]


def _described(key: str, kv: KeyValue, trust: Trust) -> Node:
    """A node of its own document; which fields mean what is in the documentation of the option `layout`."""
    fields = load(kv.value, "document")
    address = _first(fields, "ip", "address")
    if not isinstance(address, str):
        raise InvalidNode(f"the document has no ip: {shown(kv.value)}")
    role, dc = _first(fields, "role", "type"), _first(fields, "dc", "datacenter")
    groups = _first(fields, "groups")
    return Node(
        name=valid_name(str(_first(fields, "hostname", "name") or key)),
        address=valid_address(address, trust.admission.networks),
        role=valid_word(role, "role") if role else "",
        roles=(role,) if role else (),
        dc=valid_word(dc, "data centre") if dc else "",
        health=valid_health(fields.pop("health", PASSING)),
        document=Document(tags=_words(groups), meta=fields),
        lease=kv.lease,
        created=kv.create_revision,
        revision=kv.mod_revision,
    )


def _read_consul(keys: t.Mapping[str, KeyValue], trust: Trust) -> Tree:
    """groups/<dc>/<host> = "a,b", metadata/<dc>/<host> = {variables}"""
    rejected: list[Rejected] = []
    strays: list[str] = []
    hosts: dict[tuple[str, str], dict[str, KeyValue]] = {}
    for key, kv in keys.items():
        match key.split("/"):
            case ["groups" | "metadata" as kind, dc, name]:
                hosts.setdefault((dc, name), {})[kind] = kv
            case _:
                strays.append(key)
    variables = _Variables(trust.variables)
    nodes: list[Node] = []
    for (dc, name), found in hosts.items():
        try:
            valid_word(dc, "data centre")
            given = load(found["metadata"].value, "metadata") if "metadata" in found else {}
            groups = _words(found["groups"].value if "groups" in found else None)
            nodes.append(_operated(dc, name, groups, given, list(found.values()), variables, trust))
        except InvalidNode as exc:
            rejected.append(Rejected(shown(f"{dc}/{name}"), str(exc)))
    return Tree(nodes, [*rejected, *_unfit(strays, "consul")], notes=variables.notes)


def _read_script(keys: t.Mapping[str, KeyValue], trust: Trust) -> Tree:
    """hosts/<group>/<host>, hostvars/<host>/<name>, groupvars/<group>/<name>, groups/<parent>/<child>"""
    rejected: list[Rejected] = []
    strays: list[str] = []
    hosts: dict[str, dict[str, KeyValue]] = {}
    host_variables: dict[str, dict[str, KeyValue]] = {}
    group_variables: dict[str, Json] = {}
    children: dict[str, dict[str, None]] = {}
    for key, kv in keys.items():
        try:
            match key.split("/"):
                case ["hosts", group, name] if valid_word(group, "group"):
                    hosts.setdefault(name, {})[group] = kv
                case ["hostvars", name, variable]:
                    host_variables.setdefault(name, {})[variable] = kv
                case ["groupvars", group, variable] if valid_word(group, "group"):
                    group_variables.setdefault(group, {})[variable] = _value(kv)
                case ["groups", parent, child] if _group(parent) and _group(child):
                    children.setdefault(parent, {})[child] = None
                case _:
                    strays.append(key)
        except InvalidNode as exc:
            rejected.append(Rejected(shown(key), str(exc)))
    _refuse_circles(children)
    variables = _Variables(trust.variables)
    nodes: list[Node] = []
    for name in {**hosts, **host_variables}:
        try:
            if name not in hosts:
                raise InvalidNode("it has variables and is in no group: hosts/<group>/<host> makes a host")
            groups = tuple(group for group in hosts[name] if group not in EVERYBODY)
            given = host_variables.get(name, {})
            values = {variable: _value(kv) for variable, kv in given.items()}
            found = [*hosts[name].values(), *given.values()]
            nodes.append(_operated("", name, groups, values, found, variables, trust))
        except InvalidNode as exc:
            rejected.append(Rejected(shown(name), str(exc)))
    taken = {group: variables.take(given) for group, given in group_variables.items()}
    return Tree(nodes, [*rejected, *_unfit(strays, "script")], children, taken, variables.notes)


def _operated(
    dc: str,
    name: str,
    groups: tuple[str, ...],
    given: Json,
    keys: t.Sequence[KeyValue],
    variables: _Variables,
    trust: Trust,
) -> Node:
    """A node that an operator has written down. Without an address it is reached by its name."""
    valid_name(name)
    address = ""
    if "ansible_host" not in trust.variables:
        given = dict(given)
        said = given.pop("ansible_host", None)
        if said is None and name.replace(".", "").isdigit():
            said = name  # what a resolver takes for an address must be one
        if said is None and trust.admission.networks:
            raise InvalidNode("it has no ansible_host, and allowed_networks asks for one")
        address = "" if said is None else valid_address(str(said), trust.admission.networks)
    return Node(
        dc=dc,
        role=groups[0] if groups else "",
        roles=groups,
        name=name,
        address=address,
        document=Document(meta=variables.take(given)),
        lease=keys[0].lease,
        created=min(kv.create_revision for kv in keys),
        revision=max(kv.mod_revision for kv in keys),
    )


def _refuse_circles(children: t.Mapping[str, t.Iterable[str]]) -> None:
    try:
        graphlib.TopologicalSorter(children).prepare()
    except graphlib.CycleError as exc:
        circle = ", ".join(dict.fromkeys(exc.args[1]))
        raise InvalidLayout(
            f"The groups {circle} are within each other by the keys groups/<parent>/<child>, and Ansible can have no "
            "circle of groups. Delete one of these keys"
        ) from None


def _group(word: str) -> str:
    """The name of a group that can have other groups or be in one. Raises InvalidNode."""
    if word in EVERYBODY:
        raise InvalidNode(f"the group {word!r} is Ansible's own")
    return valid_word(word, "group")


def _first(fields: Json, *names: str) -> t.Any:
    """Take the first of `names` that is there out of `fields`."""
    for name in names:
        if name in fields:
            return fields.pop(name)
    return None


def _words(given: t.Any) -> tuple[str, ...]:
    """Names of groups, a list or text with commas between them. Raises InvalidNode."""
    words = [word.strip() for word in given.split(",")] if isinstance(given, str) else given or []
    if not isinstance(words, list):
        raise InvalidNode(f"groups is not a list: {shown(given)}")
    return tuple(dict.fromkeys(valid_word(word, "group") for word in words if word))


def _value(kv: KeyValue) -> t.Any:
    """The data of a value: JSON if it is JSON, otherwise text. Raises InvalidNode if it is not UTF-8."""
    try:
        kv.value.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidNode(f"the value of {shown(kv.key)} is not UTF-8") from None
    try:
        return parse_json(kv.value, "value")
    except InvalidNode:
        return kv.value


# An operator's groups are called as in the tree, and nothing is known of the state of such hosts.
_AS_IN_THE_TREE = {"role": "{role}", "dc": "{dc}", "health": None, "maintenance": None}

PRESETS: t.Mapping[str, Preset] = {
    "json": Preset(_read_json, {}, operated=False),
    "consul": Preset(_read_consul, _AS_IN_THE_TREE, operated=True),
    "script": Preset(_read_script, _AS_IN_THE_TREE, operated=True),
}
