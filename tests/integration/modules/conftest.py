# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures for the tests of the modules."""

from __future__ import annotations

import functools

import pytest

from tests.support.playbook import run_tasks


@pytest.fixture
def play(ansible_bin, tmp_path):
    """Runs tasks: `play([{"name": …, "rollcall.discovery.etcd_kv": {…}}], "--check")`."""
    return functools.partial(run_tasks, ansible_bin, tmp_path)
