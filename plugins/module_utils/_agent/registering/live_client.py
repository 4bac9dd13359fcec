# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The agent's way to etcd: with all other agents on the same way, and under the eyes of systemd's watchdog.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import dataclasses
import random
import typing as t

from ..._etcd.client import Client, Token
from ..._etcd.settings import Settings
from ..._etcd.transport import Following
from ..._etcd.wire import Method

Json = t.Dict[str, t.Any]
Answer = t.TypeVar("Answer")

_LONGEST_REQUEST = (
    30.0  # seconds, even if the configuration has more: the unit's watchdog waits for at least twice that
)


def live_client(settings: Settings, ttl: int, who: str, alive: t.Callable[[], None]) -> LiveClient:
    """A client for keeping a lease of `ttl` seconds: several attempts fit into it.

    All hosts have one list of endpoints, and must not all ask its first: the order is made from `who` asks.
    """
    endpoints = list(settings.endpoints)
    random.Random(who).shuffle(endpoints)
    timeout = min(settings.timeout, max(1.0, ttl / 6), _LONGEST_REQUEST)
    return LiveClient(dataclasses.replace(settings, endpoints=tuple(endpoints), timeout=timeout), alive)


class LiveClient(Client):
    """Calls `alive` before each request: a few slow ones in a row are not a hang for the watchdog."""

    def __init__(self, settings: Settings, alive: t.Callable[[], None], token: t.Optional[Token] = None) -> None:
        super().__init__(settings, token)
        self._alive = alive

    def sibling(self, alive: t.Callable[[], None]) -> LiveClient:
        """A client for another thread, which notifies the watchdog by itself: the same token, another connection."""
        return LiveClient(self.settings, alive, self._token)

    def call(self, what: str, method: Method[Answer], body: Json, following: t.Optional[Following] = None) -> Answer:
        self._alive()
        return super().call(what, method, body, following)

    def authenticate(self, user: str, password: str) -> str:
        self._alive()
        return super().authenticate(user, password)
