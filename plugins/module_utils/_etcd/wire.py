# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The wire format of keys, transactions, leases and watches: the methods of etcd's API, their requests and answers.

Internal to the collection: no promise is made to other users of this file.

Messages are those of etcd's api/etcdserverpb/rpc.proto. etcd silently ignores unknown fields, so each field name is
written once, in this module, `wire_cluster` or `errors`. No other code decodes answers. Text is UTF-8; other bytes
become surrogates.
"""

from __future__ import annotations

import base64
import dataclasses
import re
import typing as t

from .errors import InvalidText
from .fields import Malformed, decode, flag, mapping, messages, number, numbers, text
from .text import printable

Json = t.Dict[str, t.Any]
Answer = t.TypeVar("Answer")

MAX_TXN_OPS = 128  # the default of etcd's --max-txn-ops
# Bytes of keys and values in one request. etcd's --max-request-bytes is 1.5 MiB, its own encoding included.
MAX_REQUEST = 1_500_000

# The largest accepted answers in bytes. Decoding needs at most 600 MB of memory (see also fields.MAX_VALUES).
MAX_ANSWER = 4 << 20
MAX_PAGE = 64 << 20  # of an answer with keys
MAX_LINE = 16 << 20  # of a watch

_TOKEN = re.compile(r"[!-~]{1,65536}")


@dataclasses.dataclass(frozen=True)
class Method(t.Generic[Answer]):
    """One method of etcd's API. `parse` converts the JSON to the typed answer, or raises Malformed.

    If `repeatable`, a request may be sent again, on a new connection or to the next endpoint, even though it may have
    taken effect. `size` is the largest accepted answer in bytes, `sign` the object that identifies answers from etcd.
    """

    path: str
    parse: t.Callable[[Json], Answer]
    repeatable: bool = False
    size: int = MAX_ANSWER
    sign: str = "header"  # in all answers of the v3 API


def encode(text: str) -> str:
    """Base64 of `text`. Raises InvalidText."""
    return base64.b64encode(_bytes(text)).decode("ascii")


def _bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise InvalidText(f"Cannot encode {printable(text, 100)}: it contains half of a surrogate pair") from None


def last_key(page: bytes) -> t.Optional[str]:
    """The last key of a page of a range, found without decoding the page; None if no further keys follow.

    Keys and values are base64, so they cannot look like a field; and `more` is present only if it is true.
    """
    _before, found, rest = page.rpartition(b'"key"')
    if not found or b'"more"' not in rest:
        return None
    try:
        return decode(rest.split(b'"', 2)[1].decode("ascii"), "key")
    except (ValueError, IndexError):
        return None


def order(key: str) -> bytes:
    """The sort key of etcd: the bytes of a key."""
    return _bytes(key)


def key_range(key: str, prefix: bool) -> Json:
    """The fields that select one key, or with `prefix` all that start with it ("": all keys)."""
    if not prefix:
        return {"key": encode(key)}
    if not key:
        return {"key": "AA==", "range_end": "AA=="}  # "\0" to "\0" selects all keys
    raw = _bytes(key).rstrip(b"\xff")
    end = raw[:-1] + bytes([raw[-1] + 1]) if raw else b"\0"
    return {"key": encode(key), "range_end": base64.b64encode(end).decode("ascii")}


def key_range_from(start: str, prefix: str) -> Json:
    """The fields that select all keys that start with `prefix`, from the key `start` on."""
    return {**key_range(prefix, True), "key": encode(start or "\0")}


# Answers.


class KeyValue(t.NamedTuple):
    """One key with its metadata. `lease` is 0 if it is not attached to a lease."""

    key: str
    value: str
    create_revision: int
    mod_revision: int
    version: int
    lease: int

    @classmethod
    def parse(cls, data: Json) -> KeyValue:
        return cls.parse_list([data])[0]

    @classmethod
    def parse_list(cls, items: t.Sequence[Json]) -> t.List[KeyValue]:
        """All of a list, field by field: a page has ten thousand, and calls are what decoding costs."""
        keys = [decode(item.get("key", ""), "key") for item in items]
        if not all(keys):
            raise Malformed("a key is empty")
        values = [decode(item.get("value", "")) for item in items]
        names = ("create_revision", "mod_revision", "version", "lease")
        return list(map(cls._make, zip(keys, values, *(numbers(items, name) for name in names))))

    @classmethod
    def parse_all(cls, data: Json, name: str) -> t.List[KeyValue]:
        """The keys in the field `name`, which is a list or a single key."""
        if isinstance(data.get(name), dict):
            return [cls.parse(data[name])]
        return cls.parse_list(messages(data, name))


class Header(t.NamedTuple):
    """The cluster and member that answered, the revision and the term; each is 0 if the answer omits it."""

    cluster: int
    member: int
    revision: int
    term: int

    @classmethod
    def parse(cls, data: Json) -> Header:
        header = mapping(data, "header")
        names = ("cluster_id", "member_id", "revision", "raft_term")
        return cls(*(number(header, name) for name in names))


@dataclasses.dataclass(frozen=True)
class RangeResult:
    """Keys as of `revision`. `count` is the total number of keys in the range, which can be more than a limit allowed.

    `cluster` is the id of the cluster that answered, "" in the answers of a transaction. `more` is true if a limit
    excluded keys.
    """

    revision: int
    kvs: t.List[KeyValue]
    count: int
    cluster: str = ""
    more: bool = False

    @classmethod
    def parse(cls, data: Json) -> RangeResult:
        header = Header.parse(data)
        return cls.parse_part(data, header.revision, str(header.cluster or ""))

    @classmethod
    def parse_part(cls, data: Json, revision: int, cluster: str = "") -> RangeResult:
        """Parse a part of an answer, which has no header of its own."""
        kvs, count = KeyValue.parse_all(data, "kvs"), number(data, "count")
        if revision < 1 or count < len(kvs):
            raise Malformed(f"{count} keys at revision {revision}, and {len(kvs)} of them")
        return cls(revision, kvs, count, cluster, flag(data, "more"))


class Deleted(t.NamedTuple):
    """The revision of a deletion, and the deleted keys."""

    revision: int
    kvs: t.List[KeyValue]

    @classmethod
    def parse(cls, data: Json) -> Deleted:
        return cls(Header.parse(data).revision, KeyValue.parse_all(data, "prev_kvs"))


class TxnResult(t.NamedTuple):
    """The result of a transaction: whether `success` was executed, and by index what operations read or replaced."""

    revision: int
    succeeded: bool
    reads: t.Dict[int, RangeResult]
    replaced: t.Dict[int, t.List[KeyValue]]

    @classmethod
    def parse(cls, data: Json, request: Json, revision: int) -> TxnResult:
        """Parse the answer to a `txn_request`; `revision` is that of the reads (0: that of the answer)."""
        now, succeeded = Header.parse(data).revision, flag(data, "succeeded")
        operations, responses = request["success" if succeeded else "failure"], messages(data, "responses")
        if len(operations) != len(responses) or not (succeeded or request["compare"]):
            raise Malformed(f"{len(responses)} responses to {len(operations)} operations")
        result = cls(now, succeeded, {}, {})
        for index, (operation, response) in enumerate(zip(operations, responses)):
            kind = next(iter(operation)).replace("request", "response")
            if kind not in response:
                raise Malformed(f"no {kind}")
            part = mapping(response, kind)
            if kind == "response_range":
                result.reads[index] = RangeResult.parse_part(part, revision or now)
            else:
                result.replaced[index] = KeyValue.parse_all(part, "prev_kv" if "put" in kind else "prev_kvs")
        return result

    def range(self, index: int) -> RangeResult:
        """The answer to the `get` at `index` of the executed branch."""
        return self.reads[index]

    def previous(self, index: int) -> t.List[KeyValue]:
        """The keys before the `put` or `delete` at `index`, if it was requested with `previous`."""
        return self.replaced[index]


class Granted(t.NamedTuple):
    """A new lease, and the seconds that etcd granted."""

    lease: int
    ttl: int

    @classmethod
    def parse(cls, data: Json) -> Granted:
        granted = cls(number(data, "ID"), number(data, "TTL"))
        if granted.lease < 1 or granted.ttl < 1:
            raise Malformed("no lease")
        return granted


class LeaseStatus(t.NamedTuple):
    """The remaining seconds (-1: the lease does not exist), the granted seconds, the attached keys if they were
    requested, and the term of the leader that answered."""

    ttl: int
    granted: int
    keys: t.List[str]
    term: int = 0

    @classmethod
    def parse(cls, data: Json) -> LeaseStatus:
        held = data.get("keys", [])
        if not isinstance(held, list):
            raise Malformed("keys is not a list")
        keys = [decode(key, "keys") for key in held]
        return cls(number(data, "TTL"), number(data, "grantedTTL"), keys, Header.parse(data).term)


class Event(t.NamedTuple):
    """One change: `deleted`, the key after it (value "" if deleted), and the `previous` key if requested."""

    deleted: bool
    kv: KeyValue
    previous: t.Optional[KeyValue]

    @classmethod
    def parse(cls, data: Json) -> Event:
        previous = KeyValue.parse_all(data, "prev_kv")
        deleted = text(data, "type") == "DELETE"  # zero values are absent: PUT has no type
        return cls(deleted, KeyValue.parse(mapping(data, "kv")), previous[0] if previous else None)


class WatchAnswer(t.NamedTuple):
    """One line of a watch: `events` up to `revision`; without events, a progress notification or the end.

    `compacted` is the oldest available revision if the watch requested an older one.
    """

    revision: int
    events: t.List[Event]
    canceled: bool
    compacted: int
    reason: str

    @classmethod
    def parse(cls, data: Json) -> WatchAnswer:
        return cls(
            Header.parse(data).revision,
            [Event.parse(event) for event in messages(data, "events")],
            flag(data, "canceled"),
            number(data, "compact_revision"),
            text(data, "cancel_reason"),
        )


def _token(data: Json) -> str:
    """A token, checked because it becomes a header of further requests, where a line break would start another one."""
    token = text(data, "token")
    if token and not _TOKEN.fullmatch(token):
        raise Malformed("a token that is not valid in a header")
    return token


# Methods.

RANGE = Method("/v3/kv/range", RangeResult.parse, repeatable=True, size=MAX_PAGE)
PUT = Method("/v3/kv/put", Header.parse)
DELETE = Method("/v3/kv/deleterange", Deleted.parse, size=MAX_PAGE)
WATCH = Method("/v3/watch", WatchAnswer.parse, size=MAX_LINE)
LEASE_GRANT = Method("/v3/lease/grant", Granted.parse)
LEASE_KEEPALIVE = Method("/v3/lease/keepalive", lambda data: number(data, "TTL"), repeatable=True)
LEASE_STATUS = Method("/v3/lease/timetolive", LeaseStatus.parse, repeatable=True, size=MAX_PAGE)
LEASE_REVOKE = Method("/v3/lease/revoke", Header.parse)
AUTHENTICATE = Method("/v3/auth/authenticate", _token, repeatable=True)


def txn_method(request: Json, revision: int = 0) -> Method[TxnResult]:
    """The method for a `txn_request`, which is repeatable if it only reads. `revision` as in TxnResult.parse."""
    reads = all("request_range" in operation for operation in (*request["success"], *request["failure"]))
    return Method("/v3/kv/txn", lambda data: TxnResult.parse(data, request, revision), reads, MAX_PAGE)


# Requests.


def range_request(
    fields: Json,
    revision: int,
    limit: int,
    keys_only: bool = False,
    count_only: bool = False,
    newest_first: bool = False,
) -> Json:
    """Read the keys that `fields` select, as of `revision` (0: now), at most `limit` of them (0: all)."""
    body = dict(fields, revision=revision, limit=limit, keys_only=keys_only, count_only=count_only)
    return dict(body, sort_order="DESCEND", sort_target="MOD") if newest_first else body


def put_request(key: str, value: str, lease: int) -> Json:
    """Write a key, attached to `lease` unless that is 0."""
    return {"key": encode(key), "value": encode(value), "lease": lease}


def delete_request(key: str, prefix: bool) -> Json:
    """Delete a key, or all keys under a prefix, and return the deleted keys."""
    return dict(key_range(key, prefix), prev_kv=True)


def txn_request(compare: t.Sequence[Json], success: t.Sequence[Json], failure: t.Sequence[Json]) -> Json:
    """Execute `success` if all comparisons are true, otherwise `failure`."""
    return {"compare": list(compare), "success": list(success), "failure": list(failure)}


def watch_request(key: str, prefix: bool, start_revision: int, previous: bool) -> Json:
    """Watch the changes from `start_revision` on (0: now), with progress notifications."""
    body = dict(key_range(key, prefix), start_revision=start_revision, prev_kv=previous, progress_notify=True)
    return {"create_request": body}


def lease_request(lease: int, ttl: int = 0, keys: bool = False) -> Json:
    """The request of all methods for leases; `ttl` is only for a grant, `keys` only for the status."""
    return {"ID": lease, **({"TTL": ttl} if ttl else {}), **({"keys": keys} if keys else {})}


def login_request(user: str, password: str) -> Json:
    """The request for a token; also for adding a user or changing a password."""
    return {"name": user, "password": password}


# Operations of a transaction.


def get(key: str, prefix: bool = False, revision: int = 0, limit: int = 0) -> Json:
    """Read a key, or all keys under a prefix, as of `revision` (0: now), at most `limit` of them (0: all)."""
    return {"request_range": dict(key_range(key, prefix), revision=revision, limit=limit)}


def put(key: str, value: str, lease: int = 0, previous: bool = False) -> Json:
    """Write a key, attached to `lease` unless that is 0; with `previous`, return the key before it."""
    body = put_request(key, value, lease)
    return {"request_put": dict(body, prev_kv=True) if previous else body}


def delete(key: str, prefix: bool = False, previous: bool = False) -> Json:
    """Delete a key, or all keys under a prefix; with `previous`, return the deleted keys."""
    body = key_range(key, prefix)
    return {"request_delete_range": dict(body, prev_kv=True) if previous else body}


# Comparisons of a transaction.

TARGETS = {"value": "VALUE", "version": "VERSION", "create_revision": "CREATE", "mod_revision": "MOD", "lease": "LEASE"}
RESULTS = {"equal": "EQUAL", "not_equal": "NOT_EQUAL", "greater": "GREATER", "less": "LESS"}


def compare(key: str, field: str, result: str, operand: t.Union[str, int]) -> Json:
    """True if the field of `key` (one of TARGETS) is `result` (one of RESULTS) compared with `operand`."""
    given = encode(operand) if isinstance(operand, str) else operand
    return {"key": encode(key), "target": TARGETS[field], "result": RESULTS[result], field: given}


def absent(key: str) -> Json:
    """True if `key` does not exist."""
    return {"key": encode(key), "target": "CREATE", "result": "EQUAL", "create_revision": 0}


def unchanged(key: str, mod_revision: int) -> Json:
    """True if `key` was last written at `mod_revision` (0: it does not exist)."""
    return {"key": encode(key), "target": "MOD", "result": "EQUAL", "mod_revision": mod_revision}


def held_by(key: str, lease: int) -> Json:
    """True if `key` is attached to `lease`."""
    return {"key": encode(key), "target": "LEASE", "result": "EQUAL", "lease": lease}
