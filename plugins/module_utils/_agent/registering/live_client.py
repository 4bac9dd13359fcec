# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The agent's way to etcd, under the eyes of systemd's watchdog.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import typing as t

from ..._etcd.client import Client
from ..._etcd.settings import Settings

Json = t.Dict[str, t.Any]


class LiveClient(Client):
    """Calls `alive` before each request: a few slow ones in a row are no hang, whatever the watchdog waits for."""

    def __init__(self, settings: Settings, alive: t.Callable[[], None]) -> None:
        super().__init__(settings)
        self._alive = alive

    def call(self, *args: t.Any, **kwargs: t.Any) -> Json:
        self._alive()
        return super().call(*args, **kwargs)

    def authenticate(self, user: str, password: str) -> str:
        self._alive()
        return super().authenticate(user, password)
