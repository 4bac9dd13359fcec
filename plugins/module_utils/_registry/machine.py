# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A machine's own identity.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import importlib
import socket
import typing as t

from .errors import InvalidNode, RegistryError
from .words import valid_name

# machine-id(5) is confidential: what is published must be a keyed hash of it, with a key of the application's own.
_APPLICATION = b"rollcall.discovery/node-id/1"


def machine_identity(
    machine_id: str = "/etc/machine-id", boot_id: str = "/proc/sys/kernel/random/boot_id"
) -> t.Tuple[str, str]:
    """This machine's id (32 hex digits, the same for its whole life) and the id of its boot. Raises RegistryError."""
    try:
        with open(machine_id, "rb") as file:
            secret = file.read().strip()
        with open(boot_id, encoding="ascii") as file:
            boot = file.read().strip()
    except OSError as exc:
        raise RegistryError(f"Cannot tell which machine this is: {exc}") from exc
    if not secret or secret == b"uninitialized":
        raise RegistryError(f"Cannot tell which machine this is: {machine_id} is empty; run systemd-machine-id-setup")
    return _keyed_hash(secret, _APPLICATION)[:32], boot


def host_name() -> str:
    """This machine's name without its domain. Raises RegistryError where it has none of its own."""
    name = socket.gethostname()
    try:
        return valid_name(name.split(".")[0])
    except InvalidNode as exc:
        raise RegistryError(
            f"Cannot tell what to call this host: it calls itself {name!r}, and {exc}. "
            "Give it a name (hostnamectl hostname), or set `name` in the configuration"
        ) from None


def _keyed_hash(key: bytes, text: bytes) -> str:
    """HMAC with SHA-256 (RFC 2104) of a key of at most 64 bytes."""
    padded = key.ljust(64, b"\0")
    inner = _sha256(bytes(byte ^ 0x36 for byte in padded) + text).digest()
    return str(_sha256(bytes(byte ^ 0x5C for byte in padded) + inner).hexdigest())


def _sha256(data: bytes) -> t.Any:
    """hashlib and hmac load OpenSSL, which the agent would carry for its whole life: 4 MB for one hash.

    The lean module behind hashlib does as well, as for the standard library's own random; 3.12 gave it another name.
    """
    for name in ("_sha2", "_sha256", "hashlib"):
        try:
            return importlib.import_module(name).sha256(data)
        except ImportError:
            continue
    raise RegistryError("This Python has no SHA-256")
