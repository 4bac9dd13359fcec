# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Messages of threads and signal handlers, with a timed wait on the monotonic clock.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import collections
import select
import socket
import typing as t

Message = t.TypeVar("Message")

_LONGEST = 86400.0  # seconds of one wait: poll(2) counts milliseconds in 31 bits


class Inbox(t.Generic[Message]):
    """A queue whose timed wait follows the monotonic clock.

    The timed waits of `queue` and `threading` follow the wall clock before Python 3.11: where that is set back by an
    hour, they last an hour longer, and the lease is lost. So this waits for a byte in a socket. Its two descriptors are
    opened at once, and waiting needs no other.
    """

    def __init__(self) -> None:
        self._messages: t.Deque[Message] = collections.deque()
        self._bell, self._button = socket.socketpair()  # closed with this object; programs do not inherit them
        self._bell.setblocking(False)
        self._button.setblocking(False)
        self._poll = select.poll()  # select(2) knows no descriptor above 1023
        self._poll.register(self._bell, select.POLLIN)

    def put(self, message: Message) -> None:
        """Add a message; from any thread, and from a signal handler."""
        self._messages.append(message)
        try:
            self._button.send(b"!")
        except OSError:
            pass  # there is room for no more, so that enough of them are waiting

    def take(self, timeout: float) -> t.Iterator[Message]:
        """All messages that are there, or the first to come within `timeout` seconds."""
        if self._poll.poll(0 if self._messages else max(0.0, min(timeout, _LONGEST)) * 1000):
            self._bell.recv(4096)
        while self._messages:
            yield self._messages.popleft()
