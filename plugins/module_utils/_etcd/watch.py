# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A watch: all changes in the order of their revisions, or an error after which the caller must read again.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import typing as t

from .errors import error_from_cancel
from .transport import Stream, Transport
from .wire import WATCH, Event, WatchAnswer

Json = t.Dict[str, t.Any]

# Without it, a watch on a member that has lost the quorum stays open and still sends progress (measured); with it, the
# member ends the stream after 3 election timeouts.
_REQUIRE_LEADER = {"Grpc-Metadata-hasleader": "true"}


class Batch(t.NamedTuple):
    """The content of one answer: `events` up to `revision`; without events, a progress notification."""

    revision: int
    events: t.List[Event]


class Watch:
    """Iterates over batches. Raises WatchEnded (watch again from the last revision + 1), Compacted, and others."""

    def __init__(self, what: str, stream: Stream[WatchAnswer]) -> None:
        self.created = stream.first.revision  # the revision of etcd when the watch was created
        self.endpoint = str(stream.endpoint)
        self._what = what
        self._stream = stream

    @classmethod
    def open(cls, transport: Transport, what: str, body: Json, token: str) -> Watch:
        """Create a watch, confirmed by etcd. Raises TokenInvalid, PermissionDenied, Compacted, Unreachable."""
        watch = cls(what, transport.stream(what, WATCH, body, token, _REQUIRE_LEADER))
        try:
            watch._refuse_cancelled(watch._stream.first)
            return watch
        except BaseException:
            watch.close()
            raise

    def __iter__(self) -> t.Iterator[Batch]:
        for answer in self._stream:
            self._refuse_cancelled(answer)
            yield Batch(answer.revision, answer.events)

    def _refuse_cancelled(self, answer: WatchAnswer) -> None:
        """Raise the error if etcd has cancelled the watch, which it reports with HTTP 200 and `canceled`."""
        if answer.canceled:
            raise error_from_cancel(self._what, self.endpoint, answer.reason, answer.compacted)

    def close(self) -> None:
        """End the watch; may be called from another thread."""
        self._stream.close()
