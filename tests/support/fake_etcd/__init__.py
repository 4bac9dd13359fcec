# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An etcd in this process, for tests: real sockets, the JSON gateway as it was measured, faults on demand.

The contract tests hold it against real etcd; what it cannot do (nested transactions, permission over adjacent
ranges, a raft) it refuses or leaves out rather than guesses.
"""

from __future__ import annotations

from .faults import Answer, Cut, Drop, Farewell, Meanwhile, Refuse, Stall, Trickle
from .server import VERSIONS, FakeEtcd, Request
from .v2 import V2Store

__all__ = [
    "VERSIONS",
    "Answer",
    "Cut",
    "Drop",
    "FakeEtcd",
    "Farewell",
    "Meanwhile",
    "Refuse",
    "Request",
    "Stall",
    "Trickle",
    "V2Store",
]
