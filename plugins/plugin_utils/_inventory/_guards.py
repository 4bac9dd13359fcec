# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Conditions for an inventory as a whole, before it is returned.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.rollcall.discovery.plugins.module_utils._registry.errors import (
    EmptyRegistry,
    GuardFailed,
)
from ansible_collections.rollcall.discovery.plugins.plugin_utils._errors import PluginError
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._clusters import Cluster
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._draft import some
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._hosts import Built
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._state import StateFile

ENVIRONMENT = "ANSIBLE_ROLLCALL_MAX_SHRINK"


def guard(built: Built, where: str, allow_empty: bool, min_hosts: int, strict_nodes: bool) -> None:
    """Raises EmptyRegistry or RegistryError if the inventory must not be used as it is. Lost hosts do not count."""
    hosts, rejected = len(built.alive), built.rejected
    if rejected and strict_nodes:
        raise GuardFailed(f"{len(rejected)} nodes cannot be taken (strict_nodes), the first is {rejected[0]}")
    if not hosts and not allow_empty:
        raise EmptyRegistry(_empty(built, where))
    if hosts < min_hosts:
        raise GuardFailed(f"There are {hosts} hosts {where}, fewer than min_hosts ({min_hosts}). See who is missing")


def _empty(built: Built, where: str) -> str:
    if built.filtered:
        return (
            f"None of the {built.filtered} nodes {where} passes the filters. "
            "Check filters and exclude_filters, or allow that there is no host (allow_empty: true)"
        )
    rejected = built.rejected
    found = f"all {len(rejected)} are rejected, the first is {rejected[0]}" if rejected else "no node is registered"
    return f"There is no node {where}: {found}. Check the prefix, or allow it to be empty (allow_empty: true)"


class Shrinkage:
    """Compares the hosts with those of the last accepted run, which `file` has. `limit` is a percentage."""

    def __init__(self, limit: str, file: StateFile) -> None:
        if not re.fullmatch(r"\d{1,3}(\.\d+)?\s*%?", limit.strip()) or _percentage(limit) > 100:
            raise PluginError(f"max_shrink is {limit!r}: it must be a percentage from 0 to 100, as 30 or 30%")
        self._limit = _percentage(limit)
        self._file = file

    @classmethod
    def configured(cls, options: t.Mapping[str, t.Any], clusters: t.Sequence[Cluster], path: str) -> Shrinkage | None:
        """As the options max_shrink and state_dir say; None: nothing is compared. Raises AnsibleError.

        Runs of the inventory file at `path` are compared, with any endpoints: a fleet is the same when its
        etcd moves. Other trees, filters or names make other hosts, with nothing to compare with.
        """
        if options["max_shrink"] is None:
            return None
        choices = {name: options[name] for name in ("filters", "exclude_filters", "hostnames")}
        trees = {cluster.name: [cluster.source["layout"], cluster.source["prefix"]] for cluster in clusters}
        source = {"file": os.path.abspath(path), "clusters": trees, **choices}
        return cls(options["max_shrink"], StateFile(options["state_dir"], "hosts", source))

    def guard(self, alive: t.Collection[str], left: t.Collection[str]) -> None:
        """Raises AnsibleError where too many hosts are missing. Those in `left` went on purpose and do not count."""
        if self._limit >= 100:
            return
        before = set(self._last()) - (set(left) - set(alive))
        gone = len(before) - len(alive)
        if gone * 100 <= self._limit * len(before):
            return
        missing = sorted(before - set(alive))
        raise PluginError(
            f"There are {len(alive)} hosts where the last accepted run had {len(before)}: "
            f"{gone * 100 / len(before):.0f} % fewer, and max_shrink is {self._limit:g} %. "
            f"Missing are {some(missing)}. See what became of them. "
            f"To accept it, run once with {ENVIRONMENT}=100 in the environment, or delete {self._file.path}",
            "RC-E-SHRUNK",
        )

    def accept(self, alive: t.Iterable[str]) -> None:
        """The next run is compared with these hosts. Raises AnsibleError."""
        self._file.write({"hosts": sorted(alive)})

    def _last(self) -> list[str]:
        content = self._file.read()
        hosts = [] if content is None else content.get("hosts")
        if not isinstance(hosts, list) or not all(isinstance(host, str) for host in hosts):
            raise PluginError(
                f"The file {self._file.path} is damaged; delete it to accept the hosts that there are now"
            )
        return hosts


def _percentage(text: str) -> float:
    return float(text.strip().rstrip("%"))
