# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The errors of the registry.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

from .._etcd.errors import RollcallError

# Ids of the warnings of every reader.
REJECTED = "RC-E-REJECTED"  # a node is rejected
NODE_NOTE = "RC-E-NODE-NOTE"  # a node is accepted, but its data needs attention


class RegistryError(RollcallError):
    """Base of the errors about the registry and about requests to it."""

    id = "RC-E-REGISTRY"


class InvalidLayout(RegistryError):
    """The prefix or layout is invalid, or does not match the keys in etcd."""

    id = "RC-E-LAYOUT"


class InvalidNode(RegistryError):
    """The data of a node is invalid."""

    id = "RC-E-NODE"


class EmptyRegistry(RegistryError):
    """No key is under the prefix, and the reader does not accept an empty registry."""

    id = "RC-E-EMPTY-REGISTRY"


class Duplicate(RegistryError):
    """Another machine or client holds the name; the text identifies the holder."""

    id = "RC-E-DUPLICATE"


class Conflict(RegistryError):
    """Other clients changed the same keys in each attempt."""

    id = "RC-E-CONFLICT"


class UnknownMachine(RegistryError):
    """The identity or the name of this machine cannot be determined."""

    id = "RC-E-MACHINE"


class UnknownNode(RegistryError):
    """No node has this name."""

    id = "RC-E-UNKNOWN-NODE"


class GuardFailed(RegistryError):
    """A guard of the reader refuses the set of nodes."""

    id = "RC-E-GUARD"


class NoAddress(RegistryError):
    """No address was found for this host."""

    id = "RC-E-ADDRESS"


class InvalidTime(RegistryError):
    """A duration or point in time has an invalid form or value."""

    id = "RC-E-TIME"
