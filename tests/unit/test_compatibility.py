# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The compatibility table of the README says what the tests really run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.lab import image
from tests.tools import etcd_binaries

ROOT = Path(__file__).parents[2]
DEBIAN = {"bookworm": "12", "trixie": "13"}  # https://www.debian.org/releases/
HAPROXY = {"bookworm": "2.6", "trixie": "3.0"}  # the package haproxy of each release


def _tested(part: str) -> str:
    """The cell "tested" of the row `part`."""
    rows = re.findall(r"^\| (.+?) \| (.+?) \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    return dict(rows)[part]


def pinned(requirements: str) -> str:
    """The release of ansible-core in a requirements file, without the last number."""
    text = (ROOT / "tests/requirements" / requirements).read_text()
    found = re.search(r"^ansible-core==(\d+\.\d+)", text, re.MULTILINE)
    assert found
    return found[1]


def test_ansible_core_is_what_both_virtual_environments_have() -> None:
    assert re.findall(r"\d\.\d+", _tested("ansible-core")) == [pinned("dev.txt"), pinned("newest.txt")]
    required = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())["requires_ansible"]
    assert required.startswith(f">={pinned('dev.txt')}")


def test_etcd_is_what_the_contract_runs() -> None:
    series = sorted({*etcd_binaries.SUITES, *etcd_binaries.GO_VERSIONS})
    assert sorted(set(re.findall(r"\d\.\d\b(?!\.)", _tested("etcd").partition(";")[0]))) == series


@pytest.mark.parametrize(("part", "releases"), [("HAProxy", HAPROXY), ("hosts of the roles", DEBIAN)])
def test_hosts_and_haproxy_are_those_of_the_labs_images(part: str, releases: dict[str, str]) -> None:
    assert re.findall(r"\d[\d.]*", _tested(part)) == [releases[suite] for suite in image.SUITES]
