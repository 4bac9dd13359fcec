# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What other programs' clients have written makes an inventory: the Python libraries etcd3, and python-etcd for v2."""

from __future__ import annotations

import json

import etcd as python_etcd
import etcd3

from tests.support.fixtures import programs_of
from tests.support.inventory import write_config
from tests.support.real_etcd import Cluster
from tests.support.waiting import wait_for


def hosts(run, path):
    """The addresses of the hosts of `ansible-inventory --list`."""
    found = run("ansible-inventory", "-i", path, "--list").inventory["_meta"]["hostvars"]
    return {name: variables["ansible_host"] for name, variables in found.items()}


def test_what_etcd3_writes_under_a_lease_is_a_host_until_it_revokes_the_lease(run, etcd, tmp_path):
    with etcd3.client(host="127.0.0.1", port=etcd.members[0].port) as library:
        lease = library.lease(60)
        library.put("/infrastructure/web/web1/ip", "10.0.0.1", lease=lease)
        library.put("/infrastructure/web/web1/node", json.dumps({"v": 1, "services": {"web": {"port": 80}}}), lease)
        library.put("/infrastructure/web/web2/ip", "10.0.0.2", lease=library.lease(600))
        library.put("/infrastructure/web/zombie/ip", "10.0.0.66")
        path = write_config(tmp_path, endpoints=etcd.endpoints)
        assert hosts(run, path) == {"web1": "10.0.0.1", "web2": "10.0.0.2"}
        lease.revoke()
    assert hosts(run, path) == {"web2": "10.0.0.2"}


def test_what_python_etcd_writes_with_a_ttl_is_a_host_until_that_has_passed(run, tmp_path):
    with Cluster(programs_of("3.5"), flags=["--enable-v2=true"]) as etcd:
        library = python_etcd.Client(port=etcd.members[0].port)
        library.write("/infrastructure/eu-west-1a/web/web1/ip", "10.0.0.1", ttl=121)
        library.write("/infrastructure/eu-west-1a/web/web2/ip", "10.0.0.2", ttl=600)
        library.write("/infrastructure/eu-west-1a/web/zombie/ip", "10.0.0.66")
        etcd.put("/infrastructure/eu-west-1a/web/web3/ip", "10.0.0.3")
        path = write_config(tmp_path, endpoints=etcd.endpoints, layout="{dc}/{role}/{name}", api="v2")
        assert hosts(run, path) == {"web1": "10.0.0.1", "web2": "10.0.0.2"}
        library.write("/infrastructure/eu-west-1a/web/web1/ip", "10.0.0.1", ttl=1)
        directory = "/infrastructure/eu-west-1a/web/web1"
        wait_for(lambda: not [*library.read(directory).children][0].value, "etcd to delete the key", 10)
        assert hosts(run, path) == {"web2": "10.0.0.2"}
