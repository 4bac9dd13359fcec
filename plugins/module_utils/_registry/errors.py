# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the registry refuses.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

from .._etcd.errors import RollcallError


class RegistryError(RollcallError):
    """The registry, or what is asked of it, is not as it must be."""


class InvalidLayout(RegistryError):
    """The prefix or layout cannot work, or does not fit the keys that are there."""


class InvalidNode(RegistryError):
    """What a node says of itself cannot be taken."""


class EmptyRegistry(RegistryError):
    """Nothing is under the prefix, and nobody declared that this is possible."""


class Duplicate(RegistryError):
    """The name is held by somebody else; the text names the holder."""


class InvalidTime(RegistryError):
    """A duration or a moment cannot be understood, or makes no sense."""
