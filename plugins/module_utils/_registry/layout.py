# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which key is whose: the article's layout, both ways, and the kept state beside it.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import typing as t

from .errors import InvalidLayout

DEFAULT_PREFIX = "/infrastructure"
ROLE_NAME = "{role}/{name}"
DC_ROLE_NAME = "{dc}/{role}/{name}"
LAYOUTS = (ROLE_NAME, DC_ROLE_NAME)

# Keys of a node; under CHECKS one more part, the check's name.
IP = "ip"
NODE = "node"
HEALTH = "health"
CHECKS = "checks/"


class Identity(t.NamedTuple):
    """Who a node is: its key. `dc` is "" in a layout without data centres."""

    dc: str
    role: str
    name: str

    def __str__(self) -> str:
        return "/".join(filter(None, self))


class Layout:
    """Builds and reads keys. Raises InvalidLayout where prefix or layout cannot work."""

    def __init__(self, prefix: str = DEFAULT_PREFIX, layout: str = ROLE_NAME, state_prefix: str = "") -> None:
        if layout not in LAYOUTS:
            raise InvalidLayout(f"Unknown layout {layout!r}: choose one of {', '.join(LAYOUTS)}")
        if not prefix.strip("/"):
            raise InvalidLayout("The prefix must name something, as /infrastructure does: '/' would be all of etcd")
        if state_prefix and not state_prefix.strip("/"):
            raise InvalidLayout("The state_prefix must name something, as /rollcall does: '/' would be all of etcd")
        self.layout = layout
        # A prefix always ends in a slash, or web1 would own web10.
        self.prefix = prefix.rstrip("/") + "/"
        self.state_prefix = (state_prefix.rstrip("/") or "/rollcall/" + prefix.strip("/")) + "/"
        if self.state_prefix.startswith(self.prefix) or self.prefix.startswith(self.state_prefix):
            raise InvalidLayout(
                f"prefix {self.prefix} and state_prefix {self.state_prefix} must not lie within each other"
            )
        self._depth = layout.count("/") + 1

    def path(self, who: Identity) -> str:
        """The part of the key that names the node: [dc/]role/name. Raises InvalidLayout."""
        if bool(who.dc) != (self.layout == DC_ROLE_NAME):
            have = "no data centre is given" if not who.dc else f"data centre {who.dc!r} is given"
            raise InvalidLayout(f"{who.name}: {have}, but the layout is {self.layout}")
        return str(who)

    def directory(self, who: Identity) -> str:
        """Prefix of all keys of a node."""
        return f"{self.prefix}{self.path(who)}/"

    def roster(self, who: Identity) -> str:
        """Key of the node's history, kept when its lease ends."""
        return f"{self.roster_prefix}{self.path(who)}"

    def maintenance(self, who: Identity) -> str:
        """Key that says who drained the node and why."""
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
        """Key under which a load balancer publishes what it has applied."""
        return f"{self.state_prefix}consumers/{name}"

    def parse(self, key: str) -> t.Optional[t.Tuple[Identity, str]]:
        """Whose key under the prefix this is and which of the node's keys; None where it does not fit the layout."""
        parts = key[len(self.prefix) :].split("/")
        leaf = "/".join(parts[self._depth :])
        if not _is_leaf(leaf) or not all(parts):
            return None
        return _identity(parts[: self._depth]), leaf

    def owner(self, key: str) -> t.Optional[Identity]:
        """In whose directory a key under the prefix lies, whatever it is called there; None for a key above those."""
        parts = key[len(self.prefix) :].split("/")
        return _identity(parts[: self._depth]) if len(parts) > self._depth else None

    def bounded_directory(self, key: str) -> str:
        """The directory of the node whose key this is, which may hold so much and no more; of a node's kept state the
        key itself. "" for a key of nobody's."""
        if key.startswith(self.prefix):
            parts = key[len(self.prefix) :].split("/", self._depth)
            return key[: len(key) - len(parts[-1])] if len(parts) > self._depth else ""
        return key if key.startswith(self.state_prefix) else ""

    def parse_state(self, key: str, prefix: str) -> t.Optional[Identity]:
        """Whose kept key under `prefix` (of the roster, of maintenance) this is; None where it does not fit."""
        parts = key[len(prefix) :].split("/")
        return _identity(parts) if len(parts) == self._depth and all(parts) else None

    def fitting(self, keys: t.Iterable[str]) -> t.Optional[str]:
        """The other layout, where some of `keys` would fit it; for the message of an error."""
        other = LAYOUTS[1 - LAYOUTS.index(self.layout)]
        reader = Layout(self.prefix, other, self.state_prefix)
        return other if any(reader.parse(key) for key in keys) else None


def _identity(parts: t.Sequence[str]) -> Identity:
    return Identity(parts[0] if len(parts) == 3 else "", parts[-2], parts[-1])


def _is_leaf(leaf: str) -> bool:
    return leaf in (IP, NODE, HEALTH) or (leaf.startswith(CHECKS) and leaf.count("/") == 1)
