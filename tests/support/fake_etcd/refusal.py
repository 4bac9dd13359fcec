# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""etcd's refusals, by gRPC code, and the two shapes in which the gateway words them."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

# https://github.com/grpc/grpc/blob/master/doc/statuscodes.md
UNKNOWN = 2
INVALID_ARGUMENT = 3
DEADLINE_EXCEEDED = 4
NOT_FOUND = 5
PERMISSION_DENIED = 7
FAILED_PRECONDITION = 9
OUT_OF_RANGE = 11
UNAVAILABLE = 14
UNAUTHENTICATED = 16

# HTTP status and its words for each of them.
_HTTP_STATUS = {
    UNKNOWN: (500, "Internal Server Error"),
    INVALID_ARGUMENT: (400, "Bad Request"),
    DEADLINE_EXCEEDED: (504, "Gateway Timeout"),
    NOT_FOUND: (404, "Not Found"),
    PERMISSION_DENIED: (403, "Forbidden"),
    FAILED_PRECONDITION: (400, "Bad Request"),
    OUT_OF_RANGE: (400, "Bad Request"),
    UNAVAILABLE: (503, "Service Unavailable"),
    UNAUTHENTICATED: (401, "Unauthorized"),
}


class Refusal(Exception):
    """etcd says no: `code` is gRPC's, the text is etcd's."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code

    def answer(self, version: tuple[int, ...], stream: bool = False) -> tuple[int, Json]:
        """HTTP status and body as etcd of `version` sends them. Calls that answer with a `stream` wrap it once more."""
        status, words = _HTTP_STATUS[self.code]
        if version >= (3, 5):  # the gateway is another one since
            error: Json = {"code": self.code, "message": str(self)}
            return status, {"error": error} if stream else error
        if self.code == FAILED_PRECONDITION:
            status = 412
        if stream:
            error = {"grpc_code": self.code, "http_code": status, "message": str(self), "http_status": words}
            return status, {"error": error}
        return status, {"error": str(self), "message": str(self), "code": self.code}


def key_missing() -> Refusal:
    """A request without a key."""
    return Refusal(INVALID_ARGUMENT, "etcdserver: key is not provided")


def lease_not_found() -> Refusal:
    """The lease expired, was revoked, or never was."""
    return Refusal(NOT_FOUND, "etcdserver: requested lease not found")


def compacted() -> Refusal:
    """The revision is below the compaction."""
    return Refusal(OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted")


def future_revision() -> Refusal:
    """The revision is not there yet."""
    return Refusal(OUT_OF_RANGE, "etcdserver: mvcc: required revision is a future revision")


def permission_denied() -> Refusal:
    """The user's roles do not cover the keys."""
    return Refusal(PERMISSION_DENIED, "etcdserver: permission denied")


def invalid_token() -> Refusal:
    """The token is not, or no longer, known."""
    return Refusal(UNAUTHENTICATED, "etcdserver: invalid auth token")


def without_leader(path: str, version: tuple[int, ...]) -> Refusal | None:
    """What a member without quorum answers to a call of `path` (a real one takes 7 s for it); None: it answers."""
    if path == "/v3/kv/range":
        return Refusal(UNAVAILABLE, "etcdserver: request timed out")
    if path.endswith(("/lease/keepalive", "/lease/timetolive", "/v3/watch")):
        return Refusal(UNAVAILABLE, "etcdserver: no leader")
    if path.startswith(("/v3/kv/", "/v3/lease/", "/v3/auth/")):
        return Refusal(DEADLINE_EXCEEDED if version >= (3, 5) else UNKNOWN, "context deadline exceeded")
    return None
