# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes over the wire: keys and values as base64, integers as strings, zero values left out.

Internal to the collection: no promise is made to other users of this file.

Shapes as in etcd's api/etcdserverpb/rpc.proto. etcd silently ignores a field it does not know, so every field name
is written here once and nowhere else. Text is UTF-8; bytes that are not survive as surrogates.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import typing as t

Json = t.Dict[str, t.Any]

MAX_TXN_OPS = 128  # etcd's --max-txn-ops; one more is refused


def encode(text: str) -> str:
    """Base64 of `text`."""
    return base64.b64encode(text.encode("utf-8", "surrogateescape")).decode("ascii")


def decode(data: str) -> str:
    """Text of base64 `data`."""
    return binascii.a2b_base64(data).decode("utf-8", "surrogateescape")


def last_key(page: bytes) -> t.Optional[str]:
    """The last key of a page of a range, found before the page is decoded; None where no more follow.

    Keys and values are base64, so that nothing in them looks like a field; and `more` is there only where it is true.
    """
    _before, found, rest = page.rpartition(b'"key"')
    if not found or b'"more"' not in rest:
        return None
    return decode(rest.split(b'"', 2)[1].decode("ascii"))


def key_range(key: str, prefix: bool) -> Json:
    """The fields that select one key, or with `prefix` all that start with it (all keys there are for "")."""
    if not prefix:
        return {"key": encode(key)}
    if not key:
        return {"key": "AA==", "range_end": "AA=="}  # "\0" to "\0": etcd's way to say everything
    raw = key.encode("utf-8", "surrogateescape").rstrip(b"\xff")
    end = raw[:-1] + bytes([raw[-1] + 1]) if raw else b"\0"
    return {"key": encode(key), "range_end": base64.b64encode(end).decode("ascii")}


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
        field = data.get
        return cls(
            decode(data["key"]),
            decode(field("value", "")),
            int(field("create_revision", 0)),
            int(field("mod_revision", 0)),
            int(field("version", 0)),
            int(field("lease", 0)),
        )


@dataclasses.dataclass(frozen=True)
class RangeResult:
    """Keys, all as of `revision`. `count` is how many there are, which may be more than were asked for.

    `cluster` is the id of the cluster that answered; "" in the answers of a transaction, which do not say.
    """

    revision: int
    kvs: t.List[KeyValue]
    count: int
    cluster: str = ""

    @classmethod
    def parse(cls, data: Json, revision: int) -> RangeResult:
        kvs = [KeyValue.parse(kv) for kv in data.get("kvs", [])]
        return cls(revision, kvs, int(data.get("count", 0)), data.get("header", {}).get("cluster_id", ""))


class TxnResult(t.NamedTuple):
    """What a transaction did: which branch, and for each of its operations the raw answer."""

    revision: int
    succeeded: bool
    responses: t.List[Json]

    def range(self, index: int) -> RangeResult:
        """The answer to the `get` at place `index` of the branch that ran."""
        return RangeResult.parse(self.responses[index]["response_range"], self.revision)

    def previous(self, index: int) -> t.List[KeyValue]:
        """What was there before the `put` or `delete` at place `index`, where that was asked for."""
        answer = self.responses[index]
        if "response_put" in answer:
            kv = answer["response_put"].get("prev_kv")
            return [KeyValue.parse(kv)] if kv else []
        return [KeyValue.parse(kv) for kv in answer["response_delete_range"].get("prev_kvs", [])]


class LeaseStatus(t.NamedTuple):
    """Seconds left (-1 where the lease is gone), seconds granted, the keys it holds if they were asked for, and the
    term of the leader that says so."""

    ttl: int
    granted: int
    keys: t.List[str]
    term: int = 0


class Event(t.NamedTuple):
    """One change: `deleted`, the key as it is now (value "" when deleted), and as it was before if asked for."""

    deleted: bool
    kv: KeyValue
    previous: t.Optional[KeyValue]


# Operations of a transaction.


def get(key: str, prefix: bool = False, revision: int = 0, limit: int = 0) -> Json:
    """Read a key, or all under a prefix; as of `revision` and no more than `limit` keys where those are not 0."""
    return {"request_range": dict(key_range(key, prefix), revision=revision, limit=limit)}


def put(key: str, value: str, lease: int = 0, previous: bool = False) -> Json:
    """Write a key, held by `lease` where one is given; with `previous` answer what was there."""
    body = {"key": encode(key), "value": encode(value), "lease": lease}
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
