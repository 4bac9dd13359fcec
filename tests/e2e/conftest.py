# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The demo's six hosts, and the collection that was installed to set them up.

Hosts that run already, from `make demo`, are used and left running; the others are made, and destroyed in the end.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import DEMO, Host, Lab
from tests.support.installed import Installed
from tests.tools.etcd_archive import write_options

Hosts = dict[str, Host]


@pytest.fixture(scope="session")
def lab() -> Lab:
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    return Lab()


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory, ansible_bin: Path) -> Installed:
    """The collection as users have it, and the archive of etcd that the lab's inventory names."""
    print(write_options())
    return Installed(tmp_path_factory.mktemp("installed"), ansible_bin)


@pytest.fixture(scope="session")
def there_before(lab: Lab) -> set[str]:
    """The names of the hosts that others had made."""
    return {host.name for host in lab.hosts()}


@pytest.fixture(scope="session")
def hosts(lab: Lab, there_before: set[str]) -> Iterator[Hosts]:
    """The demo's six hosts, running."""
    yield {host.name: host for host in lab.create(DEMO)}
    mine = set(DEMO) - there_before
    if mine:
        lab.destroy(mine)


@pytest.fixture(scope="session")
def site(installed: Installed, hosts: Hosts) -> Hosts:
    """The demo's six hosts, set up by the collection's own playbooks."""
    for playbook in ("demo", "site"):
        installed.play(f"rollcall.discovery.{playbook}")
    return hosts
