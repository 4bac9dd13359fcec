# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The content of community.general that speaks to etcd, with what it needs, for benches."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from tests.tools.etcd_binaries import Unavailable, cached

# The PyPI package that carries community.general 11.4.2, for ansible-core 2.19.
ANSIBLE = "ansible==12.3.0"
# etcd3's last release fails at import beside a newer protobuf, unless that runs in pure Python.
PINS = ("etcd3==0.12.0", "protobuf==3.20.3")


def community_general() -> dict[str, str]:
    """What the environment needs for our own ansible-playbook to find community.general and etcd3, out of the cache.

    Raises Unavailable where they cannot be had.
    """
    try:
        directory = cached(f"peers-{ANSIBLE}-{sys.version_info.minor}", _make)
    except subprocess.CalledProcessError as error:
        raise Unavailable(f"community.general could not be had: {error.stderr}") from error
    return {
        "ANSIBLE_COLLECTIONS_PATH": str(directory),
        "PYTHONPATH": str(directory),
        "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python",
    }


def _make(target: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    _run(*pip, "install", "--target", str(target), *PINS)
    _run(*pip, "download", "--no-deps", "--dest", str(target.parent), ANSIBLE)
    (wheel,) = target.parent.glob("ansible-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        wanted = (name for name in archive.namelist() if name.startswith("ansible_collections/community/general/"))
        archive.extractall(target, wanted)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, text=True, capture_output=True)
