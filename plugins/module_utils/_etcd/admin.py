# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may do what in etcd: users, roles, permissions, and whether authentication is on.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import typing as t

from . import wire, wire_cluster
from .client import Client
from .errors import AuthenticationFailed, InvalidSettings

Json = t.Dict[str, t.Any]

ROOT = "root"  # etcd's name for the user that must be there, and for the role that may do everything
KINDS = ("read", "write", "readwrite")


class Permission(t.NamedTuple):
    """What a role may do (one of KINDS) with the keys from `key` up to `range_end`; that is "" for `key` alone.

    As in etcd's own ranges, "\\0" as the end of a range stands for the end of all keys.
    """

    key: str
    range_end: str
    kind: str

    @classmethod
    def of(cls, kind: str, key: str, prefix: bool = False, range_end: str = "") -> Permission:
        """For one key, for the keys from it up to `range_end`, or for all that start with it."""
        return cls(*(wire_cluster.range_of(key) if prefix else (key, range_end)), kind)

    @classmethod
    def from_options(cls, options: t.Mapping[str, t.Any]) -> Permission:
        """From what `public` gives. Raises InvalidSettings where it does not say which keys are meant."""
        key, prefix, end = (options.get(name) for name in ("key", "prefix", "range_end"))
        if (key is None) == (prefix is None) or (end and not key) or key == "":
            raise InvalidSettings(
                "A permission needs a key, or a key and a range_end, or a prefix, and no more than that"
            )
        return cls.of(options["permission"], prefix or key or "", prefix is not None, end or "")

    @property
    def range(self) -> t.Tuple[str, str]:
        """The keys it is for; a role has one permission for each such range."""
        return self.key, self.range_end

    def public(self) -> Json:
        """With the names of the module's options."""
        if not self.range_end:
            return {"key": self.key, "permission": self.kind}
        for prefix in (self.key, ""):
            if self.range == self.of(self.kind, prefix, prefix=True).range:
                return {"prefix": prefix, "permission": self.kind}
        return {"key": self.key, "range_end": self.range_end, "permission": self.kind}


class Admin:
    """Administers authentication through a client; once it is on, the client's user needs the role root."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def is_auth_enabled(self) -> bool:
        """Whether authentication is on. Every version tells whoever tries to log in; 3.4 has no other way to ask."""
        return self.password_is("", "") is not None

    def password_is(self, user: str, password: str) -> t.Optional[bool]:
        """Whether this is the user's password; None while authentication is off, for then etcd compares none.

        A right one costs what every login costs: bcrypt and a raft entry. A change would cost the same, and the user's
        tokens besides.
        """
        try:
            return True if self._client.authenticate(user, password) else None
        except AuthenticationFailed:
            return False

    def enable_auth(self) -> None:
        """Switch authentication on: etcd refuses without a user root that has the role root."""
        self._change("Switching authentication on", "enable", {})

    def disable_auth(self) -> None:
        """Switch authentication off: whoever reaches etcd may do everything."""
        self._change("Switching authentication off", "disable", {})

    # Users

    def users(self) -> t.List[str]:
        """The names of all users."""
        return self._client.call("Listing the users", wire_cluster.USERS, {})

    def roles_of(self, user: str) -> t.Set[str]:
        """The roles of a user that is there."""
        body = wire_cluster.user_request(user)
        roles = self._client.call(f"Reading the user {user}", wire_cluster.USER, body)
        return set(roles)

    def add_user(self, user: str, password: str) -> None:
        """Add a user, with no role yet."""
        self._change(f"Adding the user {user}", "user/add", wire.login_request(user, password))

    def change_password(self, user: str, password: str) -> None:
        """Set the password of a user; its tokens are gone then."""
        self._change(f"Changing the password of {user}", "user/changepw", wire.login_request(user, password))

    def delete_user(self, user: str) -> None:
        """Delete a user."""
        self._change(f"Deleting the user {user}", "user/delete", wire_cluster.user_request(user))

    def give_role(self, user: str, role: str) -> None:
        """Give a user a role that is there."""
        self._change(f"Giving {user} the role {role}", "user/grant", wire_cluster.member_of(user, role, given=True))

    def take_role(self, user: str, role: str) -> None:
        """Take a role from a user that has it."""
        body = wire_cluster.member_of(user, role, given=False)
        self._change(f"Taking the role {role} from {user}", "user/revoke", body)

    # Roles

    def roles(self) -> t.List[str]:
        """The names of all roles. root is not among them unless somebody added it, and works all the same."""
        return self._client.call("Listing the roles", wire_cluster.ROLES, {})

    def permissions_of(self, role: str) -> t.List[Permission]:
        """What a role that is there may do."""
        body = wire_cluster.role_request(role)
        return [Permission(*grant) for grant in self._client.call(f"Reading the role {role}", wire_cluster.ROLE, body)]

    def add_role(self, role: str) -> None:
        """Add a role that may do nothing yet."""
        self._change(f"Adding the role {role}", "role/add", wire_cluster.user_request(role))

    def delete_role(self, role: str) -> None:
        """Delete a role; its users lose it."""
        self._change(f"Deleting the role {role}", "role/delete", wire_cluster.role_request(role))

    def permit(self, role: str, permission: Permission) -> None:
        """Give a role a permission, in place of what it had for the same range."""
        body = wire_cluster.grant_request(role, permission)
        self._change(f"Giving the role {role} a permission for {permission.key}", "role/grant", body)

    def forbid(self, role: str, permission: Permission) -> None:
        """Take a permission from a role that has it."""
        body = wire_cluster.revoke_request(role, permission)
        self._change(f"Taking the permission for {permission.key} from the role {role}", "role/revoke", body)

    def _change(self, what: str, method: str, body: Json) -> None:
        self._client.call(what, wire_cluster.change(method), body)
