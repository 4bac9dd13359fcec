# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Watches: what a client that watches is sent."""

from __future__ import annotations

import json
import queue
from dataclasses import dataclass, field
from typing import Any

from .refusal import Refusal
from .store import Event, Interval
from .wire import Json, bytes_of, check_fields, encode, int_of, kv_answer

# How Go's gRPC writes a code inside cancel_reason.
_CODE_NAMES = {3: "InvalidArgument", 7: "PermissionDenied", 16: "Unauthenticated"}


@dataclass(frozen=True)
class End:
    """The stream ends: `clean` with the last chunk of HTTP, or cut in the middle of a line."""

    clean: bool = True


@dataclass(eq=False)
class Watch:
    """One open watch. Whoever has something to send puts it into `outbox`; the thread of the request sends it."""

    interval: Interval
    start: int
    previous: bool
    progress: bool
    require_leader: bool
    outbox: queue.SimpleQueue[bytes | End] = field(default_factory=queue.SimpleQueue)

    @classmethod
    def parse(cls, body: Json, require_leader: bool) -> Watch:
        """Read the one message a client can send over HTTP/1.1."""
        check_fields("watch", body, "create_request")
        request = body["create_request"]
        check_fields("create_request", request, "key range_end start_revision prev_kv progress_notify")
        interval = Interval(bytes_of(request, "key") or b"\0", bytes_of(request, "range_end"))
        previous, progress = bool(request.get("prev_kv")), bool(request.get("progress_notify"))
        return cls(interval, int_of(request, "start_revision"), previous, progress, require_leader)

    def send(self, **result: Any) -> None:
        """Send one answer."""
        self.outbox.put(json.dumps(encode({"result": result})).encode() + b"\n")

    def fail(self, error: Json) -> None:
        """Send an error, and end."""
        self.outbox.put(json.dumps(error).encode() + b"\n")
        self.outbox.put(End())

    def refuse(self, header: Json, refusal: Refusal) -> None:
        """etcd refuses a watch with HTTP 200, and leaves the stream open."""
        reason = f"rpc error: code = {_CODE_NAMES[refusal.code]} desc = {refusal}"
        self.send(header=header, watch_id=-1, created=True, canceled=True, cancel_reason=reason)

    def offer(self, header: Json, events: list[Event]) -> None:
        """Send those of the events that this watch is for."""
        mine = [e for e in events if self.interval.holds(e.kv.key) and e.kv.mod_revision >= self.start]
        if mine:
            self.send(header=header, events=[self._answer(event) for event in mine])

    def _answer(self, event: Event) -> Json:
        answer: Json = {"kv": kv_answer(event.kv)}
        if not event.kv.version:
            answer["type"] = "DELETE"
        if self.previous and event.previous:
            answer["prev_kv"] = kv_answer(event.previous)
        return answer
