# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The default groups: which there are, how they are called, and who is in them.

Internal to the collection: no promise is made to other users of this file.

A role or a data centre is part of a node's key, and its state is what the registry knows. Services and tags are what a
node merely says of itself: a group of theirs never takes the name of another one.
"""

from __future__ import annotations

import typing as t

from ansible.inventory.group import to_safe_group_name

from ansible_collections.rollcall.discovery.plugins.module_utils._registry.model import HEALTHS, Node
from ansible_collections.rollcall.discovery.plugins.plugin_utils._errors import PluginError
from ansible_collections.rollcall.discovery.plugins.plugin_utils._plugin import suggestion

PATTERNS: dict[str, str] = {
    "role": "role_{role}",
    "dc": "dc_{dc}",
    "service": "service_{service}",
    "tag": "tag_{tag}",
    "health": "health_{health}",
    "maintenance": "maintenance",
    "lost": "lost",
}

CLAIMS = ("service", "tag")
STATES = {"health": HEALTHS, "maintenance": ("",), "lost": ("",)}  # the words of these are known beforehand

Groups = dict[str, dict[str, None]]  # the hosts of each group, in their order


class GroupNames:
    """How the groups of each kind are called: PATTERNS, but for what `given` says; None: no group of that kind.

    Raises AnsibleError for a pattern that cannot work.
    """

    def __init__(self, given: t.Mapping[str, str | None] | None = None) -> None:
        for kind in given or ():
            if kind not in PATTERNS:
                raise PluginError(f"group_names: there is no kind {kind!r} of groups{suggestion(kind, PATTERNS)}")
        self._patterns = {**PATTERNS, **(given or {})}
        for kind, pattern in self._patterns.items():
            if pattern is not None:
                _check(kind, pattern)
        self.reserved = dict.fromkeys(("all", "ungrouped", "_meta"), "Ansible's own")
        for kind, words in STATES.items():
            for word in words:
                group = self.group(kind, word)
                if group in self.reserved:
                    raise PluginError(f"group_names.{kind}: {group} is {self.reserved[group]} already")
                if group is not None:
                    self.reserved[group] = _owned(kind, word)

    def group(self, kind: str, word: str = "") -> str | None:
        """The name of a group, or None if groups of that kind are off."""
        pattern = self._patterns[kind]
        if pattern is None:
            return None
        return str(to_safe_group_name(pattern.replace(f"{{{kind}}}", word), force=True, silent=True))

    def is_bare(self, kind: str) -> bool:
        """Whether the word alone is the name, so that hosts may be called the same."""
        return self._patterns[kind] == f"{{{kind}}}"


def make(hosts: t.Mapping[str, Node], names: GroupNames, operated: bool = False) -> tuple[Groups, list[str]]:
    """The groups, and in words which were not made: of two that would have one name the older is made.

    So nobody who may register a node takes a group from others, or stops them. Where operators write the tree
    (`operated`), raises AnsibleError where two roles or data centres make one group: that is a mistake of theirs.
    """
    members: dict[tuple[str, str], dict[str, None]] = {}
    for host, node in hosts.items():
        for place in _places(node):
            members.setdefault(place, {})[host] = None
    makers: dict[str, list[tuple[str, str]]] = {}
    for kind, word in members:
        group = names.group(kind, word)
        if group is not None:
            makers.setdefault(group, []).append((kind, word))
    groups: Groups = {}
    notes: list[str] = []
    for group, places in sorted(makers.items()):
        places.sort(key=lambda place: (_rank(place[0], len(members[place])), _created(members[place], hosts), place))
        owner, first = names.reserved.get(group), places[0]
        if owner is None or places[0][0] in STATES:
            places.pop(0)
            groups[group] = members[first]
            owner = _owned(*first)
        for kind, word in places:
            advice = (
                f"Register its nodes under a name that differs in more than punctuation, or set group_names.{kind}"
                if kind not in CLAIMS
                else ""
            )
            if advice and operated:
                raise PluginError(f"The {kind} {word!r} would make the group {group}, which is {owner}. {advice}")
            notes.append(f"The {kind} {word!r} makes no group: {group} is {owner}. {advice}".rstrip(". "))
        if group in groups and group in hosts and not operated and names.is_bare(first[0]):
            others = groups[group].keys() - {group}
            if not others or hosts[group].created < _created(others, hosts):
                del groups[group]
                notes.append(f"The {first[0]} {first[1]!r} makes no group: {group} is the name of an older host")
    return groups, notes


def _created(members: t.Iterable[str], hosts: t.Mapping[str, Node]) -> int:
    """The revision at which the first of these hosts took its name."""
    return min(hosts[host].created for host in members)


def _places(node: Node) -> t.Iterator[tuple[str, str]]:
    """The groups of a node: of which kind, and by which word."""
    for role in node.roles:
        yield "role", role
    if node.dc:
        yield "dc", node.dc
    for service in node.services:
        yield "service", service.name
    for tag in node.document.tags:
        yield "tag", tag
    yield "health", node.health
    if node.maintenance is not None:
        yield "maintenance", ""


def _rank(kind: str, hosts: int) -> tuple[int, int]:
    """The claim that yields: a claim to what follows from the key, and of claims the one of fewer hosts."""
    return (2, -hosts) if kind in CLAIMS else (0 if kind in STATES else 1, 0)


def _owned(kind: str, word: str) -> str:
    return f"the group of the {kind} {word!r}" if word else f"the group of {kind}"


def _check(kind: str, pattern: t.Any) -> None:
    """Raises AnsibleError where the names of the groups would not tell them apart, or a node could choose one."""
    field = "" if STATES.get(kind) == ("",) else f"{{{kind}}}"
    literal = pattern.replace(field, "", 1) if isinstance(pattern, str) and field in pattern else None
    if literal is None or "{" in literal or "}" in literal or not pattern:
        need = f"text with {field} once" if field else "text without braces"
        raise PluginError(f"group_names.{kind} is {pattern!r}: it must be {need}, or null for no such groups")
    if kind in CLAIMS and not literal:
        raise PluginError(
            f"group_names.{kind}: a node says its {kind} as it likes, and would choose the whole name of a group. "
            f"Put something before {field}, or after it"
        )
