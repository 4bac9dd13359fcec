# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The wire format of members, alarms, users, roles, and files of the v2 API; `wire` has that of keys.

Internal to the collection: no promise is made to other users of this file.

Messages are those of etcd's api/etcdserverpb/rpc.proto and api/authpb/auth.proto; measured on 3.4, 3.5 and 3.6.
"""

from __future__ import annotations

import typing as t

from . import wire
from .fields import Malformed, coded, decode, flag, mapping, messages, number, text, texts
from .wire import Header, KeyValue, Method

Json = t.Dict[str, t.Any]


class Status(t.NamedTuple):
    """The status of a member. `leader` is a member's id, 0 if there is no leader."""

    header: Header
    version: str
    leader: int
    learner: bool
    db_size: int
    db_size_in_use: int
    raft_term: int
    raft_index: int
    raft_applied_index: int

    @classmethod
    def parse(cls, data: Json) -> Status:
        figures = ("dbSize", "dbSizeInUse", "raftTerm", "raftIndex", "raftAppliedIndex")
        return cls(
            Header.parse(data),
            text(data, "version"),
            number(data, "leader"),
            flag(data, "isLearner"),
            *(number(data, name) for name in figures),
        )


class Member(t.NamedTuple):
    """A member in the member list; `name` is "" until it has started."""

    id: int
    name: str
    peer_urls: t.List[str]
    client_urls: t.List[str]
    learner: bool

    @classmethod
    def parse(cls, data: Json) -> Member:
        urls = texts(data, "peerURLs"), texts(data, "clientURLs")
        return cls(number(data, "ID"), text(data, "name"), *urls, flag(data, "isLearner"))


class MemberList(t.NamedTuple):
    """The members of a cluster."""

    cluster: int
    members: t.List[Member]

    @classmethod
    def parse(cls, data: Json) -> MemberList:
        return cls(Header.parse(data).cluster, [Member.parse(item) for item in messages(data, "members")])


class Alarm(t.NamedTuple):
    """A raised alarm of a member, such as NOSPACE."""

    member: int
    kind: str

    @classmethod
    def parse(cls, data: Json) -> Alarm:
        return cls(number(data, "memberID"), text(data, "alarm"))


Grant = t.Tuple[str, str, str]  # the first key, the end of the range ("" for one key), and the kind of permission


def _grant(data: Json) -> Grant:
    kind = text(data, "permType") or "READ"
    if kind not in ("READ", "WRITE", "READWRITE"):
        raise Malformed(f"a permission {kind[:20]!r}")
    return coded(data, "key"), coded(data, "range_end"), kind.lower()


def range_of(prefix: str) -> t.Tuple[str, str]:
    """The range of all keys that start with `prefix`."""
    fields = wire.key_range(prefix, True)
    return decode(fields["key"]), decode(fields["range_end"])


def grant_request(role: str, grant: Grant) -> Json:
    """Grant a permission to a role."""
    key, end, kind = grant
    return {"name": role, "perm": {"key": wire.encode(key), "range_end": wire.encode(end), "permType": kind.upper()}}


def revoke_request(role: str, grant: Grant) -> Json:
    """Revoke a permission from a role."""
    key, end, _kind = grant
    return {"role": role, "key": wire.encode(key), "range_end": wire.encode(end)}


def _v2_files(data: Json) -> t.List[KeyValue]:
    """The files of a directory and those below it; `lease` is 1 for files with a TTL (see v2).

    A loop, since directories can be nested more deeply than Python's recursion limit.
    """
    waiting, files = [(mapping(data, "node"), False)], []
    while waiting:
        node, ends = waiting.pop()
        ends = ends or number(node, "ttl") != 0
        if flag(node, "dir"):
            nodes = messages(node, "nodes") if node.get("nodes") is not None else []
            waiting.extend((inner, ends) for inner in reversed(nodes))
        elif "key" in node:
            created, modified = number(node, "createdIndex"), number(node, "modifiedIndex")
            files.append(KeyValue(text(node, "key"), text(node, "value"), created, modified, 0, int(ends)))
    return files


def _alarms(data: Json) -> t.List[Alarm]:
    return [Alarm.parse(item) for item in messages(data, "alarms")]


STATUS = Method("/v3/maintenance/status", Status.parse, repeatable=True)
MEMBERS = Method("/v3/cluster/member/list", MemberList.parse, repeatable=True)
# The only answer without a header, up to etcd 3.4 (measured).
ALARMS = Method("/v3/maintenance/alarm", _alarms, repeatable=True, sign="")
LIST_ALARMS: Json = {"action": "GET"}

USERS = Method("/v3/auth/user/list", lambda data: texts(data, "users"), repeatable=True)
USER = Method("/v3/auth/user/get", lambda data: texts(data, "roles"), repeatable=True)
ROLES = Method("/v3/auth/role/list", lambda data: texts(data, "roles"), repeatable=True)
ROLE = Method(
    "/v3/auth/role/get",
    lambda data: [_grant(item) for item in messages(data, "perm")],
    repeatable=True,
)


def change(name: str) -> Method[Header]:
    """A method that changes users, roles or authentication, such as `user/add`."""
    return Method(f"/v3/auth/{name}", Header.parse)


def user_request(name: str) -> Json:
    """The request of the methods for one user, and of the one that adds a role."""
    return {"name": name}


def role_request(name: str) -> Json:
    """The request of the methods for one role, except for the one that adds it."""
    return {"role": name}


def member_of(user: str, role: str, given: bool) -> Json:
    """Grant a role to a user, or revoke it: the field of the user has different names in the two."""
    return {"user" if given else "name": user, "role": role}


def v2_tree(path: str) -> Method[t.List[KeyValue]]:
    """All files below a directory of the v2 API, with a quorum read."""
    query = "recursive=true&sorted=true&quorum=true"
    return Method(f"/v2/keys/{path}?{query}", _v2_files, repeatable=True, size=wire.MAX_PAGE, sign="node")
