# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Users, roles and simple tokens.

A permission covers one interval; etcd also joins adjacent ones, which this does not.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from .refusal import FAILED_PRECONDITION, INVALID_ARGUMENT, Refusal, invalid_token, permission_denied
from .store import Interval


@dataclass
class User:
    """A password and the names of roles."""

    password: str
    roles: set[str] = field(default_factory=set)


@dataclass
class Role:
    """The intervals that may be read, and those that may be written."""

    read: set[Interval] = field(default_factory=set)
    write: set[Interval] = field(default_factory=set)


class Auth:
    """etcd's auth store. Nothing is checked until it is `enabled`."""

    def __init__(self, version: tuple[int, ...]) -> None:
        self.enabled = False
        self._version = version
        self.users: dict[str, User] = {}
        self.roles: dict[str, Role] = {}
        self._tokens: dict[str, str] = {}
        self._outdated: set[str] = set()
        self._serial = itertools.count(17)

    def add_user(self, name: str, password: str, *roles: str) -> None:
        """Add a user; a role that is not there yet is added without permissions."""
        self.users[name] = User(password)
        for role in roles:
            self.roles.setdefault(role, Role())
            self.users[name].roles.add(role)

    def grant(self, role: str, interval: Interval, read: bool = True, write: bool = True) -> None:
        """Let a role read or write, or both."""
        if read:
            self.roles[role].read.add(interval)
        if write:
            self.roles[role].write.add(interval)

    def change_password(self, name: str, password: str) -> None:
        """The user's tokens are gone then."""
        self.users[name].password = password
        self._tokens = {token: user for token, user in self._tokens.items() if user != name}

    def enable(self) -> None:
        """From now on every request needs a token."""
        if "root" not in self.users:
            raise Refusal(FAILED_PRECONDITION, "etcdserver: root user does not exist")
        self.enabled = True

    def forget_tokens(self) -> None:
        """What a restart of the member does to simple tokens."""
        self._tokens.clear()

    def outdate_tokens(self) -> None:
        """What any change of auth does to tokens of the kind JWT."""
        self._outdated.update(self._tokens)
        self._tokens.clear()

    def authenticate(self, name: str, password: str) -> str:
        """Returns a new token."""
        if not self.enabled:
            raise Refusal(FAILED_PRECONDITION, "etcdserver: authentication is not enabled")
        if name not in self.users or self.users[name].password != password:
            message = "etcdserver: authentication failed, invalid user ID or password"
            raise Refusal(INVALID_ARGUMENT, message)
        token = f"fakefakefakefake.{next(self._serial)}"
        self._tokens[token] = name
        return token

    def user_of(self, token: str, required: bool = True) -> str:
        """The name behind a token; "" for none, where none is `required`. 3.4 looks at it even while auth is off."""
        if self._version >= (3, 5):
            if not self.enabled:
                return ""
            token = token.removeprefix("Bearer ") if self._version >= (3, 6) else token
        if token in self._outdated:
            raise Refusal(INVALID_ARGUMENT, "etcdserver: revision of auth store is old")
        if token and token not in self._tokens:
            raise invalid_token()
        if self.enabled and required and not token:
            raise Refusal(INVALID_ARGUMENT, "etcdserver: user name is empty")
        return self._tokens.get(token, "")

    def check(self, user: str, interval: Interval, write: bool = False) -> None:
        """Refuse where the user's roles do not cover `interval`."""
        if not self.enabled or "root" in self._roles_of(user):
            return
        for name in self._roles_of(user):
            granted = self.roles[name].write if write else self.roles[name].read
            if any(one.covers(interval) for one in granted):
                return
        raise permission_denied()

    def check_root(self, user: str) -> None:
        """Refuse everybody but root, once auth is on."""
        if self.enabled and "root" not in self._roles_of(user):
            raise permission_denied()

    def _roles_of(self, user: str) -> set[str]:
        return self.users[user].roles if user in self.users else set()
