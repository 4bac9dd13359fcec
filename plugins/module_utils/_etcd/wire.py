# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys, transactions, leases and watches over the wire: the methods of etcd's API, what is sent and what comes back.

Internal to the collection: no promise is made to other users of this file.

Shapes as in etcd's api/etcdserverpb/rpc.proto. etcd silently ignores a field that it does not know, so every field name
is written once: here, in `wire_cluster` and in `errors`. What comes back is decoded here and nowhere else. Text is
UTF-8; bytes that are not survive as surrogates.
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

MAX_TXN_OPS = 128  # etcd's --max-txn-ops; one more is refused
# Bytes of keys and values in one request. etcd's --max-request-bytes is 1.5 MiB, its own encoding included.
MAX_REQUEST = 1_500_000

# Bytes that one answer may have. Decoding needs 600 MB of memory at most (see also fields.MAX_VALUES).
MAX_ANSWER = 4 << 20
MAX_PAGE = 64 << 20  # of an answer that carries keys
MAX_LINE = 16 << 20  # of a watch

_TOKEN = re.compile(r"[!-~]{1,65536}")


@dataclasses.dataclass(frozen=True)
class Method(t.Generic[Answer]):
    """One method of etcd's API. `parse` makes the typed answer of the JSON, or raises Malformed.

    `repeatable` says that a request may be sent again, on a new connection or to the next endpoint, although it may
    have been carried out. `size` is the bytes that an answer may have, `sign` the object that tells etcd's answers from
    others.
    """

    path: str
    parse: t.Callable[[Json], Answer]
    repeatable: bool = False
    size: int = MAX_ANSWER
    sign: str = "header"  # in every answer of v3, and in nobody else's


def encode(text: str) -> str:
    """Base64 of `text`. Raises InvalidText."""
    return base64.b64encode(_bytes(text)).decode("ascii")


def _bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise InvalidText(f"{printable(text, 100)} has half of a surrogate pair, which is no character") from None


def last_key(page: bytes) -> t.Optional[str]:
    """The last key of a page of a range, found before the page is decoded; None where no more follow.

    Keys and values are base64, so that nothing in them looks like a field; and `more` is there only where it is true.
    """
    _before, found, rest = page.rpartition(b'"key"')
    if not found or b'"more"' not in rest:
        return None
    try:
        return decode(rest.split(b'"', 2)[1].decode("ascii"), "key")
    except (ValueError, IndexError):
        return None


def order(key: str) -> bytes:
    """What etcd sorts keys by: their bytes."""
    return _bytes(key)


def key_range(key: str, prefix: bool) -> Json:
    """The fields that select one key, or with `prefix` all that start with it (all keys there are for "")."""
    if not prefix:
        return {"key": encode(key)}
    if not key:
        return {"key": "AA==", "range_end": "AA=="}  # "\0" to "\0": etcd's way to say everything
    raw = _bytes(key).rstrip(b"\xff")
    end = raw[:-1] + bytes([raw[-1] + 1]) if raw else b"\0"
    return {"key": encode(key), "range_end": base64.b64encode(end).decode("ascii")}


def key_range_from(start: str, prefix: str) -> Json:
    """The fields that select all that start with `prefix`, from the key `start` on."""
    return {**key_range(prefix, True), "key": encode(start or "\0")}


# What comes back.


class KeyValue(t.NamedTuple):
    """One key as etcd keeps it. `lease` is 0 where none holds it."""

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
        """Those in the field `name`, which is a list, or one of them."""
        if isinstance(data.get(name), dict):
            return [cls.parse(data[name])]
        return cls.parse_list(messages(data, name))


class Header(t.NamedTuple):
    """Who answered, and as of when. Ids are 0 where the answer does not tell them."""

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
    """Keys, all as of `revision`. `count` is how many there are, which may be more than were asked for.

    `cluster` is the id of the cluster that answered; "" in the answers of a transaction, which do not say. `more` says
    that a limit held keys back.
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
        """From a part of an answer, whose header is elsewhere."""
        kvs, count = KeyValue.parse_all(data, "kvs"), number(data, "count")
        if revision < 1 or count < len(kvs):
            raise Malformed(f"{count} keys at revision {revision}, and {len(kvs)} of them")
        return cls(revision, kvs, count, cluster, flag(data, "more"))


class Deleted(t.NamedTuple):
    """The revision of a deletion, and what was deleted."""

    revision: int
    kvs: t.List[KeyValue]

    @classmethod
    def parse(cls, data: Json) -> Deleted:
        return cls(Header.parse(data).revision, KeyValue.parse_all(data, "prev_kvs"))


class TxnResult(t.NamedTuple):
    """What a transaction did: which branch, and by the place of an operation what it read, or what it replaced."""

    revision: int
    succeeded: bool
    reads: t.Dict[int, RangeResult]
    replaced: t.Dict[int, t.List[KeyValue]]

    @classmethod
    def parse(cls, data: Json, request: Json, revision: int) -> TxnResult:
        """To a `txn_request`; `revision` is that of the reads, 0: of the answer."""
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
        """The answer to the `get` at place `index` of the branch that ran."""
        return self.reads[index]

    def previous(self, index: int) -> t.List[KeyValue]:
        """What was there before the `put` or `delete` at place `index`, where that was asked for."""
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
    """Seconds left (-1 where the lease is gone), seconds granted, the keys it holds if they were asked for, and the
    term of the leader that says so."""

    ttl: int
    granted: int
    keys: t.List[str]
    term: int = 0

    @classmethod
    def parse(cls, data: Json) -> LeaseStatus:
        held = data.get("keys", [])
        if not isinstance(held, list):
            raise Malformed("keys is no list")
        keys = [decode(key, "keys") for key in held]
        return cls(number(data, "TTL"), number(data, "grantedTTL"), keys, Header.parse(data).term)


class Event(t.NamedTuple):
    """One change: `deleted`, the key as it is now (value "" when deleted), and as it was before if asked for."""

    deleted: bool
    kv: KeyValue
    previous: t.Optional[KeyValue]

    @classmethod
    def parse(cls, data: Json) -> Event:
        previous = KeyValue.parse_all(data, "prev_kv")
        deleted = text(data, "type") == "DELETE"  # zero values are absent: PUT has no type
        return cls(deleted, KeyValue.parse(mapping(data, "kv")), previous[0] if previous else None)


class WatchAnswer(t.NamedTuple):
    """One line of a watch: `events` of revisions up to `revision`; without events it is progress, or its end.

    `compacted` is the oldest revision that etcd still has, where the watch asked for an older one.
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
    """A token goes into a header of every request to come, where a line break would begin another header."""
    token = text(data, "token")
    if token and not _TOKEN.fullmatch(token):
        raise Malformed("a token that no header can carry")
    return token


# The methods.

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
    """For a `txn_request`; one that only reads is repeatable. `revision` as in TxnResult.parse."""
    reads = all("request_range" in operation for operation in (*request["success"], *request["failure"]))
    return Method("/v3/kv/txn", lambda data: TxnResult.parse(data, request, revision), reads, MAX_PAGE)


# What is sent.


def range_request(
    fields: Json,
    revision: int,
    limit: int,
    keys_only: bool = False,
    count_only: bool = False,
    newest_first: bool = False,
) -> Json:
    """Read the keys that `fields` select; as of `revision` and no more than `limit` keys where those are not 0."""
    body = dict(fields, revision=revision, limit=limit, keys_only=keys_only, count_only=count_only)
    return dict(body, sort_order="DESCEND", sort_target="MOD") if newest_first else body


def put_request(key: str, value: str, lease: int) -> Json:
    """Write a key, held by `lease` where one is given."""
    return {"key": encode(key), "value": encode(value), "lease": lease}


def delete_request(key: str, prefix: bool) -> Json:
    """Delete a key, or all under a prefix, and answer what was deleted."""
    return dict(key_range(key, prefix), prev_kv=True)


def txn_request(compare: t.Sequence[Json], success: t.Sequence[Json], failure: t.Sequence[Json]) -> Json:
    """Do `success` where every comparison holds, else `failure`."""
    return {"compare": list(compare), "success": list(success), "failure": list(failure)}


def watch_request(key: str, prefix: bool, start_revision: int, previous: bool) -> Json:
    """Follow the changes from `start_revision` on (0: now), with signs of life in between."""
    body = dict(key_range(key, prefix), start_revision=start_revision, prev_kv=previous, progress_notify=True)
    return {"create_request": body}


def lease_request(lease: int, ttl: int = 0, keys: bool = False) -> Json:
    """For every method of a lease; `ttl` only to grant it, `keys` only to ask for it."""
    return {"ID": lease, **({"TTL": ttl} if ttl else {}), **({"keys": keys} if keys else {})}


def login_request(user: str, password: str) -> Json:
    """Ask for a token; also the request that adds a user or changes a password."""
    return {"name": user, "password": password}


# Operations of a transaction.


def get(key: str, prefix: bool = False, revision: int = 0, limit: int = 0) -> Json:
    """Read a key, or all under a prefix; as of `revision` and no more than `limit` keys where those are not 0."""
    return {"request_range": dict(key_range(key, prefix), revision=revision, limit=limit)}


def put(key: str, value: str, lease: int = 0, previous: bool = False) -> Json:
    """Write a key, held by `lease` where one is given; with `previous` answer what was there."""
    body = put_request(key, value, lease)
    return {"request_put": dict(body, prev_kv=True) if previous else body}


def delete(key: str, prefix: bool = False, previous: bool = False) -> Json:
    """Delete a key, or all under a prefix; with `previous` answer what was there."""
    body = key_range(key, prefix)
    return {"request_delete_range": dict(body, prev_kv=True) if previous else body}


# Comparisons of a transaction.

TARGETS = {"value": "VALUE", "version": "VERSION", "create_revision": "CREATE", "mod_revision": "MOD", "lease": "LEASE"}
RESULTS = {"equal": "EQUAL", "not_equal": "NOT_EQUAL", "greater": "GREATER", "less": "LESS"}


def compare(key: str, field: str, result: str, operand: t.Union[str, int]) -> Json:
    """True where the field of `key` (one of TARGETS) is `result` (one of RESULTS) to `operand`."""
    given = encode(operand) if isinstance(operand, str) else operand
    return {"key": encode(key), "target": TARGETS[field], "result": RESULTS[result], field: given}


def absent(key: str) -> Json:
    """True where `key` is not there."""
    return {"key": encode(key), "target": "CREATE", "result": "EQUAL", "create_revision": 0}


def unchanged(key: str, mod_revision: int) -> Json:
    """True where `key` was last written at `mod_revision` (0: is not there)."""
    return {"key": encode(key), "target": "MOD", "result": "EQUAL", "mod_revision": mod_revision}


def held_by(key: str, lease: int) -> Json:
    """True where `key` is held by `lease`."""
    return {"key": encode(key), "target": "LEASE", "result": "EQUAL", "lease": lease}
