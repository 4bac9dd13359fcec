# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the registry refuses.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

from .._etcd.errors import RollcallError

# Ids of the warnings of every reader.
REJECTED = "RC-E-REJECTED"  # a node is not taken
NODE_NOTE = "RC-E-NODE-NOTE"  # a node is taken, but something of it deserves attention


class RegistryError(RollcallError):
    """The registry, or what is asked of it, is not as it must be."""

    id = "RC-E-REGISTRY"


class InvalidLayout(RegistryError):
    """The prefix or layout cannot work, or does not fit the keys that are there."""

    id = "RC-E-LAYOUT"


class InvalidNode(RegistryError):
    """What a node says of itself cannot be taken."""

    id = "RC-E-NODE"


class EmptyRegistry(RegistryError):
    """Nothing is under the prefix, and nobody declared that this is possible."""

    id = "RC-E-EMPTY-REGISTRY"


class Duplicate(RegistryError):
    """The name is held by somebody else; the text names the holder."""

    id = "RC-E-DUPLICATE"


class Conflict(RegistryError):
    """Others changed the same keys again and again."""

    id = "RC-E-CONFLICT"


class UnknownMachine(RegistryError):
    """The identity or the name of this machine cannot be found out."""

    id = "RC-E-MACHINE"


class UnknownNode(RegistryError):
    """No node has this name."""

    id = "RC-E-UNKNOWN-NODE"


class GuardFailed(RegistryError):
    """A guard of the reader refuses the nodes that it has read."""

    id = "RC-E-GUARD"


class NoAddress(RegistryError):
    """No address for this host."""

    id = "RC-E-ADDRESS"


class InvalidTime(RegistryError):
    """A duration or a moment cannot be understood, or makes no sense."""

    id = "RC-E-TIME"
