# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS to real etcd: what etcd demands, what its gateway makes of certificates, and how the errors read."""

from __future__ import annotations

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import EtcdError, NotGateway, Unreachable
from tests.support.certs import Authority
from tests.support.fake_etcd import VERSIONS
from tests.support.fixtures import programs_of
from tests.support.real_etcd import Cluster, Tls

FAST = "--bcrypt-cost=4"


@pytest.fixture(scope="module", params=VERSIONS)
def strict(request, authority):
    """Demands client certificates, and users with passwords."""
    tls = Tls(authority.ca_cert, authority.server(common_name="etcd1"), authority.client())
    with Cluster(programs_of(request.param), tls=tls, flags=[FAST]) as cluster:
        cluster.require_auth(root="secret of root", web="secret of web")
        cluster.permit("web", "/web/")
        yield cluster


@pytest.fixture
def options(strict, authority):
    """What a client needs to get in."""
    pair = authority.client()
    return {
        "endpoints": strict.endpoints,
        "ca_cert": str(authority.ca_cert),
        "client_cert": str(pair.cert),
        "client_key": str(pair.key),
        "user": "web",
        "password": "secret of web",
    }


def test_a_certificate_without_cn_and_a_password_get_in(connect, options):
    client = connect(**options)
    client.put("/web/1", "value")
    watch = client.watch("/web/", prefix=True, start_revision=client.get("/web/1").mod_revision)
    assert next(event for batch in watch for event in batch.events).kv.value == "value"
    watch.close()


def test_a_certificate_with_cn_is_refused_and_the_error_explains_it(connect, options, authority):
    pair = authority.client("named", common_name="web")
    client = connect(**{**options, "client_cert": str(pair.cert), "client_key": str(pair.key)})
    with pytest.raises(NotGateway, match="use a client certificate without a CN, and set user and password"):
        client.get("/web/1")


@pytest.mark.parametrize("foreign", [False, True], ids=["without certificate", "with one of another authority"])
def test_etcd_that_demands_a_certificate_says_what_to_check(connect, options, tmp_path, foreign):
    del options["client_cert"], options["client_key"]
    if foreign:
        pair = Authority(tmp_path, name="others").client()
        options |= {"client_cert": str(pair.cert), "client_key": str(pair.key)}
    with pytest.raises(Unreachable) as failure:
        connect(**options).get("/web/1")
    assert options["endpoints"][0] in str(failure.value)
    assert "client_cert" in str(failure.value)


def test_a_server_of_another_authority_is_not_trusted(connect, options, tmp_path):
    options["ca_cert"] = str(Authority(tmp_path, name="others").ca_cert)
    with pytest.raises(Unreachable, match="certificate verification failed.*check ca_cert and the host name"):
        connect(**options).get("/web/1")


def test_plain_http_to_a_tls_port_says_what_to_check(connect, strict):
    with pytest.raises(EtcdError, match="(?i)https|scheme"):
        connect(endpoints=[strict.endpoints[0].replace("https://", "http://")]).get("/web/1")


@pytest.mark.parametrize("series", VERSIONS)
def test_a_server_certificate_without_client_usage_breaks_the_gateway(connect, authority, series):
    pair = authority.client()
    tls = Tls(authority.ca_cert, authority.server("server only", client_auth=False), pair)
    with Cluster(programs_of(series), tls=tls) as cluster:
        client = connect(
            endpoints=cluster.endpoints,
            ca_cert=str(authority.ca_cert),
            client_cert=str(pair.cert),
            client_key=str(pair.key),
        )
        assert "OK" in cluster.ctl("put", "/web/1", "etcdctl does not go through the gateway")
        with pytest.raises(Unreachable, match="clientAuth"):
            client.get("/web/1")


@pytest.mark.parametrize("series", VERSIONS)
def test_a_gateway_that_is_off_is_named(connect, series):
    with Cluster(programs_of(series), flags=["--enable-grpc-gateway=false"]) as cluster:
        with pytest.raises(NotGateway, match="enable-grpc-gateway"):
            connect(endpoints=cluster.endpoints).get("/web/1")
        with pytest.raises(NotGateway, match="enable-grpc-gateway"):
            connect(endpoints=cluster.endpoints).watch("/web/1")
