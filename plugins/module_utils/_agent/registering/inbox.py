# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What threads and signal handlers tell the agent's loop.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import collections
import os
import select
import typing as t

Message = t.TypeVar("Message")


class Inbox(t.Generic[Message]):
    """A queue that is waited for by the monotonic clock.

    The timed waits of `queue` and `threading` follow the wall clock before Python 3.11: where that is set back by an
    hour, they last an hour longer, and the lease is lost. So this waits for a byte in a pipe.
    """

    def __init__(self) -> None:
        self._messages: t.Deque[Message] = collections.deque()
        self._bell, self._button = os.pipe()  # neither is inherited by programs
        os.set_blocking(self._button, False)

    def put(self, message: Message) -> None:
        """Add a message; from any thread, and from a signal handler."""
        self._messages.append(message)
        try:
            os.write(self._button, b"!")
        except BlockingIOError:
            pass  # the pipe is full of such signs

    def take(self, timeout: float) -> t.Iterator[Message]:
        """All messages that are there, or the first to come within `timeout` seconds."""
        if not select.select([self._bell], [], [], timeout)[0]:
            return
        os.read(self._bell, 4096)
        while self._messages:
            yield self._messages.popleft()
