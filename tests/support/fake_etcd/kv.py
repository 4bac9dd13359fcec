# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Range, put, delete and transactions: each operation is checked first, then done, as etcd does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from .auth import Auth
from .refusal import INVALID_ARGUMENT, Refusal, lease_not_found
from .store import Change, Interval, KeyValue, Store
from .wire import Json, bytes_of, check_fields, int_of, interval_of, kv_answer

MAX_TXN_OPS = 128  # etcd's --max-txn-ops

_SORT_KEYS: dict[str, Callable[[KeyValue], Any]] = {
    "KEY": lambda kv: kv.key,
    "VERSION": lambda kv: kv.version,
    "CREATE": lambda kv: kv.create_revision,
    "MOD": lambda kv: kv.mod_revision,
    "VALUE": lambda kv: kv.value,
}

# Target of a comparison: the request's field, how it is read, the key's value, and that of a key that is not there.
_TARGETS: dict[str, tuple[str, Callable[[Json, str], Any], Callable[[KeyValue], Any], Any]] = {
    "VERSION": ("version", int_of, lambda kv: kv.version, 0),
    "CREATE": ("create_revision", int_of, lambda kv: kv.create_revision, 0),
    "MOD": ("mod_revision", int_of, lambda kv: kv.mod_revision, 0),
    "VALUE": ("value", bytes_of, lambda kv: kv.value, None),
    "LEASE": ("lease", int_of, lambda kv: kv.lease, 0),
}

_RESULTS: dict[str, Callable[[Any, Any], bool]] = {
    "EQUAL": lambda found, given: bool(found == given),
    "NOT_EQUAL": lambda found, given: bool(found != given),
    "GREATER": lambda found, given: bool(found > given),
    "LESS": lambda found, given: bool(found < given),
}


class Operation(NamedTuple):
    """One kind of operation, in etcd's order: its `form`, what the user may do, what else may fail, and the deed.

    Of a transaction both branches must be well-formed and permitted; only the one that is taken is prepared.
    """

    form: Callable[[Json], None]
    permit: Callable[[Json, str], None]
    prepare: Callable[[Json], None]
    apply: Callable[[Json, Change], Json]


class Kv:
    """etcd's KV service on one store."""

    def __init__(self, store: Store, auth: Auth) -> None:
        self._store = store
        self._auth = auth
        self.range = Operation(_form_of_range, self._permit_range, self._prepare_range, self._range)
        self.put = Operation(_form_of_put, self._permit_put, self._prepare_put, self._put)
        self.delete = Operation(_form_of_delete, self._permit_delete, lambda request: None, self._delete)
        self.txn = Operation(self._form_of_txn, self._permit_txn, lambda request: None, self._txn)
        self._kinds = {"range": self.range, "put": self.put, "delete_range": self.delete}

    def check_lease(self, lease: int, user: str) -> None:
        """Who adds to, renews or revokes a lease must be allowed to write all of its keys."""
        for key in self._store.leases[lease].keys:
            self._auth.check(user, Interval(key), write=True)

    def _permit_range(self, request: Json, user: str) -> None:
        self._auth.check(user, interval_of(request))

    def _prepare_range(self, request: Json) -> None:
        self._store.check_revision(int_of(request, "revision"))

    def _range(self, request: Json, change: Change) -> Json:
        kvs = self._store.range(interval_of(request), int_of(request, "revision"))
        count, limit = len(kvs), int_of(request, "limit")
        if request.get("count_only"):
            return {"count": count}
        order = request.get("sort_order", "NONE")
        if order != "NONE":
            kvs.sort(key=_SORT_KEYS[request.get("sort_target", "KEY")], reverse=order == "DESCEND")
        kvs = kvs[:limit] if limit else kvs
        if request.get("keys_only"):
            kvs = [kv._replace(value=b"") for kv in kvs]
        return {"kvs": [kv_answer(kv) for kv in kvs], "more": 0 < limit < count, "count": count}

    def _permit_put(self, request: Json, user: str) -> None:
        self._auth.check(user, interval_of(request), write=True)
        if request.get("prev_kv"):
            self._auth.check(user, interval_of(request))
        lease = int_of(request, "lease")
        if lease in self._store.leases:
            self.check_lease(lease, user)

    def _prepare_put(self, request: Json) -> None:
        lease = int_of(request, "lease")
        if lease and lease not in self._store.leases:
            raise lease_not_found()

    def _put(self, request: Json, change: Change) -> Json:
        previous = change.put(bytes_of(request, "key"), bytes_of(request, "value"), int_of(request, "lease"))
        return {"prev_kv": kv_answer(previous)} if previous and request.get("prev_kv") else {}

    def _permit_delete(self, request: Json, user: str) -> None:
        self._auth.check(user, interval_of(request), write=True)
        if request.get("prev_kv"):
            self._auth.check(user, interval_of(request))

    def _delete(self, request: Json, change: Change) -> Json:
        gone = change.delete(interval_of(request))
        previous = [kv_answer(kv) for kv in gone] if request.get("prev_kv") else []
        return {"deleted": len(gone), "prev_kvs": previous}

    def _form_of_txn(self, request: Json) -> None:
        check_fields("txn", request, "compare success failure")
        compares, branches = request.get("compare", []), _branches(request)
        if max(map(len, [compares, *branches])) > MAX_TXN_OPS:
            raise Refusal(INVALID_ARGUMENT, "etcdserver: too many operations in txn request")
        for compare in compares:
            check_fields("compare", compare, "key target result version create_revision mod_revision value lease")
            interval_of(compare)
        for branch in branches:
            for kind, operation in branch:
                self._kinds[kind].form(operation)
            _refuse_duplicates(branch)

    def _permit_txn(self, request: Json, user: str) -> None:
        for compare in request.get("compare", []):
            self._auth.check(user, interval_of(compare))
        for branch in _branches(request):
            for kind, operation in branch:
                self._kinds[kind].permit(operation, user)

    def _txn(self, request: Json, change: Change) -> Json:
        succeeded = all(map(self._holds, request.get("compare", [])))
        operations = _branches(request)[0 if succeeded else 1]
        for kind, operation in operations:
            self._kinds[kind].prepare(operation)
        answers = [(kind, self._kinds[kind].apply(operation, change)) for kind, operation in operations]
        header = {"revision": change.revision}
        return {
            "succeeded": succeeded,
            "responses": [{f"response_{kind}": {"header": header, **answer}} for kind, answer in answers],
        }

    def _holds(self, compare: Json) -> bool:
        name, read, value_of, absent = _TARGETS[compare.get("target", "VERSION")]
        kv = self._store.get(bytes_of(compare, "key"))
        found = value_of(kv) if kv else absent
        if found is None:  # the value of a key that is not there compares to nothing
            return False
        return _RESULTS[compare.get("result", "EQUAL")](found, read(compare, name))


def _form_of_range(request: Json) -> None:
    known = "key range_end limit revision sort_order sort_target serializable keys_only count_only"
    check_fields("range", request, known)
    interval_of(request)


def _form_of_put(request: Json) -> None:
    check_fields("put", request, "key value lease prev_kv")
    interval_of(request)


def _form_of_delete(request: Json) -> None:
    check_fields("deleterange", request, "key range_end prev_kv")
    interval_of(request)


def _branches(request: Json) -> list[list[tuple[str, Json]]]:
    """Kinds and bodies of the operations, of success and of failure."""
    return [[_kind(operation) for operation in request.get(name, [])] for name in ("success", "failure")]


def _kind(operation: Json) -> tuple[str, Json]:
    """Kind and body of one operation of a transaction."""
    check_fields("operation", operation, "request_range request_put request_delete_range")
    [(name, body)] = operation.items()
    return name.removeprefix("request_"), body


def _refuse_duplicates(branch: list[tuple[str, Json]]) -> None:
    """No key may be put twice, nor put and deleted, in one transaction."""
    puts = [bytes_of(body, "key") for kind, body in branch if kind == "put"]
    deletes = [interval_of(body) for kind, body in branch if kind == "delete_range"]
    if len(set(puts)) < len(puts) or any(interval.holds(key) for interval in deletes for key in puts):
        raise Refusal(INVALID_ARGUMENT, "etcdserver: duplicate key given in txn request")
