# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examples of README and of the guides, typed as they stand, against a real etcd."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.support.pages import Shell, run_page, runs
from tests.support.real_etcd import Cluster

ROOT = Path(__file__).parents[3]
PAGES = [page for page in (ROOT / "README.md", *sorted((ROOT / "docs/docsite/rst").glob("*.rst"))) if runs(page)]


@pytest.fixture
def environment(ansible_bin: Path, etcd_programs: Path, etcd: Cluster, tmp_path: Path) -> dict[str, str]:
    """Of a user who has activated a virtual environment with Ansible, and has no settings of any kind."""
    foreign = ("ANSIBLE_", "ETCDCTL_")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(foreign)},
        "PATH": os.pathsep.join([str(ansible_bin), str(etcd_programs), os.environ["PATH"]]),
        "HOME": str(tmp_path / "home"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "ETCDCTL_API": "3",
        "ETCDCTL_ENDPOINTS": ",".join(etcd.endpoints),
        "TZ": "UTC",
        "VIRTUAL_ENV": sys.prefix,
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_examples_of_page_print_what_it_shows(
    page: Path, environment: dict[str, str], etcd: Cluster, tmp_path: Path
) -> None:
    directory = tmp_path / "demo"
    directory.mkdir(mode=0o700)
    replace = {"/tmp/rollcall": str(directory), "127.0.0.1:2379": etcd.endpoints[0].removeprefix("http://")}
    assert run_page(page, directory, environment, replace)


def test_quick_start_inventory_and_lookups_are_run() -> None:
    assert {page.stem for page in PAGES} >= {
        "README",
        "guide_quickstart",
        "guide_inventory",
        "guide_lookups",
        "guide_registering",
    }


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        ("$ false", "exit status 1"),
        ("$ echo one\ntwo", "expected:\ntwo\n\ngot:\none"),
        ("$ exit 0", "the shell has ended"),
    ],
)
def test_example_that_is_not_true_fails(tmp_path: Path, block: str, problem: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"```console\n{block}\n```\n")
    with pytest.raises(AssertionError, match=problem):
        run_page(page, tmp_path, os.environ, {})


def test_shell_keeps_variables_and_directory(tmp_path: Path) -> None:
    with Shell(tmp_path, os.environ) as shell:
        shell.run("mkdir deep && cd deep && word=kept")
        assert shell.run('echo "$word in $(basename "$PWD")"') == (0, "kept in deep\n")
