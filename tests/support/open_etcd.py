# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host of the lab with an etcd that everyone may use, and what etcdctl there says of the hosts of the role web."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from tests.lab import Host, Lab

Json = dict[str, Any]


class OpenEtcd(NamedTuple):
    """The host it runs on."""

    host: Host

    @property
    def endpoint(self) -> str:
        """Its URL."""
        return f"http://{self.host.address}:2379"

    def ctl(self, arguments: str) -> str:
        """Run etcdctl, the witness; returns what it prints."""
        return self.host.exec(f"ETCDCTL_API=3 etcdctl {arguments}").stdout

    def keys(self, prefix: str) -> dict[str, Json]:
        """Everything under a prefix, by the rest of the key: `value`, `lease` and `mod_revision`."""
        found = json.loads(self.ctl(f"get --prefix {prefix} -w json")).get("kvs", [])
        return {_text(kv["key"]).removeprefix(prefix): {**kv, "value": _text(kv.get("value", ""))} for kv in found}

    def node(self, name: str) -> dict[str, Json]:
        """The keys of a host."""
        return self.keys(f"/infrastructure/web/{name}/")

    def values(self, name: str) -> dict[str, str]:
        """The values of a host's keys."""
        return {leaf: kv["value"] for leaf, kv in self.node(name).items()}

    def lease(self, name: str) -> str:
        """The lease of a host's address, in hexadecimal."""
        return f"{self.node(name)['ip']['lease']:x}"

    def roster(self, name: str) -> str:
        """What the roster says of a host: joined or left."""
        (entry,) = self.keys(f"/rollcall/infrastructure/roster/web/{name}").values()
        return str(json.loads(entry["value"])["state"])


@contextmanager
def open_etcd(lab: Lab, suite: str) -> Iterator[OpenEtcd]:
    """Make the host, with the etcd of its Debian, and destroy it in the end."""
    name = f"{suite[:4]}-etcd"
    try:
        (host,) = lab.create([name], suite=suite)
        host.exec("apt-get update -q && apt-get install -qy etcd-server etcd-client", timeout=600)
        settings = (
            f"ETCD_LISTEN_CLIENT_URLS=http://0.0.0.0:2379\nETCD_ADVERTISE_CLIENT_URLS=http://{host.address}:2379\n"
        )
        host.exec(f"printf '{settings}' >/etc/default/etcd && systemctl restart etcd")
        yield OpenEtcd(host)
    finally:
        lab.destroy([name])


def _text(encoded: str) -> str:
    return base64.b64decode(encoded).decode()
