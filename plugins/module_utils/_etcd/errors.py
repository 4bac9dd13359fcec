# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The exception tree of the collection and the one place that reads etcd's errors.

Internal to the collection: no promise is made to other users of this file.

Everything the pure layers raise is a RollcallError; its text is complete for the person who reads it (what was tried,
where, what came back, what to do next) and never holds a secret.
"""

from __future__ import annotations

import re
import typing as t

from .fields import Malformed, parse
from .text import printable, with_id

# gRPC status codes as etcd uses them: https://github.com/grpc/grpc/blob/master/doc/statuscodes.md
INVALID_ARGUMENT = 3
DEADLINE_EXCEEDED = 4
NOT_FOUND = 5
PERMISSION_DENIED = 7
RESOURCE_EXHAUSTED = 8
FAILED_PRECONDITION = 9
OUT_OF_RANGE = 11
UNAVAILABLE = 14
UNAUTHENTICATED = 16

# The codes of the v2 API that matter here: https://etcd.io/docs/v2.3/errorcode/
V2_KEY_NOT_FOUND = 100
V2_UNAUTHORIZED = 110
V2_RAFT = (300, 301)  # an error inside raft, and during the election of a leader

_MAX_REASON = 1000  # characters of foreign text in a message

# What the gateway says of the connection to its own server, by the moment at which that ended it.
_GATEWAY_CUT_OFF = ("connection closed", "connection error", "broken pipe", "connection reset by peer")

_BYTE = re.compile("[\udc80-\udcff]")  # one that is not UTF-8, as surrogateescape has it


def _as_c(byte: t.Match[str]) -> str:
    return f"\\x{ord(byte[0]) - 0xDC00:02x}"


class RollcallError(Exception):
    """Root of everything that the collection raises on purpose. Its text is printable, whatever it quotes."""

    id: t.ClassVar[str] = "RC-E-FAILED"  # of this kind of failure, for the troubleshooting guide

    def __init__(self, *args: object) -> None:
        super().__init__(*(printable(_BYTE.sub(_as_c, arg)) if isinstance(arg, str) else arg for arg in args))

    @property
    def message(self) -> str:
        """The text with the id at its end, as users see it. `str()` is without, for a text that quotes this one."""
        return with_id(self, self.id)


class EtcdError(RollcallError):
    """etcd, or the way to it, refused. `code` is the gRPC status where etcd gave one."""

    id = "RC-E-ETCD"

    def __init__(self, message: str, code: t.Optional[int] = None) -> None:
        super().__init__(message)
        self.code = code


class InvalidSettings(EtcdError):
    """The connection options cannot work: nothing was sent."""

    id = "RC-E-SETTINGS"


class InvalidText(EtcdError):
    """A key or value that no bytes stand for: nothing was sent."""

    id = "RC-E-TEXT"


class Unreachable(EtcdError):
    """No endpoint gave a usable answer.

    `timed_out` says whether one of them was silent rather than closed, `refused` whether TLS failed with one of them:
    then a certificate or a scheme is wrong, and that does not pass.
    """

    id = "RC-E-UNREACHABLE"

    def __init__(self, message: str, timed_out: bool = False, refused: bool = False) -> None:
        super().__init__(message)
        self.timed_out = timed_out
        self.refused = refused


class OutcomeUnknown(Unreachable):
    """A request that must not be repeated was sent and no answer came: it may or may not have taken effect."""

    id = "RC-E-OUTCOME-UNKNOWN"


class Unavailable(EtcdError):
    """This member cannot serve now (no leader, timed out in etcd). `executed` is False where it surely did nothing."""

    id = "RC-E-UNAVAILABLE"

    def __init__(self, message: str, code: t.Optional[int] = None, executed: bool = True) -> None:
        super().__init__(message, code)
        self.executed = executed


class NotGateway(EtcdError):
    """Something answered, but not etcd's JSON gateway, or not for us."""

    id = "RC-E-NOT-GATEWAY"


class AnswerTooLarge(NotGateway):
    """An answer is longer than a client takes: it is not etcd's, or the client must ask for less at a time."""

    id = "RC-E-ANSWER-TOO-LARGE"


class AuthDisabled(EtcdError):
    """etcd knows no users now: its authentication is off."""

    id = "RC-E-AUTH-OFF"


class AuthenticationFailed(EtcdError):
    """User or password is wrong or missing."""

    id = "RC-E-LOGIN"


class TokenInvalid(EtcdError):
    """The token is no longer known, or any change of auth made it old: authenticate again, once."""

    id = "RC-E-TOKEN"


class PermissionDenied(EtcdError):
    """The user may not do this."""

    id = "RC-E-PERMISSION"


class LeaseNotFound(EtcdError):
    """The lease expired, was revoked, or never was."""

    id = "RC-E-LEASE-NOT-FOUND"


class LeaseExists(EtcdError):
    """A lease of that id is there already."""

    id = "RC-E-LEASE-EXISTS"


class Compacted(EtcdError):
    """The revision asked for is no longer kept; `revision` is the oldest that is (0 when etcd did not say)."""

    id = "RC-E-COMPACTED"

    def __init__(self, message: str, revision: int = 0) -> None:
        super().__init__(message, OUT_OF_RANGE)
        self.revision = revision


class KeyChanged(EtcdError):
    """A key was changed by others since it was read: nothing was written."""

    id = "RC-E-CONFLICT"


class WatchEnded(EtcdError):
    """The watch is over: connection cut, leader lost or cancelled. Read again, then watch from there."""

    id = "RC-E-WATCH-ENDED"


def error_from_answer(what: str, where: str, status: int, body: bytes) -> EtcdError:
    """The exception for an HTTP answer that is not a success.

    `what` and `where` name the request and the endpoint for the reader. The gRPC code decides, not the HTTP status:
    the same failure has had different statuses in different versions of etcd.
    """
    code, reason = _code_and_reason(body)
    if code is None:
        return _foreign_answer(what, where, status, reason)
    return error_from_code(what, where, code, reason)


def error_from_code(what: str, where: str, code: int, reason: str) -> EtcdError:
    """The exception for a gRPC `code`, or one of the v2 API, with etcd's own words in `reason`."""
    message = f"{what} failed: etcd at {where} answered: {reason} (code {code})"
    if code == UNAUTHENTICATED or _is_about_token(reason):
        return TokenInvalid(message, code)
    if "user name is empty" in reason:
        return TokenInvalid(f"{message}. Authentication is on: give user and password", code)
    if "authentication failed" in reason:
        return AuthenticationFailed(f"{message}. Check user and password", code)
    if code == PERMISSION_DENIED or "permission denied" in reason:
        return PermissionDenied(f"{message}. Check the roles of the user for this key", code)
    if code == NOT_FOUND and "lease" in reason:
        return LeaseNotFound(message, code)
    if code == FAILED_PRECONDITION and "authentication is not enabled" in reason:
        return AuthDisabled(message, code)
    if code == FAILED_PRECONDITION and "lease already exists" in reason:
        return LeaseExists(message, code)
    if code == OUT_OF_RANGE and "compacted" in reason:
        return Compacted(f"{message}. etcd has thrown away what was before its last compaction: read a later revision")
    if code == UNAVAILABLE and any(words in reason for words in _GATEWAY_CUT_OFF):
        # the gateway dials its own server with the server's certificate; measured on 3.4, 3.5 and 3.6
        return Unavailable(
            f"{message}. etcd's gateway does not reach its own server. If this stays: with client-cert-auth the "
            "server's certificate must carry the usage clientAuth, too",
            code,
        )
    if code == V2_UNAUTHORIZED:
        return PermissionDenied(f"{message}. Check user and password, and the roles of the user for this key", code)
    if (
        code in (UNAVAILABLE, DEADLINE_EXCEEDED, *V2_RAFT)
        or "timed out" in reason
        or "context deadline exceeded" in reason
    ):
        return Unavailable(message, code, executed="no leader" not in reason)
    if code == RESOURCE_EXHAUSTED:
        return EtcdError(f"{message}. Check etcdctl alarm list and the database quota", code)
    return EtcdError(message, code)


def error_from_cancel(what: str, where: str, reason: str, compacted: int) -> EtcdError:
    """The exception for a watch that etcd ended; `compacted` is the oldest revision it still has, if that is why."""
    if compacted:
        return Compacted(
            f"{what} failed: the revision asked for is compacted; the oldest kept is {compacted}", compacted
        )
    reason = printable(reason or "no reason given", _MAX_REASON)
    message = f"{what} failed: etcd at {where} cancelled the watch: {reason}"
    if _is_about_token(reason) or "user name is empty" in reason:
        return TokenInvalid(message)
    if "permission denied" in reason:
        return PermissionDenied(message)
    return WatchEnded(message)


def _is_about_token(reason: str) -> bool:
    return "auth token" in reason or "auth store is old" in reason


def _code_and_reason(body: bytes) -> t.Tuple[t.Optional[int], str]:
    """Read every shape: up to 3.5 `error`, `message`, `code`; from 3.6 `message`, `code`, `details`; v2 `errorCode`."""
    text = printable(body[:_MAX_REASON].decode("utf-8", "replace").strip(), _MAX_REASON)
    try:
        answer = parse(body)
    except Malformed:
        return None, text
    if isinstance(answer, dict) and isinstance(answer.get("error"), dict):  # an error inside a stream
        answer = answer["error"]
    if not isinstance(answer, dict):
        return None, text
    code = answer.get("code", answer.get("grpc_code", answer.get("errorCode")))
    reason = next(filter(None, (answer.get("message"), answer.get("error"))), text)
    return (code if isinstance(code, int) and not isinstance(code, bool) else None), printable(
        reason if isinstance(reason, str) else text, _MAX_REASON
    )


def _foreign_answer(what: str, where: str, status: int, reason: str) -> EtcdError:
    message = f"{what} failed: {where} answered HTTP {status}: {reason[:200] or 'nothing'}"
    if "CommonName of client" in reason:
        return NotGateway(
            f"{message}. etcd's JSON gateway refuses client certificates that carry a CN while authentication is on: "
            "use a client certificate without CN, with user and password"
        )
    if status == 404:
        return NotGateway(
            f"{message}. Is this etcd's client URL, and its gateway on? (a config file of etcd 3.4 needs "
            "enable-grpc-gateway: true; the v2 API needs --enable-v2 and is gone from etcd 3.6)"
        )
    if status >= 500:
        return Unavailable(message)
    if 300 <= status < 400:
        return NotGateway(f"{message}. etcd redirects nobody, and no redirect is followed: give etcd's own client URL")
    return NotGateway(f"{message}. Is this etcd's client URL?")
