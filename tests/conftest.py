# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shared by all layers of the tests.

Two ansible-cores: a pytest process tests the one of the virtual environment it runs in. `make integration` runs the
layer once in .venv (the oldest supported core) and once in .venv-newest; a test that starts one of Ansible's programs
takes it from `ansible_bin` and so needs to know nothing of this.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from ansible.plugins.loader import init_plugin_loader

# Before anything imports the collection: its packages are known to Ansible only when Ansible itself has loaded them.
init_plugin_loader()

pytest_plugins = ["tests.support.fixtures"]

# Before anything imports protobuf: the witness etcd3 loads beside a current protobuf only in its pure Python form.
os.environ["PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"] = "python"


def pytest_report_header() -> str:
    return f"ansible-core {version('ansible-core')} on Python {sys.version.split()[0]}"


@pytest.fixture(scope="session")
def ansible_bin() -> Path:
    """The directory of ansible-playbook, ansible-inventory and the others of the ansible-core under test."""
    return Path(sys.prefix) / "bin"
