# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real servers of each version, one process for the whole session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.fake_etcd import VERSIONS
from tests.support.fixtures import programs_of
from tests.support.real_etcd import Cluster


@pytest.fixture(scope="session", params=VERSIONS)
def etcd_of_series(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A real etcd of each series in turn."""
    with Cluster(programs_of(request.param)) as cluster:
        yield cluster
