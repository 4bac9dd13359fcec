# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The identity of this machine.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import importlib
import os
import socket
import typing as t

from .errors import InvalidNode, UnknownMachine
from .validation import valid_name

# machine-id(5) is confidential: applications must publish only a keyed hash of it, with a key of their own.
_APPLICATION = b"rollcall.discovery/node-id/1"


# The sources of an identity. Clones of a disk share the first, but neither of the others.
MACHINE_ID, DMI, MAC = ID_SOURCES = ("machine-id", "dmi", "mac")


def machine_identity(id_from: str = MACHINE_ID, root: str = "/") -> t.Tuple[str, str]:
    """This machine's id (32 hex digits, which never change) and the id of its boot. Raises RegistryError.

    `id_from` is one of ID_SOURCES; `root` is the directory that contains /etc, /proc and /sys.
    """
    try:
        secret = {MACHINE_ID: _machine_id, DMI: _product_uuid, MAC: _hardware_address}[id_from](root)
        boot = _read(root, "proc/sys/kernel/random/boot_id")
    except OSError as exc:
        raise UnknownMachine(f"Cannot determine the machine id (id_from: {id_from}): {exc}") from exc
    return _keyed_hash(secret.encode(), _APPLICATION)[:32], boot


def _machine_id(root: str) -> str:
    """machine-id(5), which is stored on disk, so clones of a disk share it."""
    secret = _read(root, "etc/machine-id")
    if secret in ("", "uninitialized"):
        file = os.path.join(root, "etc/machine-id")
        raise UnknownMachine(f"Cannot determine the machine id: {file} is empty. Run systemd-machine-id-setup")
    return secret


def _product_uuid(root: str) -> str:
    """The UUID of the mainboard or virtual machine. If the vendor has not set it, it repeats a single digit."""
    uuid = _read(root, "sys/class/dmi/id/product_uuid").lower()
    if len(set(uuid) - {"-"}) < 2:
        raise UnknownMachine(
            f"Cannot determine the machine id from DMI: the product UUID is not set ({uuid!r}). Set id_from to mac"
        )
    return uuid


def _hardware_address(root: str) -> str:
    """The lowest MAC address of the network cards, independent of their order; in a container, of its veth links."""
    interfaces = os.path.join(root, "sys/class/net")
    cards, cables = [], []
    for name in os.listdir(interfaces):
        about = os.path.join("sys/class/net", name)
        if not os.path.isdir(os.path.join(root, about)) or _read(root, about + "/type") != "1":  # ARPHRD_ETHER
            continue
        address = _read(root, about + "/address")
        if os.path.exists(os.path.join(root, about, "device")):
            cards.append(address)
        elif _read(root, about + "/iflink") != _read(root, about + "/ifindex"):
            cables.append(address)
    if not cards + cables:
        raise UnknownMachine(
            f"Cannot determine the machine id from a MAC address: no network card in {interfaces}. Set id_from to "
            "another source"
        )
    return min(cards or cables)


def _read(root: str, path: str) -> str:
    with open(os.path.join(root, path), encoding="ascii") as file:
        return file.read().strip()


def host_name() -> str:
    """This machine's name without its domain. Raises RegistryError if that is not a valid name of a node."""
    name = socket.gethostname()
    try:
        return valid_name(name.split(".")[0])
    except InvalidNode as exc:
        raise UnknownMachine(
            f"Cannot use the host name {name!r} as the node's name: {exc}. "
            "Change it with hostnamectl hostname, or set `name` in the configuration"
        ) from None


def _keyed_hash(key: bytes, text: bytes) -> str:
    """HMAC-SHA-256 (RFC 2104) with a key of at most 64 bytes."""
    padded = key.ljust(64, b"\0")
    inner = _sha256(bytes(byte ^ 0x36 for byte in padded) + text).digest()
    return str(_sha256(bytes(byte ^ 0x5C for byte in padded) + inner).hexdigest())


def _sha256(data: bytes) -> t.Any:
    """SHA-256 without hashlib and hmac, which would load OpenSSL into the agent: 4 MB of memory for a single hash.

    Uses the C module behind hashlib, as the standard library's own random does; Python 3.12 renamed it.
    """
    for name in ("_sha2", "_sha256", "hashlib"):
        try:
            return importlib.import_module(name).sha256(data)
        except ImportError:
            continue
    raise UnknownMachine("Cannot determine the machine id: this Python has no SHA-256. Use another Python")
