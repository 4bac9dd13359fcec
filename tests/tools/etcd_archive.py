# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Archives of etcd, packed as its releases are, for the role: what the demo and the tests install.

`python -m tests.tools.etcd_archive` makes the demo's and writes the role's options into build/etcd.json, where
tests/lab/group_vars/etcd.yml reads them. Without a Go toolchain nothing safe can be made: then the demo runs Debian's
etcd, and says so. With CI=true that is an error.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tarfile
from functools import partial
from pathlib import Path
from typing import Any

from tests.tools.etcd_binaries import GO_VERSIONS, Unavailable, build, cached

OPTIONS = Path(__file__).resolve().parents[2] / "build/etcd.json"
DEMO_VERSION = GO_VERSIONS["3.6"]
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "ppc64le": "ppc64le", "s390x": "s390x"}


def archive_options(version: str = DEMO_VERSION) -> dict[str, Any]:
    """The role's options that install a version. Raises Unavailable where it cannot be built."""
    directory = cached(f"etcd-{version}-archive", partial(_make, version))
    digest, name = (directory / "SHA256SUMS").read_text().split()
    return {"etcd_archive": str(directory / name), "etcd_archive_checksum": f"sha256:{digest}"}


def demo_options() -> tuple[dict[str, Any], str]:
    """The role's options for the demo, and in one line what they install."""
    try:
        options = archive_options()
        line = f"etcd {DEMO_VERSION.removeprefix('v')}, built from its Go modules and packed as its release is"
    except Unavailable as reason:
        if os.environ.get("CI") == "true":
            raise RuntimeError(f"CI must test a safe etcd, and none can be made: {reason}") from reason
        options = {"etcd_allow_vulnerable": True}
        line = f"Debian's etcd, which is NOT safe with authentication on (etcd_allow_vulnerable: true): {reason}"
    return options, line


def write_options() -> str:
    """Write the demo's options; returns the line."""
    options, line = demo_options()
    OPTIONS.parent.mkdir(exist_ok=True)
    OPTIONS.write_text(json.dumps(options))
    return line


def pack(binaries: Path, version: str, directory: Path) -> Path:
    """Pack programs into etcd-VERSION-linux-ARCH.tar.gz in `directory`, with SHA256SUMS beside it. Returns its path."""
    top = f"etcd-{version}-linux-{_ARCHITECTURES[os.uname().machine]}"
    path = directory / f"{top}.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for program in ("etcd", "etcdctl", "etcdutl"):
            archive.add(binaries / program, f"{top}/{program}")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (directory / "SHA256SUMS").write_text(f"{digest}  {path.name}\n")
    return path


def _make(version: str, target: Path) -> None:
    pack(cached(f"etcd-{version}", partial(build, version)), version, target)


if __name__ == "__main__":
    print(write_options())
    sys.exit(0)
