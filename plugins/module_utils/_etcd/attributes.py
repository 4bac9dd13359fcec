# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Owner, permissions, ACLs and labels of a file, read from one file and set on another.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import errno
import os
import typing as t

_SELINUX = "/sys/fs/selinux/enforce"  # exists if SELinux is enabled
_ACL = "system.posix_acl_access"
# Valid only for the content that they were created for, or a privilege of a program.
_NOT_COPIED = ("security.capability", "security.ima", "security.evm")


class Attributes(t.NamedTuple):
    """Owner and group (ids), permissions, and extended attributes, including ACLs and the SELinux label."""

    uid: int
    gid: int
    mode: int
    extended: t.Mapping[str, bytes] = {}


def extended_of(descriptor: int) -> t.Dict[str, bytes]:
    """The extended attributes to copy to a new file."""
    try:
        names = os.listxattr(descriptor)
    except OSError as exc:
        if exc.errno == errno.ENOTSUP:
            return {}
        raise
    return {name: os.getxattr(descriptor, name) for name in names if name not in _NOT_COPIED}


def set_attributes(descriptor: int, wanted: Attributes) -> None:
    """Set owner, extended attributes and permissions; these come last, since they limit an ACL, as in chmod(1)."""
    now = os.fstat(descriptor)
    if (now.st_uid, now.st_gid) != (wanted.uid, wanted.gid):  # only if needed: hardened units cannot call chown(2)
        os.fchown(descriptor, wanted.uid, wanted.gid)
    present = extended_of(descriptor)
    for name, value in wanted.extended.items():
        if present.get(name) != value:
            _set_extended(descriptor, name, value)
    if _ACL in present and _ACL not in wanted.extended:  # the directory's default for new files
        os.removexattr(descriptor, _ACL)
    os.fchmod(descriptor, wanted.mode)


def _set_extended(descriptor: int, name: str, value: bytes) -> None:
    try:
        os.setxattr(descriptor, name, value)
    except OSError as exc:
        if name.startswith("security.") and exc.errno == errno.EPERM and not os.path.exists(_SELINUX):
            return  # a label from a time when SELinux was enabled, now without a meaning
        raise OSError(exc.errno, f"cannot copy the extended attribute {name}: {exc.strerror}") from exc
