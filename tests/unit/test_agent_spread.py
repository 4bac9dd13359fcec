# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whom of several members an agent asks."""

from __future__ import annotations

import contextlib

from tests.support.fake_etcd import FakeEtcd
from tests.support.fleet import Node


def test_hosts_with_one_list_of_endpoints_do_not_all_ask_its_first(tmp_path):
    with contextlib.ExitStack() as stack:
        members = [stack.enter_context(FakeEtcd()) for _number in range(3)]
        endpoints = [member.endpoint for member in members]
        nodes = [Node(tmp_path / str(number), number, endpoints, 30, 60) for number in range(30)]
        for node in nodes:
            node.turn()
        assert {node.status["phase"] for node in nodes} == {"registered"}
        assert sum(member.connections for member in members) == 60, "one for the keepalives, one for all else"
        assert all(member.connections for member in members)
