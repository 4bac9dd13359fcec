# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The exceptions of the collection, and the only place that interprets errors from etcd.

Internal to the collection: no promise is made to other users of this file.

All exceptions of the layers below Ansible are RollcallErrors. Their text is complete for the reader (what failed,
where, what came back, what to do next) and never contains a secret.
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

# Some error codes of the v2 API: https://etcd.io/docs/v2.3/errorcode/
V2_KEY_NOT_FOUND = 100
V2_UNAUTHORIZED = 110
V2_RAFT = (300, 301)  # an error in Raft, and an error during the election of a leader

_MAX_REASON = 1000  # characters of foreign text in a message

# The gateway's error if the connection to its own server fails; it depends on the moment of the failure.
_GATEWAY_CUT_OFF = ("connection closed", "connection error", "broken pipe", "connection reset by peer")

_BYTE = re.compile("[\udc80-\udcff]")  # a byte that is not UTF-8, as decoded with surrogateescape


def _as_c(byte: t.Match[str]) -> str:
    return f"\\x{ord(byte[0]) - 0xDC00:02x}"


class RollcallError(Exception):
    """Base of all exceptions that the collection raises on purpose. Its text is printable, even if it quotes data."""

    id: t.ClassVar[str] = "RC-E-FAILED"  # identifies this kind of error in the troubleshooting guide

    def __init__(self, *args: object) -> None:
        super().__init__(*(printable(_BYTE.sub(_as_c, arg)) if isinstance(arg, str) else arg for arg in args))

    @property
    def message(self) -> str:
        """The text with the id at its end, for users. `str()` omits the id, for texts that quote this one."""
        return with_id(self, self.id)


class EtcdError(RollcallError):
    """An error from etcd or from the connection to it. `code` is the gRPC status if etcd returned one."""

    id = "RC-E-ETCD"

    def __init__(self, message: str, code: t.Optional[int] = None) -> None:
        super().__init__(message)
        self.code = code


class InvalidSettings(EtcdError):
    """The connection options are invalid. Nothing was sent."""

    id = "RC-E-SETTINGS"


class InvalidText(EtcdError):
    """A key or value cannot be encoded. Nothing was sent."""

    id = "RC-E-TEXT"


class Unreachable(EtcdError):
    """No endpoint gave a usable answer.

    `timed_out` is true if at least one of them did not answer in time. `refused` is true if TLS failed with at least
    one of them: then a certificate or the scheme is wrong, and a retry does not help.
    """

    id = "RC-E-UNREACHABLE"

    def __init__(self, message: str, timed_out: bool = False, refused: bool = False) -> None:
        super().__init__(message)
        self.timed_out = timed_out
        self.refused = refused


class OutcomeUnknown(Unreachable):
    """A request that must not be repeated was sent, but not answered: it may or may not have taken effect."""

    id = "RC-E-OUTCOME-UNKNOWN"


class Unavailable(EtcdError):
    """The member cannot serve the request now (no leader, timeout in etcd). `executed` is False if it did nothing."""

    id = "RC-E-UNAVAILABLE"

    def __init__(self, message: str, code: t.Optional[int] = None, executed: bool = True) -> None:
        super().__init__(message, code)
        self.executed = executed


class NotGateway(EtcdError):
    """The answer is not from etcd's JSON gateway, or the gateway rejects this client."""

    id = "RC-E-NOT-GATEWAY"


class AnswerTooLarge(NotGateway):
    """The answer exceeds the limit of the client: it is not from etcd, or the client must request less at a time."""

    id = "RC-E-ANSWER-TOO-LARGE"


class AuthDisabled(EtcdError):
    """Authentication is disabled in etcd."""

    id = "RC-E-AUTH-OFF"


class AuthenticationFailed(EtcdError):
    """The user or password is wrong or missing."""

    id = "RC-E-LOGIN"


class TokenInvalid(EtcdError):
    """The token has expired, or a change of users or roles has invalidated it: authenticate again, once."""

    id = "RC-E-TOKEN"


class PermissionDenied(EtcdError):
    """The user lacks the permission for this request."""

    id = "RC-E-PERMISSION"


class LeaseNotFound(EtcdError):
    """The lease has expired, was revoked, or never existed."""

    id = "RC-E-LEASE-NOT-FOUND"


class LeaseExists(EtcdError):
    """A lease with this id already exists."""

    id = "RC-E-LEASE-EXISTS"


class Compacted(EtcdError):
    """The requested revision is compacted; `revision` is the oldest available one (0 if unknown)."""

    id = "RC-E-COMPACTED"

    def __init__(self, message: str, revision: int = 0) -> None:
        super().__init__(message, OUT_OF_RANGE)
        self.revision = revision


class KeyChanged(EtcdError):
    """Another client has changed a key since it was read. Nothing was written."""

    id = "RC-E-CONFLICT"


class WatchEnded(EtcdError):
    """The watch has ended: connection lost, leader lost, or cancelled by etcd. Read again, then watch from there."""

    id = "RC-E-WATCH-ENDED"


def error_from_answer(what: str, where: str, status: int, body: bytes) -> EtcdError:
    """The exception for an unsuccessful HTTP answer.

    `what` and `where` describe the request and the endpoint in the message. The gRPC code decides, not the HTTP status,
    which differs between versions of etcd for the same error.
    """
    code, reason = _code_and_reason(body)
    if code is None:
        return _foreign_answer(what, where, status, reason)
    return error_from_code(what, where, code, reason)


def error_from_code(what: str, where: str, code: int, reason: str) -> EtcdError:
    """The exception for a `code` of gRPC or of the v2 API; `reason` is etcd's own message."""
    message = f"{what} failed: etcd at {where} answered: {reason} (code {code})"
    if code == UNAUTHENTICATED or _is_about_token(reason):
        return TokenInvalid(message, code)
    if "user name is empty" in reason:
        return TokenInvalid(f"{message}. Authentication is enabled: set user and password", code)
    if "authentication failed" in reason:
        return AuthenticationFailed(f"{message}. Check user and password", code)
    if code == PERMISSION_DENIED or "permission denied" in reason:
        return PermissionDenied(f"{message}. Grant a role of the user access to this key", code)
    if code == NOT_FOUND and "lease" in reason:
        return LeaseNotFound(message, code)
    if code == FAILED_PRECONDITION and "authentication is not enabled" in reason:
        return AuthDisabled(message, code)
    if code == FAILED_PRECONDITION and "lease already exists" in reason:
        return LeaseExists(message, code)
    if code == OUT_OF_RANGE and "compacted" in reason:
        return Compacted(f"{message}. etcd has discarded all revisions before its last compaction: read a later one")
    if code == UNAVAILABLE and any(words in reason for words in _GATEWAY_CUT_OFF):
        # the gateway connects to its own server with the server's certificate; measured on 3.4, 3.5 and 3.6
        return Unavailable(
            f"{message}. etcd's JSON gateway cannot reach its own server. If this persists and etcd uses "
            "client-cert-auth, add the extended key usage clientAuth to the certificate of the server",
            code,
        )
    if code == V2_UNAUTHORIZED:
        return PermissionDenied(
            f"{message}. Check user and password, and grant a role of the user access to this key", code
        )
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
    """The exception for a watch that etcd cancelled; `compacted` is the oldest available revision, or 0."""
    if compacted:
        return Compacted(
            f"{what} failed: etcd at {where} has compacted the requested revision; the oldest one is {compacted}",
            compacted,
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
    """Parse all forms: up to 3.5 `error`, `message`, `code`; from 3.6 `message`, `code`, `details`; v2 `errorCode`."""
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
    message = f"{what} failed: {where} answered HTTP {status}: {reason[:200] or 'no content'}"
    if "CommonName of client" in reason:
        return NotGateway(
            f"{message}. etcd's JSON gateway rejects client certificates with a common name (CN) if authentication is "
            "enabled: use a client certificate without a CN, and set user and password"
        )
    if status == 404:
        return NotGateway(
            f"{message}. Check that this is a client URL of etcd and that its gateway is enabled (a configuration file "
            "of etcd 3.4 needs enable-grpc-gateway: true; the v2 API needs --enable-v2, and etcd 3.6 has removed it)"
        )
    if status >= 500:
        return Unavailable(message)
    if 300 <= status < 400:
        return NotGateway(f"{message}. etcd never redirects, and redirects are not followed: use a client URL of etcd")
    return NotGateway(f"{message}. Check that this is a client URL of etcd")
