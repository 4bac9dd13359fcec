# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The etcd client: keys, transactions, leases, watches.

Internal to the collection: no promise is made to other users of this file.

A client belongs to one thread. `clone` returns another one that shares the token: a login costs etcd 75 ms of CPU time
and a Raft entry, so a process logs in only once.
"""

from __future__ import annotations

import dataclasses
import threading
import typing as t

from . import wire
from .endpoints import Endpoint
from .errors import (
    AnswerTooLarge,
    AuthDisabled,
    AuthenticationFailed,
    LeaseNotFound,
    NotGateway,
    TokenInvalid,
    Unreachable,
)
from .settings import Settings
from .transport import Following, Transport
from .watch import Watch
from .wire import KeyValue, LeaseStatus, Method, RangeResult, TxnResult
from .wire_cluster import STATUS, Status

Json = t.Dict[str, t.Any]
Answer = t.TypeVar("Answer")

# A range of 100,000 keys costs etcd 259 MB of memory; in pages of 10,000 it costs 34 MB and nearly the same time
# (measured).
PAGE = 10000


class Token:
    """The token that the clients of a process share. None: not logged in yet. "": authentication is disabled."""

    def __init__(self) -> None:
        self.value: t.Optional[str] = None
        self.lock = threading.Lock()

    def forget(self, value: str) -> None:
        """Discard the token if it is still this one: another thread may have replaced it."""
        with self.lock:
            if self.value == value:
                self.value = None


class Client:
    """A client of one etcd cluster. All methods raise EtcdError kinds; see errors.py."""

    def __init__(self, settings: Settings, token: t.Optional[Token] = None) -> None:
        self.settings = settings
        self._transport = Transport(settings)
        self._token = token or Token()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def clone(self) -> Client:
        """A client for another thread, with its own connection and the same token."""
        return Client(self.settings, self._token)

    def at(self, endpoint: Endpoint) -> Client:
        """A client for another thread that uses only this endpoint, with the same token."""
        return Client(dataclasses.replace(self.settings, endpoints=(endpoint,), discovery_srv=""), self._token)

    def close(self) -> None:
        """Close the connection. The client opens a new one if it is used again."""
        self._transport.close()

    @property
    def endpoint(self) -> str:
        """The endpoint that is tried first."""
        return self._transport.endpoint

    # Keys

    def range(
        self,
        key: str,
        prefix: bool = False,
        revision: int = 0,
        limit: int = 0,
        keys_only: bool = False,
        count_only: bool = False,
        newest_first: bool = False,
    ) -> RangeResult:
        """Read a key, or all keys under a prefix, in one request; as of `revision` (0: now)."""
        fields = wire.key_range(key, prefix)
        body = wire.range_request(fields, revision, limit, keys_only, count_only, newest_first)
        return self.call(f"Reading {_shown(key, prefix)}", wire.RANGE, body)

    def get(self, key: str, revision: int = 0) -> t.Optional[KeyValue]:
        """Read one key; None if it does not exist."""
        found = self.range(key, revision=revision)
        return found.kvs[0] if found.kvs else None

    def get_many(self, keys: t.Sequence[str], revision: int = 0) -> t.Dict[str, KeyValue]:
        """Read many keys as of one revision, in as few requests as etcd allows. Missing keys are omitted."""
        return {kv.key: kv for kv in self.read_keys(keys, revision).kvs}

    def read_keys(self, keys: t.Sequence[str], revision: int = 0) -> RangeResult:
        """Like `get_many`, with the revision at which the keys were read (0 if `keys` is empty)."""
        kvs: t.List[KeyValue] = []
        for _key, found in self._ranges(keys, False, revision):
            revision = found.revision
            kvs.extend(found.kvs)
        return RangeResult(revision, kvs, len(kvs))

    def read_many(self, prefixes: t.Sequence[str], revision: int = 0) -> t.Dict[str, RangeResult]:
        """Read all keys under each of the prefixes as of one revision, in as few requests as etcd allows.

        Raises Compacted like `read_all`.
        """
        return {prefix: self._whole(prefix, first) for prefix, first in self._ranges(prefixes, True, revision)}

    def read_all(self, prefix: str, revision: int = 0, keys_only: bool = False, page: int = PAGE) -> RangeResult:
        """Read all keys under `prefix` as of one revision, page by page. Raises Compacted if etcd compacts it."""
        try:
            first = self.range(prefix, True, revision, page, keys_only)
        except AnswerTooLarge:
            if page == 1:
                raise
            return self.read_all(prefix, revision, keys_only, _smaller(page))
        return self._whole(prefix, dataclasses.replace(first, revision=revision or first.revision), keys_only, page)

    def _ranges(self, wanted: t.Sequence[str], prefix: bool, revision: int) -> t.Iterator[t.Tuple[str, RangeResult]]:
        """Each key, or the first keys under each prefix, as of one revision, with many reads per transaction."""
        waiting, page, at_once = list(dict.fromkeys(wanted)), PAGE, wire.MAX_TXN_OPS
        while waiting:
            some = waiting[:at_once]
            what = f"Reading {_shown(some[0], prefix)}" + (f" and {len(some) - 1} more" if some[1:] else "")
            gets = [wire.get(key, prefix, revision, max(1, page // len(some))) for key in some]
            body = wire.txn_request([], gets, [])
            try:
                result = self.call(what, wire.txn_method(body, revision), body)
            except AnswerTooLarge:
                if page == at_once == 1:
                    raise
                page, at_once = _smaller(page), _smaller(at_once)
                continue
            revision, waiting = revision or result.revision, waiting[len(some) :]
            yield from ((key, result.range(number)) for number, key in enumerate(some))

    def _whole(self, prefix: str, first: RangeResult, keys_only: bool = False, page: int = PAGE) -> RangeResult:
        """`first`, the first keys under `prefix`, completed with the others as of the same revision."""
        kvs = list(first.kvs)
        while len(kvs) < first.count:
            start = kvs[-1].key + "\0" if kvs else prefix
            try:
                more = self.read_page(prefix, start, first.revision, page, keys_only)
            except AnswerTooLarge:
                if page == 1:
                    raise
                page = _smaller(page)
                continue
            if not more.kvs or more.count != first.count - len(kvs):
                raise NotGateway(
                    f"Reading {_shown(prefix, True)} failed: {self.endpoint} counted {first.count} keys and returned "
                    f"{len(kvs)}, and then {len(more.kvs)} of {more.count}. Check that the endpoint is a single etcd "
                    "cluster"
                )
            kvs.extend(more.kvs)
        return dataclasses.replace(first, kvs=kvs)

    def read_page(
        self, prefix: str, start: str, revision: int, page: int, keys_only: bool = False, ahead: bool = True
    ) -> RangeResult:
        """Read up to `page` keys under `prefix`, from the key `start` on, as of `revision`. Raises AnswerTooLarge.

        With `ahead`, the next page is requested before this one is decoded, so that etcd works in the meantime. A
        thread would be slower, since two threads contend for Python's global lock (1.0 s instead of 0.6 s for 100,000
        keys, measured).
        """

        def body(start: str) -> Json:
            return wire.range_request(wire.key_range_from(start, prefix), revision, page, keys_only)

        def following(answer: bytes) -> t.Optional[Json]:
            last = wire.last_key(answer)
            return None if last is None else body(last + "\0")

        what = f"Reading {_shown(prefix, True)}" + (f" as of revision {revision}" if revision else "")
        found = self.call(what, wire.RANGE, body(start), following if ahead else None)
        if found.kvs and not wire.order(start) <= wire.order(found.kvs[0].key) <= wire.order(found.kvs[-1].key):
            raise NotGateway(
                f"{what} failed: {self.endpoint} returned {found.kvs[0].key!r} for the keys from {start!r} on. Check "
                "that the endpoint is a single etcd cluster"
            )
        return found

    def put(self, key: str, value: str, lease: int = 0) -> int:
        """Write a key, attached to `lease` unless that is 0. Returns the revision. Raises LeaseNotFound."""
        return self.call(f"Writing {key}", wire.PUT, wire.put_request(key, value, lease)).revision

    def delete(self, key: str, prefix: bool = False) -> t.Tuple[int, t.List[KeyValue]]:
        """Delete a key, or all keys under a prefix. Returns the revision and the deleted keys."""
        return self.call(f"Deleting {_shown(key, prefix)}", wire.DELETE, wire.delete_request(key, prefix))

    def txn(
        self,
        compare: t.Sequence[Json] = (),
        success: t.Sequence[Json] = (),
        failure: t.Sequence[Json] = (),
        what: str = "The transaction",
    ) -> TxnResult:
        """Execute `success` if all comparisons in `compare` are true, otherwise `failure`, atomically (see wire.py).

        A transaction that only reads is repeated at another endpoint if the first one does not answer.
        """
        body = wire.txn_request(compare, success, failure)
        return self.call(what, wire.txn_method(body), body)

    # Leases

    def lease_grant(self, ttl: int, lease: int = 0) -> t.Tuple[int, int]:
        """Grant a lease of `ttl` seconds, with the id `lease` (0: etcd chooses one).

        Returns its id and the granted seconds (at least 1.5 election timeouts). Raises LeaseExists.
        """
        return self.call("Granting a lease", wire.LEASE_GRANT, wire.lease_request(lease, ttl))

    def lease_keepalive(self, lease: int) -> int:
        """Renew a lease; returns its TTL in seconds. Raises LeaseNotFound (the gateway itself answers 200 then)."""
        what = f"Keeping lease {lease:x} alive"
        ttl = self.call(what, wire.LEASE_KEEPALIVE, wire.lease_request(lease))
        if ttl <= 0:
            raise LeaseNotFound(f"{what} failed: the lease has expired or was revoked")
        return ttl

    def lease_status(self, lease: int, keys: bool = False) -> LeaseStatus:
        """The remaining and granted seconds, and with `keys` the attached keys; ttl -1 if the lease does not exist.

        `term` is that of etcd's leader: a new leader resets the remaining time of all leases.
        """
        body = wire.lease_request(lease, keys=keys)
        return self.call(f"Reading lease {lease:x}", wire.LEASE_STATUS, body)

    def lease_revoke(self, lease: int) -> None:
        """Revoke a lease, which deletes its keys, in one Raft entry. Raises LeaseNotFound."""
        self.call(f"Revoking lease {lease:x}", wire.LEASE_REVOKE, wire.lease_request(lease))

    # The rest

    def watch(self, key: str, prefix: bool = False, start_revision: int = 0, previous: bool = False) -> Watch:
        """Watch a key, or all keys under a prefix, from `start_revision` on (0: now). See watch.py."""
        body = wire.watch_request(key, prefix, start_revision, previous)
        what = f"Watching {_shown(key, prefix)}"
        return self._authenticated(lambda token: Watch.open(self._transport, what, body, token))

    def status(self) -> Status:
        """The status of the member that answers."""
        return self.call("Reading the status", STATUS, {})

    def call(self, what: str, method: Method[Answer], body: Json, following: t.Optional[Following] = None) -> Answer:
        """POST `body` with the token and return the decoded answer; for the parameters see transport.py."""
        return self._authenticated(lambda token: self._transport.call(what, method, body, token, following))

    def _authenticated(self, send: t.Callable[[str], Answer]) -> Answer:
        """Send with the token. If etcd rejects the token, it has done nothing: log in again and repeat once."""
        token = self._login()
        try:
            return send(token)
        except TokenInvalid:
            if not self.settings.user:
                raise
            self._token.forget(token)
            return send(self._login())
        except Unreachable as exc:
            if exc.timed_out:  # a token from before etcd was restored from a backup can make requests hang
                self._token.forget(token)
            raise

    def _login(self) -> str:
        """The token to send; "" without a user, or if authentication is disabled in etcd."""
        if not self.settings.user:
            return ""
        with self._token.lock:
            if self._token.value is None:
                self._token.value = self.authenticate(self.settings.user, self.settings.password)
            return self._token.value

    def authenticate(self, user: str, password: str) -> str:
        """A new token of any user; "" if authentication is disabled in etcd. Raises AuthenticationFailed."""
        what = f"Authenticating as {user}"
        try:
            token = self._transport.call(what, wire.AUTHENTICATE, wire.login_request(user, password))
        except AuthDisabled:
            return ""
        if not token:
            raise AuthenticationFailed(f"{what} failed: etcd at {self.endpoint} returned no token")
        return token


def _smaller(size: int) -> int:
    """The number of keys to request at once after an answer to `size` keys was too large."""
    return max(1, size // 16)


def _shown(key: str, prefix: bool) -> str:
    return f"keys under {key or '(all keys)'}" if prefix else key or "the empty key"
