# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A watch: changes in the order of their revisions, without a gap, or an error that says to read again.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import typing as t

from .errors import Compacted, PermissionDenied, TokenInvalid, WatchEnded
from .transport import Stream, Transport
from .wire import Event, KeyValue

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

    def __init__(self, what: str, stream: Stream, answers: t.Iterator[Json], created: int) -> None:
        self.created = created  # the revision of etcd when the watch was created
        self.endpoint = str(stream.endpoint)
        self._what = what
        self._stream = stream
        self._answers = answers

    @classmethod
    def open(cls, transport: Transport, what: str, body: Json, token: str) -> Watch:
        """Create a watch, confirmed by etcd. Raises TokenInvalid, PermissionDenied, Compacted, Unreachable."""
        stream = transport.stream(what, "/v3/watch", {"create_request": body}, token, _REQUIRE_LEADER)
        try:
            answers = iter(stream)
            answer = next(answers)
            _refuse_cancelled(what, answer)
            return cls(what, stream, answers, int(answer.get("header", {}).get("revision", 0)))
        except BaseException:
            stream.close()
            raise

    def __iter__(self) -> t.Iterator[Batch]:
        for answer in self._answers:
            _refuse_cancelled(self._what, answer)
            events = [_event(data) for data in answer.get("events", [])]
            yield Batch(int(answer.get("header", {}).get("revision", 0)), events)

    def close(self) -> None:
        """End the watch; may be called from another thread."""
        self._stream.close()


def _event(data: Json) -> Event:
    previous = data.get("prev_kv")
    return Event(
        deleted=data.get("type") == "DELETE",  # zero values are left out: PUT has no type
        kv=KeyValue.parse(data["kv"]),
        previous=KeyValue.parse(previous) if previous else None,
    )


def _refuse_cancelled(what: str, answer: Json) -> None:
    """etcd refuses and ends a watch with HTTP 200 and `canceled`; the stream would stay open, so it is closed by us."""
    if not answer.get("canceled"):
        return
    compacted = int(answer.get("compact_revision", 0))
    if compacted:
        raise Compacted(
            f"{what} failed: the revision asked for is compacted; the oldest kept is {compacted}", compacted
        )
    reason = answer.get("cancel_reason", "no reason given")
    message = f"{what} failed: etcd cancelled the watch: {reason}"
    if "auth token" in reason or "auth store is old" in reason or "user name is empty" in reason:
        raise TokenInvalid(message)
    if "permission denied" in reason:
        raise PermissionDenied(message)
    raise WatchEnded(message)
