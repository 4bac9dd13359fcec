# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Administration of authentication in etcd: users, roles, permissions, and whether it is enabled.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import typing as t

from . import wire, wire_cluster
from .client import Client
from .errors import AuthenticationFailed, InvalidSettings

Json = t.Dict[str, t.Any]

ROOT = "root"  # in etcd, the name of the required user, and of the role that may do everything
KINDS = ("read", "write", "readwrite")


class Permission(t.NamedTuple):
    """A permission of a role: `kind` (one of KINDS) for the keys from `key` up to `range_end`; "": only `key`.

    As in etcd's API, the end "\\0" means the end of all keys.
    """

    key: str
    range_end: str
    kind: str

    @classmethod
    def of(cls, kind: str, key: str, prefix: bool = False, range_end: str = "") -> Permission:
        """For one key, for the keys from it up to `range_end`, or for all keys that start with it."""
        return cls(*(wire_cluster.range_of(key) if prefix else (key, range_end)), kind)

    @classmethod
    def from_options(cls, options: t.Mapping[str, t.Any]) -> Permission:
        """From a mapping in the form of `public`. Raises InvalidSettings if it does not identify the keys."""
        key, prefix, end = (options.get(name) for name in ("key", "prefix", "range_end"))
        if (key is None) == (prefix is None) or (end and not key) or key == "":
            got = [name for name in ("key", "prefix", "range_end") if options.get(name) is not None]
            raise InvalidSettings(
                "permissions: expected a key, a key and a range_end, or a prefix, "
                f"got {'an empty key' if key == '' else ' and '.join(got) or 'neither'}"
            )
        return cls.of(options["permission"], prefix or key or "", prefix is not None, end or "")

    @property
    def range(self) -> t.Tuple[str, str]:
        """The keys it applies to; a role has at most one permission for each range."""
        return self.key, self.range_end

    def public(self) -> Json:
        """The form of the module's options."""
        if not self.range_end:
            return {"key": self.key, "permission": self.kind}
        for prefix in (self.key, ""):
            if self.range == self.of(self.kind, prefix, prefix=True).range:
                return {"prefix": prefix, "permission": self.kind}
        return {"key": self.key, "range_end": self.range_end, "permission": self.kind}


class Admin:
    """Manages authentication through a client, whose user needs the role root if authentication is enabled."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def is_auth_enabled(self) -> bool:
        """Whether authentication is enabled, by the error of a login attempt; etcd 3.4 has no other way to query it."""
        return self.password_is("", "") is not None

    def password_is(self, user: str, password: str) -> t.Optional[bool]:
        """Whether this is the user's password; None if authentication is disabled, when etcd does not check passwords.

        If it is right, the check costs as much as a login: bcrypt and a Raft entry. Setting it again would cost as much
        and also invalidate the user's tokens.
        """
        try:
            return True if self._client.authenticate(user, password) else None
        except AuthenticationFailed:
            return False

    def enable_auth(self) -> None:
        """Enable authentication. etcd requires a user root with the role root."""
        self._change("Enabling authentication", "enable", {})

    def disable_auth(self) -> None:
        """Disable authentication. Then all clients that reach etcd may do everything."""
        self._change("Disabling authentication", "disable", {})

    # Users

    def users(self) -> t.List[str]:
        """The names of all users."""
        return self._client.call("Listing the users", wire_cluster.USERS, {})

    def roles_of(self, user: str) -> t.Set[str]:
        """The roles of an existing user."""
        body = wire_cluster.user_request(user)
        roles = self._client.call(f"Reading the user {user}", wire_cluster.USER, body)
        return set(roles)

    def add_user(self, user: str, password: str) -> None:
        """Add a user without roles."""
        self._change(f"Adding the user {user}", "user/add", wire.login_request(user, password))

    def change_password(self, user: str, password: str) -> None:
        """Set the password of a user, which invalidates its tokens."""
        self._change(f"Changing the password of {user}", "user/changepw", wire.login_request(user, password))

    def delete_user(self, user: str) -> None:
        """Delete a user."""
        self._change(f"Deleting the user {user}", "user/delete", wire_cluster.user_request(user))

    def give_role(self, user: str, role: str) -> None:
        """Grant an existing role to a user."""
        self._change(
            f"Granting the role {role} to {user}", "user/grant", wire_cluster.member_of(user, role, given=True)
        )

    def take_role(self, user: str, role: str) -> None:
        """Revoke a role from a user that has it."""
        body = wire_cluster.member_of(user, role, given=False)
        self._change(f"Revoking the role {role} from {user}", "user/revoke", body)

    # Roles

    def roles(self) -> t.List[str]:
        """The names of all roles. The role root works even if it is not listed, which is so until it is added."""
        return self._client.call("Listing the roles", wire_cluster.ROLES, {})

    def permissions_of(self, role: str) -> t.List[Permission]:
        """The permissions of an existing role."""
        body = wire_cluster.role_request(role)
        return [Permission(*grant) for grant in self._client.call(f"Reading the role {role}", wire_cluster.ROLE, body)]

    def add_role(self, role: str) -> None:
        """Add a role without permissions."""
        self._change(f"Adding the role {role}", "role/add", wire_cluster.user_request(role))

    def delete_role(self, role: str) -> None:
        """Delete a role, which also revokes it from its users."""
        self._change(f"Deleting the role {role}", "role/delete", wire_cluster.role_request(role))

    def permit(self, role: str, permission: Permission) -> None:
        """Grant a permission to a role, which replaces the one for the same range."""
        body = wire_cluster.grant_request(role, permission)
        self._change(f"Granting the role {role} a permission for {permission.key}", "role/grant", body)

    def forbid(self, role: str, permission: Permission) -> None:
        """Revoke a permission from a role that has it."""
        body = wire_cluster.revoke_request(role, permission)
        self._change(f"Revoking the permission for {permission.key} from the role {role}", "role/revoke", body)

    def _change(self, what: str, method: str, body: Json) -> None:
        self._client.call(what, wire_cluster.change(method), body)
