# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Known vulnerabilities and defects of etcd versions, for the role, the modules, the agent and SECURITY.md.

Internal to the collection: no promise is made to other users of this file.

Sources: etcd's CHANGELOG-3.4.md to CHANGELOG-3.7.md as of August 2026, the GitHub advisories with these ids, and
measurements on 3.4.23, 3.5.16, 3.5.34 and 3.6.16.
"""

from __future__ import annotations

import re
import typing as t

# Kinds of advisories, the worst first.
TAKEOVER = "takeover"  # authentication can be bypassed completely
PERMISSIONS = "permissions"  # users can exceed their permissions
SERVICE = "service"  # etcd can be stopped or slowed down
DATA = "data"  # data can be lost, or differ between members
OPERATION = "operation"  # a function that operators rely on is broken
SUPPORT = "support"  # end of life, no more fixes

_BREAK_AUTHENTICATION = (TAKEOVER, PERMISSIONS)


class Version(t.NamedTuple):
    """A version of etcd; a release candidate sorts before its release."""

    major: int
    minor: int
    patch: int
    released: bool = True

    @classmethod
    def parse(cls, text: str) -> Version:
        """From "3.6.16", "v3.6.16" or "3.7.0-rc.1". Raises ValueError."""
        match = re.match(r"v?(\d{1,4})\.(\d{1,4})\.(\d{1,4})(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?\Z", text, re.ASCII)
        if not match:
            raise ValueError(f"{text[:40]!r} is not a version of etcd, such as 3.6.16")
        major, minor, patch = map(int, match.groups()[:3])
        return cls(major, minor, patch, not match.group(4))

    @property
    def series(self) -> t.Tuple[int, int]:
        """The major and the minor version."""
        return self.major, self.minor

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}" + ("" if self.released else " (before its release)")


class Advisory(t.NamedTuple):
    """One advisory. `fixed_in` lists the first fixed version of each minor release; later ones were never affected."""

    id: str
    kind: str
    who: str  # who can exploit it, or who is affected
    text: str  # the effect
    fixed_in: t.Tuple[str, ...]
    since: str = "0.0.0"  # the first affected version
    authentication: bool = False  # whether it only matters if authentication is enabled
    danger: str = "users can exceed their permissions"  # for warnings, if it breaks authentication
    refused: bool = True  # whether the role refuses to enable authentication because of it

    def applies_to(self, version: Version) -> bool:
        """Whether this version is affected."""
        fixes = {fix.series: fix for fix in map(Version.parse, self.fixed_in)}
        if version < Version.parse(self.since) or version.series > max(fixes):
            return False
        return version.series not in fixes or version < fixes[version.series]

    @property
    def breaks_authentication(self) -> bool:
        """Whether users and permissions do not protect an affected cluster."""
        return self.authentication and self.kind in _BREAK_AUTHENTICATION

    def public(self) -> t.Dict[str, t.Any]:
        """The form in which modules and lookups return it."""
        return {
            "id": self.id,
            "kind": self.kind,
            "who": self.who,
            "text": self.text,
            "fixed_in": list(self.fixed_in),
            "breaks_authentication": self.breaks_authentication,
        }


ADVISORIES = (
    Advisory(
        "CVE-2026-33413",
        TAKEOVER,
        "any client that reaches the client port, without a password",
        "Full takeover of the cluster: an alarm can be raised without a token, and etcd checks no permissions while "
        "the alarm NOSPACE is raised. Any client can then delete keys, grant users the role root and disable "
        "authentication. Leases can also be listed, granted and kept alive without a token (GHSA-q8m4-xhhv-38mg).",
        ("3.4.42", "3.5.28", "3.6.9"),
        authentication=True,
        danger="any client that reaches the client port can take over the cluster",
    ),
    # Affects all of 3.5, and etcd has not published it. If the role refused it, it would refuse 3.5 as a whole, and
    # with it the upgrade from the distributions' packages to 3.6. Measured on 3.5.34; 3.6.16 still checks permissions.
    Advisory(
        "etcd-nospace-permissions",
        TAKEOVER,
        "any user that may write a key, such as the user of a node; then any client",
        "Full takeover of the cluster: a user that fills the quota raises the alarm NOSPACE, and the members then "
        "check no permissions until they are restarted.",
        ("3.6.0",),
        authentication=True,
        danger="a user that fills the quota opens the cluster to any client that reaches the client port",
        refused=False,
    ),
    Advisory(
        "CVE-2026-33343",
        PERMISSIONS,
        "any user",
        "Nested transactions can read and write all keys, regardless of the user's permissions (GHSA-rfx7-8w68-q57q).",
        ("3.4.42", "3.5.28", "3.6.9"),
        authentication=True,
    ),
    Advisory(
        "CVE-2026-44283",
        PERMISSIONS,
        "any user",
        "A put within a transaction can read the previous value of any key, and attach keys to any lease "
        "(GHSA-x35m-3gp4-4fh5).",
        ("3.4.44", "3.5.30", "3.6.11"),
        authentication=True,
    ),
    Advisory(
        "GHSA-xg4h-6gfc-h4m8",
        PERMISSIONS,
        "any user that may read one key, such as the user of a node",
        "Such a user can watch all keys from that key on.",
        ("3.5.33", "3.6.14", "3.7.1"),
        authentication=True,
    ),
    Advisory(
        "CVE-2023-32082",
        PERMISSIONS,
        "any user",
        "Users can list the keys of a lease that they may not read (GHSA-3p4g-rcw5-8298).",
        ("3.4.26", "3.5.9"),
        authentication=True,
    ),
    Advisory(
        "GHSA-6vch-q96h-7gc3",
        SERVICE,
        "any client that reaches a TLS port",
        "Connections that never start a TLS handshake stay open without limit, until etcd runs out of memory.",
        ("3.5.33", "3.6.14", "3.7.1"),
    ),
    Advisory(
        "GHSA-3wh4-j44w-pg92",
        PERMISSIONS,
        "any client with a revoked client certificate",
        "With listen-client-http-urls, the gRPC port accepts revoked client certificates.",
        ("3.5.32", "3.6.13", "3.7.0"),
    ),
    Advisory(
        "etcd-data-inconsistency",
        DATA,
        "every cluster",
        "After a crash under load, members can have different data without detecting it (etcd pull request 13908).",
        ("3.5.3",),
        since="3.5.0",
    ),
    Advisory(
        "etcd-lease-renewal",
        OPERATION,
        "clients that keep leases alive, such as agents",
        "etcd can report a renewal as successful after the lease was revoked (etcd pull request 20616).",
        ("3.5.23", "3.6.5"),
    ),
    Advisory(
        "etcd-lease-cpu",
        OPERATION,
        "clusters with many leases",
        "Renewing leases takes far more CPU time than in other versions (etcd pull request 18439).",
        ("3.5.16",),
        since="3.5.13",
    ),
    Advisory(
        "etcd-learner-promotion",
        OPERATION,
        "operators who add members",
        "With authentication enabled, a learner cannot be promoted through a follower (etcd pull request 21494).",
        ("3.5.28", "3.6.6"),
        since="3.5.0",
        authentication=True,
    ),
    Advisory(
        "etcd-member-list",
        OPERATION,
        "health checks as a user without the role root",
        "With authentication enabled, only administrators can list members and alarms (etcd pull request 21549).",
        ("3.6.10",),
        since="3.6.0",
        authentication=True,
    ),
    Advisory(
        "etcd-3.4-end-of-life",
        SUPPORT,
        "every cluster of etcd 3.4 or older",
        "End of life: etcd has published no fixes for it since June 2026.",
        ("3.5.0",),
    ),
)


def applying(version: str, authentication: bool = True) -> t.List[Advisory]:
    """The advisories for a version, with authentication enabled or not. Raises ValueError for an invalid version."""
    parsed = Version.parse(version)
    return [
        advisory
        for advisory in ADVISORIES
        if advisory.applies_to(parsed) and (authentication or not advisory.authentication)
    ]


def safe_versions(refused_only: bool = False) -> t.List[str]:
    """The lowest version of each minor release without broken authentication, or that the role does not refuse."""
    breaking = [advisory for advisory in ADVISORIES if advisory.breaks_authentication]
    breaking = [advisory for advisory in breaking if advisory.refused or not refused_only]
    safe: t.Dict[t.Tuple[int, int], Version] = {}
    for candidate in sorted({Version.parse(fix) for advisory in breaking for fix in advisory.fixed_in}):
        if candidate.series not in safe and not any(advisory.applies_to(candidate) for advisory in breaking):
            safe[candidate.series] = candidate
    return [str(safe[series]) for series in sorted(safe)]


def warning(version: str, refused_only: bool = False) -> str:
    """A warning about a version that runs with authentication enabled; "" if it is safe. Raises ValueError.

    With `refused_only`, it is "" for all versions that the role does not refuse.
    """
    broken = [advisory for advisory in applying(version) if advisory.breaks_authentication]
    broken = [advisory for advisory in broken if advisory.refused or not refused_only]
    if not broken:
        return ""
    ids = ", ".join(advisory.id for advisory in broken)
    return (
        f"Authentication in etcd {version} is not safe: {broken[0].danger} ({ids}). Upgrade to "
        f"{', '.join(safe_versions(refused_only))} or newer"
    )


_BEFORE_3_6 = Version(3, 5, 26)  # etcd's upgrade guide: 3.5.0 to 3.5.25 can leave members that 3.6 rejects


def upgrade_problem(running: str, target: str) -> str:
    """The reason why members cannot be upgraded from one version to the other; "" if they can. Raises ValueError."""
    now, then = Version.parse(running), Version.parse(target)
    if then < now:
        return f"etcd cannot be downgraded from {now} to {then}: restore a backup into a new cluster instead"
    if then.major != now.major or then.minor > now.minor + 1:
        return (
            f"etcd cannot be upgraded from {now} to {then} in one step: upgrade one minor version at a time, "
            f"first to a release of {now.major}.{now.minor + 1}"
        )
    if now.series == (3, 5) and then.series == (3, 6) and now < _BEFORE_3_6:
        return (
            f"etcd cannot be upgraded from {now} to {then} in one step: upgrade to {_BEFORE_3_6} or a later 3.5 first"
        )
    return ""
