# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The paths of the JSON gateway, all but the watch: from a decoded request to the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .auth import Auth, Role
from .kv import Kv, Operation
from .refusal import FAILED_PRECONDITION, Refusal, lease_not_found
from .store import Interval, Store
from .wire import Json, check_fields, int_of, interval_of

CLUSTER_ID = 14841639068965178418
MEMBER_ID = 10276657743932975437

Handler = Callable[[Json, str], Json]


class Gateway:
    """Answers one request at a time; the caller holds the lock."""

    def __init__(self, store: Store, auth: Auth, version: tuple[int, ...], client_url: Callable[[], str]) -> None:
        self._store = store
        self._auth = auth
        self._version = version
        self._client_url = client_url
        self._kv = Kv(store, auth)
        # What needed no token before needs one since 3.5.28 and 3.6.9, the security releases of 2026-03-20.
        self._guarded = version >= (3, 6, 9) or (3, 5, 28) <= version < (3, 6)
        self._handlers = {**self._kv_handlers(), **self._lease_handlers(), **self._admin_handlers()}

    def header(self, revision: int | None = None) -> Json:
        """The header of every answer."""
        shown = self._store.revision if revision is None else revision
        return {"cluster_id": CLUSTER_ID, "member_id": MEMBER_ID, "revision": shown, "raft_term": self._store.term}

    def knows(self, path: str) -> bool:
        """Whether there is such a path."""
        return path in self._handlers

    def answer(self, path: str, request: Json, token: str) -> Json:
        """Do what is asked. Raises Refusal."""
        return self._handlers[path](request, token)

    def _kv_handlers(self) -> dict[str, Handler]:
        return {
            "/v3/kv/range": lambda request, token: self._operate(self._kv.range, request, token),
            "/v3/kv/put": lambda request, token: self._operate(self._kv.put, request, token),
            "/v3/kv/deleterange": lambda request, token: self._operate(self._kv.delete, request, token),
            "/v3/kv/txn": lambda request, token: self._operate(self._kv.txn, request, token),
            "/v3/kv/compaction": self._compact,
        }

    def _operate(self, operation: Operation, request: Json, token: str) -> Json:
        operation.form(request)
        operation.permit(request, self._auth.user_of(token))
        operation.prepare(request)
        change = self._store.begin()
        answer = operation.apply(request, change)
        change.commit()
        return {"header": self.header(), **answer}

    def _compact(self, request: Json, token: str) -> Json:
        check_fields("compaction", request, "revision physical")
        user = self._auth.user_of(token, required=self._guarded)
        if self._guarded:
            self._auth.check_root(user)
        self._store.compact(int_of(request, "revision"))
        return {"header": self.header()}

    # Leases

    def _lease_handlers(self) -> dict[str, Handler]:
        handlers = {
            "grant": self._grant,
            "keepalive": self._keepalive,
            "revoke": self._revoke,
            "timetolive": self._time_to_live,
            "leases": self._leases,
        }
        return {f"/v3/{way}/{name}": handler for way in ("lease", "kv/lease") for name, handler in handlers.items()}

    def _grant(self, request: Json, token: str) -> Json:
        check_fields("grant", request, "ID TTL")
        self._auth.user_of(token, required=self._guarded)
        lease, ttl = self._store.grant(int_of(request, "TTL"), int_of(request, "ID"))
        return {"header": self.header(), "ID": lease, "TTL": ttl}

    def _keepalive(self, request: Json, token: str) -> Json:
        check_fields("keepalive", request, "ID")
        lease = int_of(request, "ID")
        if self._guarded:
            user = self._auth.user_of(token)
            if lease in self._store.leases:
                self._kv.check_lease(lease, user)
        return {"result": {"header": self.header(), "ID": lease, "TTL": self._store.keepalive(lease)}}

    def _revoke(self, request: Json, token: str) -> Json:
        check_fields("revoke", request, "ID")
        user = self._auth.user_of(token, required=self._guarded)
        lease = int_of(request, "ID")
        if lease not in self._store.leases:
            raise lease_not_found()
        self._kv.check_lease(lease, user)
        self._store.revoke(lease)
        return {"header": self.header()}

    def _time_to_live(self, request: Json, token: str) -> Json:
        check_fields("timetolive", request, "ID keys")
        lease = int_of(request, "ID")
        shows_keys = bool(request.get("keys")) and self._version >= (3, 5)
        user = self._auth.user_of(token) if self._guarded or shows_keys else ""
        if lease not in self._store.leases:
            return {"header": self.header(), "ID": lease, "TTL": -1}
        held = self._store.leases[lease]
        if shows_keys:
            for key in held.keys:
                self._auth.check(user, Interval(key))
        answer = {"header": self.header(), "ID": lease, "TTL": self._store.seconds_left(lease), "grantedTTL": held.ttl}
        return {**answer, "keys": sorted(held.keys)} if request.get("keys") else answer

    def _leases(self, request: Json, token: str) -> Json:
        check_fields("leases", request, "")
        if self._guarded:
            self._auth.user_of(token)
        return {"header": self.header(), "leases": [{"ID": lease} for lease in self._store.leases]}

    # Authentication, members, state

    def _admin_handlers(self) -> dict[str, Handler]:
        return {
            "/v3/auth/authenticate": self._authenticate,
            "/v3/auth/enable": self._as_root("", lambda request: self._auth.enable()),
            "/v3/auth/disable": self._as_root("", lambda request: setattr(self._auth, "enabled", False)),
            "/v3/auth/user/add": self._as_root("name password", self._add_user),
            "/v3/auth/user/changepw": self._as_root("name password", self._change_password),
            "/v3/auth/user/grant": self._as_root("user role", self._grant_role),
            "/v3/auth/role/add": self._as_root("name", self._add_role),
            "/v3/auth/role/grant": self._as_root("name perm", self._grant_permission),
            "/v3/cluster/member/list": self._members,
            "/v3/maintenance/status": self._status,
        }

    def _authenticate(self, request: Json, token: str) -> Json:
        check_fields("authenticate", request, "name password")
        token = self._auth.authenticate(request.get("name", ""), request.get("password", ""))
        return {"header": self.header(), "token": token}

    def _as_root(self, known: str, change: Callable[[Json], None]) -> Handler:
        """A change of auth: only root may make it, once auth is on."""

        def handler(request: Json, token: str) -> Json:
            check_fields("auth", request, known)
            self._auth.check_root(self._auth.user_of(token))
            change(request)
            return {"header": self.header()}

        return handler

    def _add_user(self, request: Json) -> None:
        if request["name"] in self._auth.users:
            raise Refusal(FAILED_PRECONDITION, "etcdserver: user name already exists")
        self._auth.add_user(request["name"], request.get("password", ""))

    def _change_password(self, request: Json) -> None:
        self._refuse_unknown("user", request["name"], self._auth.users)
        self._auth.change_password(request["name"], request["password"])

    def _grant_role(self, request: Json) -> None:
        self._refuse_unknown("user", request["user"], self._auth.users)
        if request["role"] != "root":  # etcd has it from the start
            self._refuse_unknown("role", request["role"], self._auth.roles)
        self._auth.users[request["user"]].roles.add(request["role"])

    def _add_role(self, request: Json) -> None:
        if request["name"] in self._auth.roles:
            raise Refusal(FAILED_PRECONDITION, "etcdserver: role name already exists")
        self._auth.roles[request["name"]] = Role()

    def _grant_permission(self, request: Json) -> None:
        self._refuse_unknown("role", request["name"], self._auth.roles)
        permission = request["perm"]
        check_fields("perm", permission, "permType key range_end")
        kind = permission.get("permType", "READ")
        self._auth.grant(request["name"], interval_of(permission), read="READ" in kind, write="WRITE" in kind)

    @staticmethod
    def _refuse_unknown(kind: str, name: str, known: Mapping[str, object]) -> None:
        if name not in known:
            raise Refusal(FAILED_PRECONDITION, f"etcdserver: {kind} name not found")

    def _members(self, request: Json, token: str) -> Json:
        check_fields("member list", request, "linearizable")
        if self._guarded:
            self._auth.user_of(token)
        urls = [self._client_url()]
        member = {"ID": MEMBER_ID, "name": "fake", "peerURLs": ["http://127.0.0.1:2380"], "clientURLs": urls}
        return {"header": self.header(revision=0), "members": [member]}

    def _status(self, request: Json, token: str) -> Json:
        check_fields("status", request, "")
        if self._guarded:
            self._auth.user_of(token)
        index = self._store.revision + 3
        return {
            "header": self.header(),
            "version": ".".join(map(str, self._version)),
            "dbSize": 20480,
            "leader": MEMBER_ID,
            "raftIndex": index,
            "raftTerm": 2,
            "raftAppliedIndex": index,
            "dbSizeInUse": 16384,
        }
