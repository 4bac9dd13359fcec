# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The credentials directory on the controller: certificates and passwords, each of them a file.

Internal to the collection: no promise is made to other users of this file.

Several controllers may share one directory. A file is created complete or not at all, and never replaces one that
another controller has created first. Secrets are encrypted with ansible-vault if a vault password is loaded.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shlex
import stat
import string
import typing as t
from pathlib import Path, PurePosixPath

from ansible import constants as C
from ansible.errors import AnsibleError
from ansible.parsing.vault import VaultLib, is_encrypted, match_encrypt_secret

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.attributes import Attributes
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.files import Directory, open_directory
from ansible_collections.rollcall.discovery.plugins.plugin_utils._errors import PluginError

_PASSWORD_LENGTH = 32
_PASSWORD_CHARACTERS = string.ascii_letters + string.digits
_VAULT_HEADER = 64  # bytes that tell an encrypted file
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
# Checked whichever file is used: someone who may replace one of them, or read a secret one, has the cluster.
_ALWAYS_CHECKED = ("tls", "tls/ca.crt", "passwords")
_ALWAYS_SECRET = ("passwords/root", "tls/ca.key", "ca.key")


class CredentialsError(PluginError):
    """The credentials directory cannot be used."""

    id = "RC-E-CREDENTIALS"


class CredentialsDirectory:
    """A directory that only its owner may write. It is created when the first file is.

    Every method raises AnsibleError if the directory, or a file in it, can be written by other users, or if they can
    read a secret that is not encrypted. A group may read what root owns: so several users can share a directory.
    """

    def __init__(self, path: Path, vault: VaultLib | None = None) -> None:
        self.path = Path(os.path.realpath(path))
        self._vault = vault
        self._check()

    def read(self, name: str) -> bytes | None:
        """The content of the file `name`, decrypted; None if there is no such file."""
        path = self.path / name
        self._check_parents(path)
        try:
            descriptor = _without_links(str(path), os.O_RDONLY)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as exc:
            _refuse_link(path)
            raise CredentialsError(f"Cannot read {path}: {exc.strerror}") from None
        with open(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            self._refuse_foreign(path, found)
            content = file.read()
        if is_encrypted(content):
            return self._decrypt(path, content)
        self._refuse_readable(path, found)
        return content

    def create(self, name: str, content: bytes, secret: bool = True) -> bytes:
        """Create the file `name` unless it exists. Returns what it contains then, decrypted."""
        path = self.path / name
        with self._writing(path), self._open_parent(path) as parent:
            draft = parent.prepare(
                path.name, self._encrypt(content) if secret else content, _own(0o600 if secret else 0o644)
            )
            try:
                os.link(draft.draft, path.name, src_dir_fd=parent.descriptor, dst_dir_fd=parent.descriptor)
            except FileExistsError:
                pass
            finally:
                draft.discard()
        created = self.read(name)
        if created is None:
            raise CredentialsError(f"{path} was removed while it was being created: run the play again")
        return created

    def replace(self, name: str, content: bytes) -> None:
        """Give the file `name`, which is no secret, another content in one step."""
        path = self.path / name
        with self._writing(path), self._open_parent(path) as parent:
            parent.replace(path.name, content, _own(0o644))

    @contextlib.contextmanager
    def lock(self) -> t.Iterator[None]:
        """One process at a time on this machine, and on others if the file system can lock across machines."""
        path = self.path / ".lock"
        with self._writing(path), self._open_parent(path) as parent:
            descriptor = parent.lock_file(path.name)
        try:
            with contextlib.suppress(OSError):  # a file system without locks: the first of two creators wins
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def password(self, user: str) -> str | None:
        """The password of a user of etcd; None if the directory does not have it."""
        name = _password_file(user)
        content = self.read(name)
        if content is None:
            return None
        password = content.decode("utf-8", "replace").rstrip("\r\n")
        if not password:
            raise CredentialsError(
                f"The file {self.path / name} is empty: it must hold the password of the etcd user {user}"
            )
        return password

    def create_password(self, user: str) -> str:
        """The password of a user of etcd; a random one is created if it is missing."""
        password = self.password(user)
        if password is None:
            password = "".join(secrets.choice(_PASSWORD_CHARACTERS) for _place in range(_PASSWORD_LENGTH))
            self.create(_password_file(user), f"{password}\n".encode())
        return self.password(user) or password

    def _check(self) -> None:
        """Raises AnsibleError if other users may write the directory, or replace it."""
        parent = self.path.parent
        with contextlib.suppress(FileNotFoundError, PermissionError):
            mode = parent.stat().st_mode
            if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
                raise CredentialsError(
                    f"The credentials directory {self.path} is not used: every user may replace it, since {parent} is "
                    f"writable by all. Run: chmod o-w {shlex.quote(str(parent))}"
                )
        self._check_one(self.path)
        for name in _ALWAYS_CHECKED:
            self._check_one(self.path / name)
        for name in _ALWAYS_SECRET:
            self._check_secret(self.path / name)

    def _check_parents(self, path: Path) -> None:
        """Every directory from the file to the credentials directory."""
        for parent in path.parents:
            self._check_one(parent)
            if parent == self.path:
                return

    def _check_one(self, path: Path) -> None:
        try:
            found = path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as exc:
            raise CredentialsError(f"Cannot read {path}: {exc.strerror}") from None
        _refuse_link(path)
        self._refuse_foreign(path, found)

    def _check_secret(self, path: Path) -> None:
        self._check_one(path)
        with contextlib.suppress(OSError), open(path, "rb", opener=_without_links) as file:
            if not is_encrypted(file.read(_VAULT_HEADER)):
                self._refuse_readable(path, os.fstat(file.fileno()))

    def _refuse_readable(self, path: Path, found: os.stat_result) -> None:
        """Raises AnsibleError if others may read this secret, as after a copy that did not keep modes."""
        others = stat.S_IROTH | (stat.S_IRGRP if found.st_uid == os.geteuid() else 0)
        if path.suffix != ".crt" and found.st_mode & others:
            directory = shlex.quote(str(self.path))
            raise CredentialsError(
                f"The credentials directory {self.path} is not used: other users may read {path} (mode "
                f"{found.st_mode & 0o7777:04o}), which is not encrypted. Run: chmod -R go-rwx {directory}"
            )

    def _refuse_foreign(self, path: Path, found: os.stat_result) -> None:
        directory = shlex.quote(str(self.path))
        if found.st_uid not in (os.geteuid(), 0):
            raise CredentialsError(
                f"The credentials directory {self.path} is not used: {path} belongs to another user (id "
                f"{found.st_uid}), who can change it. If its content is yours, run: chown -R {os.geteuid()} {directory}"
            )
        if found.st_mode & _WRITABLE_BY_OTHERS:
            raise CredentialsError(
                f"The credentials directory {self.path} is not used: other users may write {path} "
                f"(mode {found.st_mode & 0o7777:04o}). If its content is still yours, run: chmod -R go-w {directory}"
            )

    def _open_parent(self, path: Path) -> Directory:
        """The directory of a file, which is created if it is missing."""
        directory = open_directory(str(path.parent), make=0o700)
        self._check_parents(path)
        return directory

    @contextlib.contextmanager
    def _writing(self, path: Path) -> t.Iterator[None]:
        try:
            yield
        except OSError as exc:
            raise CredentialsError(
                f"Cannot write {path}: {exc.strerror}. A credentials directory that cannot be written must be "
                "complete: run the play once on a controller that may write it"
            ) from None

    def _decrypt(self, path: Path, content: bytes) -> bytes:
        try:
            return bytes((self._vault or VaultLib()).decrypt(content))
        except AnsibleError as exc:
            raise CredentialsError(
                f"Cannot decrypt {path}: {exc}. Give its vault password, as with --vault-password-file"
            ) from None

    def _encrypt(self, content: bytes) -> bytes:
        if self._vault is None or not self._vault.secrets:
            return content
        identity = C.DEFAULT_VAULT_ENCRYPT_IDENTITY  # type: ignore[attr-defined]
        vault_id, secret = match_encrypt_secret(self._vault.secrets, encrypt_vault_id=identity)
        return bytes(self._vault.encrypt(content, secret, vault_id=vault_id))


def _without_links(path: str, flags: int) -> int:
    """Open a file that is no link, and without waiting for anybody."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


def _own(mode: int) -> Attributes:
    """Those of a file of this user's."""
    return Attributes(os.geteuid(), os.getegid(), mode)


def _refuse_link(path: Path) -> None:
    is_link = False
    with contextlib.suppress(OSError):  # such as a name that is too long
        is_link = path.is_symlink()
    if is_link:
        quoted = shlex.quote(str(path))
        raise CredentialsError(
            f"{path} is a symbolic link, and the credentials directory must hold the file itself. "
            f'Run: cp --remove-destination "$(readlink -f {quoted})" {quoted}'
        )


def _password_file(user: str) -> str:
    """Raises AnsibleError if the name would lead elsewhere."""
    parts = user.split("/")
    if any(part.startswith(".") or not part or "\0" in part for part in parts):
        raise CredentialsError(
            f"The etcd user {user!r} cannot have a generated password: no part of its name may be empty or begin with "
            "a dot"
        )
    return str(PurePosixPath("passwords", *parts))
