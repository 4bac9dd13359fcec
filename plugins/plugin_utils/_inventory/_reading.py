# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads all clusters at once, and knows what is left of one that cannot be read.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import concurrent.futures
import time
import typing as t

from ansible.plugins.cache import CachePluginAdjudicator
from ansible.utils.display import Display

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import (
    RollcallError,
    Unavailable,
    Unreachable,
)
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.text import printable, with_id
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.node_set import Keys
from ansible_collections.rollcall.discovery.plugins.plugin_utils._errors import PluginError
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory import _cached
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._clusters import Cluster
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory._state import StateFile

display = Display()

Readings = dict[str, Keys]  # by the name of the cluster


class NoReading(PluginError):
    """No earlier reading of a cluster can be used."""

    id = "RC-E-LAST-READING"


class LastGood:
    """The last good reading of each cluster, in a file each; `max_age` is seconds."""

    def __init__(self, directory: str | None, max_age: int) -> None:
        self._directory = directory
        self._max_age = max_age

    @classmethod
    def configured(cls, options: t.Mapping[str, t.Any]) -> LastGood | None:
        """As the options on_error, max_cache_age and state_dir say; None: failures are errors. Raises AnsibleError."""
        max_age = options["max_cache_age"]
        if options["on_error"] == "fail":
            if max_age is not None:
                raise PluginError("max_cache_age means nothing without on_error: use_cache")
            return None
        if max_age is None or max_age <= 0:
            raise PluginError("on_error: use_cache needs max_cache_age, the seconds after which a reading is too old")
        return cls(options["state_dir"], max_age)

    def keep(self, cluster: Cluster, keys: Keys) -> None:
        """Raises AnsibleError where it cannot be written: it would be missing when it is needed."""
        self._file(cluster).write({"time": time.time(), **_cached.dump(keys, cluster.source)})

    def recall(self, cluster: Cluster, failure: RollcallError) -> Keys:
        """The last good reading in place of one that failed, with a warning. Raises AnsibleError with both reasons."""
        if not _may_pass(failure):
            raise PluginError.of(failure)
        try:
            keys, age = self._load(cluster)
        except PluginError as exc:
            raise PluginError(f"{failure}. Nor can its last reading be used: {exc.text}", failure.id) from None
        text = f"{cluster} is taken as it was {age:.0f} seconds ago, at revision {keys.revision}: {failure}"
        display.warning(with_id(printable(text), "RC-E-LAST-READING"))
        return keys

    def _load(self, cluster: Cluster) -> tuple[Keys, float]:
        """The reading, and how many seconds old it is."""
        file = self._file(cluster)
        kept = file.read()
        if kept is None:
            raise NoReading(f"it does not exist ({file.path})")
        keys, written = _cached.load(kept, cluster.source), kept.get("time")
        if keys is None or not isinstance(written, (int, float)):
            raise NoReading(f"the file {file.path} is damaged, or of something else")
        age = time.time() - written
        if age > self._max_age:
            raise PluginError(
                f"it is {age:.0f} seconds old, more than max_cache_age ({self._max_age})", "RC-E-LAST-READING"
            )
        if age < 0:
            raise NoReading(f"it is from the future: the clock was set back ({file.path})")
        return keys, age

    def _file(self, cluster: Cluster) -> StateFile:
        return StateFile(self._directory, "reading", cluster.source)


def read(clusters: t.Sequence[Cluster], last_good: LastGood | None) -> tuple[Readings, bool]:
    """The keys of every cluster, and whether all of them are fresh. Raises AnsibleError that names who failed."""
    with concurrent.futures.ThreadPoolExecutor(len(clusters)) as pool:
        results = list(pool.map(_attempt, clusters))
    readings: Readings = {}
    failures = []
    for cluster, result in zip(clusters, results, strict=True):
        try:
            if isinstance(result, Keys):
                if last_good:
                    last_good.keep(cluster, result)
                readings[cluster.name] = result
            elif last_good:
                readings[cluster.name] = last_good.recall(cluster, result)
            else:
                raise PluginError.of(result)
        except PluginError as exc:
            failures.append(PluginError(f"{cluster}: {exc.text}", exc.id) if cluster.name else exc)
    if failures:
        raise PluginError(". ".join(failure.text for failure in failures), failures[0].id)
    return readings, all(isinstance(result, Keys) for result in results)


def cached(cache: CachePluginAdjudicator, key: str, clusters: t.Sequence[Cluster]) -> Readings | None:
    """The readings that a cache plugin has of all clusters, or None."""
    try:
        kept = cache.get(key)
    except Exception as exc:  # any: what a cache plugin makes of a damaged file is its own affair
        display.warning(with_id(printable(f"Cannot use the cached inventory: {exc!r}"), "RC-E-CACHE"))
        return None
    readings = {}
    for cluster in clusters:
        keys = _cached.load(kept.get(cluster.name), cluster.source) if isinstance(kept, dict) else None
        if keys is None:
            return None
        readings[cluster.name] = keys
    return readings


def to_cache(clusters: t.Sequence[Cluster], readings: Readings) -> dict[str, t.Any]:
    """The value for the cache, which `cached` reads."""
    return {cluster.name: _cached.dump(readings[cluster.name], cluster.source) for cluster in clusters}


def _attempt(cluster: Cluster) -> Keys | RollcallError:
    try:
        return cluster.fetch()
    except RollcallError as exc:
        return exc


def _may_pass(failure: RollcallError) -> bool:
    """Whether it is etcd, or the way to it, that is away. A wrong certificate, password or permission stays wrong."""
    return isinstance(failure, Unavailable) or (isinstance(failure, Unreachable) and not failure.refused)
