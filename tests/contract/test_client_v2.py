# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reader of the v2 API against the fake and every etcd that has one; python-etcd is who writes."""

from __future__ import annotations

import etcd as python_etcd
import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import (
    NotGateway,
    PermissionDenied,
    Unreachable,
)
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.settings import Settings
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.v2 import V2Reader
from tests.support.fake_etcd import FakeEtcd, V2Store
from tests.support.fixtures import programs_of
from tests.support.real_etcd import Cluster

TREE = {"/infra/web/web1/ip": "10.0.0.1", "/infra/web/web 2%/ip": "grün\n", "/infra/db": "", "/infrastructure/x": "y"}
HISTORY = "/infra/web/gone"  # what etcd leaves of a host whose file has expired


def read(endpoint, prefix, **options):
    with V2Reader(Settings.from_mapping({"endpoints": [endpoint], **options})) as reader:
        return reader.read_all(prefix)


@pytest.fixture(scope="module", params=["fake", "etcd 3.4", "etcd 3.5"])
def endpoint(request):
    """A server with the tree in its v2 store."""
    if request.param == "fake":
        with FakeEtcd() as fake:
            fake.v2 = V2Store()
            for key, value in TREE.items():
                fake.v2.put(key, value)
            fake.v2.mkdir(HISTORY)
            yield fake.endpoint
        return
    with Cluster(programs_of(request.param.split()[1]), flags=["--enable-v2=true"]) as cluster:
        library = python_etcd.Client(port=cluster.members[0].port)
        for key, value in TREE.items():
            library.write(key, value)
        library.write(HISTORY, None, dir=True)
        yield cluster.endpoints[0]


def test_the_files_below_a_directory_are_its_keys_and_directories_are_none(endpoint):
    found = read(endpoint, "/infra/")
    assert {kv.key: kv.value for kv in found.kvs} == {k: v for k, v in TREE.items() if k.startswith("/infra/")}
    assert found.revision == max(kv.mod_revision for kv in found.kvs) > 0
    assert {kv.lease for kv in found.kvs} == {0}


@pytest.mark.parametrize("prefix", ["/nothing/", "/infra/web/gone/", "/infra/db/"])
def test_no_directory_an_empty_one_and_a_file_hold_nothing(endpoint, prefix):
    assert read(endpoint, prefix).kvs == []


def test_a_name_that_url_would_read_otherwise(endpoint):
    assert [kv.value for kv in read(endpoint, "/infra/web/web 2%/").kvs] == ["grün\n"]


@pytest.mark.parametrize("series", ["3.4", "3.6"])
def test_an_etcd_without_the_v2_api_is_told(series):
    with Cluster(programs_of(series)) as cluster, pytest.raises(NotGateway, match="v2 API needs --enable-v2") as error:
        read(cluster.endpoints[0], "/infra/")
    assert cluster.endpoints[0] in str(error.value)
    with FakeEtcd(series) as fake, pytest.raises(NotGateway, match="v2 API needs --enable-v2"):
        read(fake.endpoint, "/infra/")


def test_a_password_is_needed_where_v2_has_authentication():
    with FakeEtcd() as fake:
        fake.v2 = V2Store()
        fake.v2.put("/infra/web/web1/ip", "10.0.0.1")
        fake.v2.login = "inventory:sesame"
        assert_permission(fake.endpoint)
    with Cluster(programs_of("3.4"), flags=["--enable-v2=true"]) as cluster:
        [member] = cluster.members
        python_etcd.Client(port=member.port).write("/infra/web/web1/ip", "10.0.0.1")
        json = {"Content-Type": "application/json"}
        for user in ('{"user":"root","password":"top"}', '{"user":"inventory","password":"sesame","roles":["root"]}'):
            name = user.split('"')[3]
            assert member.request("PUT", f"/v2/auth/users/{name}", user, json)[0] in (200, 201)
        assert member.request("PUT", "/v2/auth/enable")[0] == 200
        basic = {"Authorization": "Basic cm9vdDp0b3A="}  # root:top
        revoke = '{"role":"guest","revoke":{"kv":{"read":["/*"],"write":["/*"]}}}'
        assert member.request("PUT", "/v2/auth/roles/guest", revoke, {**json, **basic})[0] == 200
        assert_permission(cluster.endpoints[0])


def assert_permission(endpoint):
    assert [kv.value for kv in read(endpoint, "/infra/", user="inventory", password="sesame").kvs] == ["10.0.0.1"]
    for options in ({}, {"user": "inventory", "password": "swordfish"}):
        with pytest.raises(PermissionDenied, match="Check user and password, and grant a role") as error:
            read(endpoint, "/infra/", **options)
        assert "swordfish" not in str(error.value)


def test_every_endpoint_is_tried():
    with FakeEtcd() as fake, FakeEtcd() as dead:
        fake.v2 = V2Store()
        fake.v2.put("/infra/web/web1/ip", "10.0.0.1")
        dead.stop()
        assert len(read(f"{dead.endpoint},{fake.endpoint}", "/infra/").kvs) == 1
        fake.stop()
        with pytest.raises(Unreachable, match="Reading the directory /infra/ over the v2 API failed") as error:
            read(f"{dead.endpoint},{fake.endpoint}", "/infra/")
        assert fake.endpoint in str(error.value)
        assert dead.endpoint in str(error.value)
