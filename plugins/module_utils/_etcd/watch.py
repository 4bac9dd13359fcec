# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A watch: changes in the order of their revisions, without a gap, or an error that says to read again.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import typing as t

from .errors import error_from_cancel
from .transport import Stream, Transport
from .wire import WATCH, Event, WatchAnswer

Json = t.Dict[str, t.Any]

# Without it a watch on a member that lost quorum stays open and keeps sending progress (measured); with it the member
# ends the stream after 3 election timeouts.
_REQUIRE_LEADER = {"Grpc-Metadata-hasleader": "true"}


class Batch(t.NamedTuple):
    """What one answer brought: `events` of revisions up to `revision`; without events it is progress."""

    revision: int
    events: t.List[Event]


class Watch:
    """Iterates over batches. Raises WatchEnded (watch again, from the last revision + 1), Compacted, …"""

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
        """etcd refuses and ends a watch with HTTP 200 and `canceled`; the stream would stay open, so we close it."""
        if answer.canceled:
            raise error_from_cancel(self._what, self.endpoint, answer.reason, answer.compacted)

    def close(self) -> None:
        """End the watch; may be called from another thread."""
        self._stream.close()
