# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keys of the registry: builds and parses those of nodes, and those of the persistent state beside them.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import typing as t

from .errors import InvalidLayout

DEFAULT_PREFIX = "/infrastructure"
ROLE_NAME = "{role}/{name}"
DC_ROLE_NAME = "{dc}/{role}/{name}"
LAYOUTS = (ROLE_NAME, DC_ROLE_NAME)

# Keys of a node; CHECKS is followed by the check's name.
IP = "ip"
NODE = "node"
HEALTH = "health"
CHECKS = "checks/"


class Identity(t.NamedTuple):
    """The identity of a node. `dc` is "" in a layout without data centres."""

    dc: str
    role: str
    name: str

    def __str__(self) -> str:
        return "/".join(filter(None, self))


class Layout:
    """Builds and parses keys. Raises InvalidLayout if prefix, layout or state_prefix is invalid."""

    def __init__(self, prefix: str = DEFAULT_PREFIX, layout: str = ROLE_NAME, state_prefix: str = "") -> None:
        if layout not in LAYOUTS:
            raise InvalidLayout(f"layout: expected one of {', '.join(LAYOUTS)}, got {layout!r}")
        if not prefix.strip("/"):
            raise InvalidLayout(
                f"prefix: expected a directory such as /infrastructure, got {prefix!r}, which would be all of etcd"
            )
        if state_prefix and not state_prefix.strip("/"):
            raise InvalidLayout(
                f"state_prefix: expected a directory such as /rollcall, got {state_prefix!r}, which would be all of "
                "etcd"
            )
        self.layout = layout
        # A prefix always ends with a slash; otherwise web1 would own the keys of web10.
        self.prefix = prefix.rstrip("/") + "/"
        self.state_prefix = (state_prefix.rstrip("/") or "/rollcall/" + prefix.strip("/")) + "/"
        if self.state_prefix.startswith(self.prefix) or self.prefix.startswith(self.state_prefix):
            raise InvalidLayout(
                f"state_prefix: expected a directory outside the prefix {self.prefix}, and not one that contains it, "
                f"got {self.state_prefix}"
            )
        self._depth = layout.count("/") + 1

    def path(self, who: Identity) -> str:
        """The part of the key that names the node: [dc/]role/name. Raises InvalidLayout."""
        if bool(who.dc) != (self.layout == DC_ROLE_NAME):
            expected = "no data centre" if who.dc else "a data centre"
            got = repr(who.dc) if who.dc else "no value"
            raise InvalidLayout(f"dc of {who.name}: expected {expected} in the layout {self.layout}, got {got}")
        return str(who)

    def directory(self, who: Identity) -> str:
        """Prefix of all keys of a node."""
        return f"{self.prefix}{self.path(who)}/"

    def roster(self, who: Identity) -> str:
        """Key of the node's roster entry, which is persistent."""
        return f"{self.roster_prefix}{self.path(who)}"

    def maintenance(self, who: Identity) -> str:
        """Key of the node's maintenance, which is persistent."""
        return f"{self.maintenance_prefix}{self.path(who)}"

    @property
    def roster_prefix(self) -> str:
        """Prefix of the whole roster."""
        return f"{self.state_prefix}roster/"

    @property
    def maintenance_prefix(self) -> str:
        """Prefix of all maintenance keys."""
        return f"{self.state_prefix}maintenance/"

    def consumer(self, name: str) -> str:
        """Key under which a consumer publishes the revision that it has applied."""
        return f"{self.state_prefix}consumers/{name}"

    def parse(self, key: str) -> t.Optional[t.Tuple[Identity, str]]:
        """The node of a key under the prefix, and the part of the key below it; None if it does not fit the layout."""
        parts = key[len(self.prefix) :].split("/")
        leaf = "/".join(parts[self._depth :])
        if not _is_leaf(leaf) or not all(parts):
            return None
        return _identity(parts[: self._depth]), leaf

    def owner(self, key: str) -> t.Optional[Identity]:
        """The node whose directory contains a key under the prefix, with any name; None for a key above these."""
        parts = key[len(self.prefix) :].split("/")
        return _identity(parts[: self._depth]) if len(parts) > self._depth else None

    def bounded_directory(self, key: str) -> str:
        """The part of the registry that has bounds: the directory of the node that owns `key`, or the key itself if it
        is persistent state of a node; "" for a key of no node."""
        if key.startswith(self.prefix):
            parts = key[len(self.prefix) :].split("/", self._depth)
            return key[: len(key) - len(parts[-1])] if len(parts) > self._depth else ""
        return key if key.startswith(self.state_prefix) else ""

    def parse_state(self, key: str, prefix: str) -> t.Optional[Identity]:
        """The node of a persistent key under `prefix` (roster or maintenance); None if it does not fit the layout."""
        parts = key[len(prefix) :].split("/")
        return _identity(parts) if len(parts) == self._depth and all(parts) else None

    def fitting(self, keys: t.Iterable[str]) -> t.Optional[str]:
        """The other layout if some of `keys` fit it, for an error message."""
        other = LAYOUTS[1 - LAYOUTS.index(self.layout)]
        reader = Layout(self.prefix, other, self.state_prefix)
        return other if any(reader.parse(key) for key in keys) else None


def _identity(parts: t.Sequence[str]) -> Identity:
    return Identity(parts[0] if len(parts) == 3 else "", parts[-2], parts[-1])


def _is_leaf(leaf: str) -> bool:
    return leaf in (IP, NODE, HEALTH) or (leaf.startswith(CHECKS) and leaf.count("/") == 1)
