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

MACHINE_ID = b"4a1b6f0d2c3e4f5061728394a5b6c7d8"


def test_the_id_is_a_keyed_hash_of_the_machine_id(tmp_path: Path) -> None:
    (tmp_path / "machine-id").write_bytes(MACHINE_ID + b"\n")
    (tmp_path / "boot_id").write_text("7a8dd831-e282-4b21-a22f-062b90364c00\n")
    expected = hmac.new(MACHINE_ID, b"rollcall.discovery/node-id/1", hashlib.sha256).hexdigest()[:32]
    found = machine_identity(str(tmp_path / "machine-id"), str(tmp_path / "boot_id"))
    assert found == (expected, "7a8dd831-e282-4b21-a22f-062b90364c00")


@pytest.mark.parametrize(("content", "message"), [(b"", "is empty"), (b"uninitialized\n", "is empty")])
def test_a_machine_without_an_id_is_told_what_to_do(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "machine-id").write_bytes(content)
    with pytest.raises(RegistryError, match=f"{message}; run systemd-machine-id-setup"):
        machine_identity(str(tmp_path / "machine-id"))


def test_a_machine_without_the_file(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="Cannot tell which machine this is: .*No such file"):
        machine_identity(str(tmp_path / "none"))
