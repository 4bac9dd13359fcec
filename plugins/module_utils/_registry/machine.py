# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A machine's own identity.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import importlib
import os
import socket
import typing as t

from .errors import InvalidNode, UnknownMachine
from .validation import valid_name

# machine-id(5) is confidential: what is published must be a keyed hash of it, with a key of the application's own.
_APPLICATION = b"rollcall.discovery/node-id/1"


# What may tell one machine from another: clones of a disk share the first, but neither of the others.
MACHINE_ID, DMI, MAC = ID_SOURCES = ("machine-id", "dmi", "mac")


def machine_identity(id_from: str = MACHINE_ID, root: str = "/") -> t.Tuple[str, str]:
    """This machine's id (32 hex digits, the same for its whole life) and the id of its boot. Raises RegistryError.

    `id_from` is one of ID_SOURCES; `root` is the directory that has /etc, /proc and /sys.
    """
    try:
        secret = {MACHINE_ID: _machine_id, DMI: _product_uuid, MAC: _hardware_address}[id_from](root)
        boot = _read(root, "proc/sys/kernel/random/boot_id")
    except OSError as exc:
        raise UnknownMachine(f"Cannot tell which machine this is: {exc}") from exc
    return _keyed_hash(secret.encode(), _APPLICATION)[:32], boot


def _machine_id(root: str) -> str:
    """machine-id(5): of the file system, so that copies of a disk have the same."""
    secret = _read(root, "etc/machine-id")
    if secret in ("", "uninitialized"):
        file = os.path.join(root, "etc/machine-id")
        raise UnknownMachine(f"Cannot tell which machine this is: {file} is empty; run systemd-machine-id-setup")
    return secret


def _product_uuid(root: str) -> str:
    """The UUID of the mainboard, or of the virtual machine. Vendors that set none leave one digit repeated."""
    uuid = _read(root, "sys/class/dmi/id/product_uuid").lower()
    if len(set(uuid) - {"-"}) < 2:
        raise UnknownMachine(f"Cannot tell which machine this is by DMI: its product UUID is {uuid!r}")
    return uuid


def _hardware_address(root: str) -> str:
    """The lowest address of the network cards, whatever their order; of a container, that of its cables."""
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
        raise UnknownMachine(f"Cannot tell which machine this is by MAC: no network card in {interfaces}")
    return min(cards or cables)


def _read(root: str, path: str) -> str:
    with open(os.path.join(root, path), encoding="ascii") as file:
        return file.read().strip()


def host_name() -> str:
    """This machine's name without its domain. Raises RegistryError where it has none of its own."""
    name = socket.gethostname()
    try:
        return valid_name(name.split(".")[0])
    except InvalidNode as exc:
        raise UnknownMachine(
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
    raise UnknownMachine("This Python has no SHA-256")
