# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clients that are kept between the calls of lookups in one process.

A template may have a thousand lookups, and each of them is a call of the plugin. A connection each would cost etcd five
times as much over TLS, and an authentication each 75 ms of its CPU and a raft entry.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import typing as t

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.client import Client
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.settings import Settings

MAX_IDLE = 8  # clusters, or users of one, that a play may alternate between at no cost


class Idle:
    """Clients that nobody uses now, by their settings; those that were used last stay longest."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clients: dict[Settings, Client] = {}

    @contextlib.contextmanager
    def client(self, settings: Settings) -> t.Iterator[Client]:
        """A client for the block and nobody else meanwhile, with the connection and the token of an earlier block.

        A connection that etcd has closed since is opened anew by the client itself.
        """
        with self._lock:
            client = self._clients.pop(settings, None) or Client(settings)
        try:
            yield client
        except BaseException:
            client.close()  # an answer may be left half read
            raise
        finally:
            self._put_back(client)

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            while self._clients:
                self._clients.popitem()[1].close()

    def after_fork(self) -> None:
        """Ansible forks a worker for each task, which must not speak on its parent's connections nor wait for its lock.

        They are closed in the worker only: the parent keeps them.
        """
        self._lock = threading.Lock()
        self.close()

    def _put_back(self, client: Client) -> None:
        with self._lock:
            surplus = [
                self._clients.pop(client.settings, None)
            ]  # another thread used one for the same, and was quicker
            self._clients[client.settings] = client
            if len(self._clients) > MAX_IDLE:
                surplus.append(self._clients.pop(next(iter(self._clients))))
        for former in filter(None, surplus):
            former.close()


_idle = Idle()
atexit.register(_idle.close)
os.register_at_fork(after_in_child=_idle.after_fork)


def client(settings: Settings) -> contextlib.AbstractContextManager[Client]:
    """See Idle.client: of this process."""
    return _idle.client(settings)
