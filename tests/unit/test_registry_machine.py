# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which machine this is."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._registry.errors import RegistryError
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.machine import machine_identity

MACHINE_ID = "4a1b6f0d2c3e4f5061728394a5b6c7d8"
UUID = "4C4C4544-0043-3010-8052-B4C04F564231"


def keyed(secret: str) -> str:
    return hmac.new(secret.encode(), b"rollcall.discovery/node-id/1", hashlib.sha256).hexdigest()[:32]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    put(tmp_path, "etc/machine-id", MACHINE_ID)
    put(tmp_path, "proc/sys/kernel/random/boot_id", "7a8dd831-e282-4b21-a22f-062b90364c00")
    put(tmp_path, "sys/class/dmi/id/product_uuid", UUID)
    interface(tmp_path, "lo", 1, "00:00:00:00:00:00", kind=772)
    return tmp_path


def put(root: Path, path: str, content: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(f"{content}\n")


def interface(
    root: Path, name: str, index: int, address: str, link: int = 0, kind: int = 1, card: bool = False
) -> None:
    """As sysfs shows it; `link` is the index of its other end, where that is another interface."""
    files = {"ifindex": index, "iflink": link or index, "address": address, "type": kind}
    for file, content in files.items():
        put(root, f"sys/class/net/{name}/{file}", str(content))
    if card:
        (root / "sys/class/net" / name / "device").mkdir()


def test_the_id_is_a_keyed_hash_of_the_machine_id(root: Path) -> None:
    assert machine_identity(root=str(root)) == (keyed(MACHINE_ID), "7a8dd831-e282-4b21-a22f-062b90364c00")


@pytest.mark.parametrize(("content", "message"), [("", "is empty"), ("uninitialized", "is empty")])
def test_a_machine_without_an_id_is_told_what_to_do(root: Path, content: str, message: str) -> None:
    put(root, "etc/machine-id", content)
    with pytest.raises(RegistryError, match=f"{message}. Run systemd-machine-id-setup"):
        machine_identity(root=str(root))


def test_a_machine_without_the_file(root: Path) -> None:
    (root / "etc/machine-id").unlink()
    with pytest.raises(RegistryError, match="Cannot determine the machine id .*No such file"):
        machine_identity(root=str(root))


def test_the_id_may_be_that_of_the_mainboard(root: Path) -> None:
    assert machine_identity("dmi", str(root))[0] == keyed(UUID.lower())


def test_a_mainboard_whose_vendor_gave_it_no_id(root: Path) -> None:
    put(root, "sys/class/dmi/id/product_uuid", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF")
    with pytest.raises(RegistryError, match="from DMI: the product UUID is not set \\('ffffffff-"):
        machine_identity("dmi", str(root))


def test_the_id_may_be_that_of_the_network_cards_whatever_their_order(root: Path) -> None:
    interface(root, "eth0", 2, "52:54:00:00:00:02", card=True)
    interface(root, "eth1", 3, "52:54:00:00:00:01", card=True)
    interface(root, "docker0", 4, "02:42:00:00:00:01")
    interface(root, "veth7", 5, "02:42:00:00:00:02", link=6)
    put(root, "sys/class/net/bonding_masters", "")
    assert machine_identity("mac", str(root))[0] == keyed("52:54:00:00:00:01")


def test_a_container_has_a_cable_for_a_card(root: Path) -> None:
    interface(root, "host0", 2, "06:00:00:00:00:07", link=9)
    interface(root, "br0", 3, "02:00:00:00:00:01")
    assert machine_identity("mac", str(root))[0] == keyed("06:00:00:00:00:07")


def test_a_machine_without_a_card(root: Path) -> None:
    with pytest.raises(RegistryError, match="from a MAC address: no network card in .*/sys/class/net"):
        machine_identity("mac", str(root))
