# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clients that are kept between calls."""

from __future__ import annotations

import os
import threading

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import EtcdError
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.settings import Settings
from ansible_collections.rollcall.discovery.plugins.plugin_utils import _clients
from tests.support.fake_etcd import FakeEtcd, Refuse


def settings_of(fake, **options):
    return Settings.from_mapping({"endpoints": [fake.endpoint], **options})


def read(settings, idle=_clients):
    with idle.client(settings) as client:
        return client.get("/a")


@pytest.fixture
def secured(fake_etcd):
    fake_etcd.require_auth(root="pw")
    return fake_etcd


def test_calls_share_a_connection_and_a_token(secured):
    for _call in range(20):
        read(settings_of(secured, user="root", password="pw"))
    assert (secured.connections, secured.authentications) == (1, 1)


def test_other_settings_are_another_client(secured):
    read(settings_of(secured, user="root", password="pw"))
    read(settings_of(secured, user="root", password="pw", timeout=5))
    with pytest.raises(EtcdError, match="user name is empty"):
        read(settings_of(secured))
    assert (secured.connections, secured.authentications) == (3, 2)


def test_an_etcd_that_restarted_meanwhile_is_no_error(secured):
    options = settings_of(secured, user="root", password="pw")
    read(options)
    secured.restart()
    read(options)
    assert (secured.connections, secured.authentications) == (2, 2)


def test_a_refusal_leaves_nothing_behind(fake_etcd):
    fake_etcd.inject("/v3/kv/range", Refuse(7, "etcdserver: permission denied"))
    with pytest.raises(EtcdError, match="permission denied"):
        read(settings_of(fake_etcd))
    assert read(settings_of(fake_etcd)) is None


def test_a_block_within_a_block_has_a_client_of_its_own(fake_etcd):
    options = settings_of(fake_etcd)
    with _clients.client(options) as outer, _clients.client(options) as inner:
        assert outer is not inner
        assert (outer.get("/a"), inner.get("/a")) == (None, None)
    read(options)
    assert fake_etcd.connections == 2


def test_threads_never_share_a_client_at_the_same_time(fake_etcd):
    options, errors = settings_of(fake_etcd), []

    def work():
        try:
            for _call in range(20):
                read(options)
        except Exception as exc:  # whatever it is, it must fail the test and not the thread
            errors.append(exc)

    threads = [threading.Thread(target=work) for _thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert fake_etcd.count("/v3/kv/range") == 80


def test_only_so_many_are_kept(fake_etcd):
    idle = _clients.Idle()
    for seconds in range(1, _clients.MAX_IDLE + 2):
        read(settings_of(fake_etcd, timeout=seconds), idle)
    opened = fake_etcd.connections
    read(settings_of(fake_etcd, timeout=2), idle)
    assert fake_etcd.connections == opened
    read(settings_of(fake_etcd, timeout=1), idle)
    assert fake_etcd.connections == opened + 1
    idle.close()
    read(settings_of(fake_etcd, timeout=2), idle)
    assert fake_etcd.connections == opened + 2
    idle.close()


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # of the fork, with the fake's threads around
@pytest.mark.parametrize("tls", [False, True])
def test_a_forked_worker_leaves_its_parents_connection_alone(authority, tls):
    pair = authority.server()
    with FakeEtcd(cert=pair.cert, key=pair.key) if tls else FakeEtcd() as fake:
        fake.put("/a", "x")
        options = settings_of(fake, **({"ca_cert": str(authority.ca_cert)} if tls else {}))
        read(options)
        child = os.fork()
        if not child:
            os._exit(0 if read(options).value == "x" else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert read(options).value == "x"
        assert [request.connection for request in fake.received] == [1, 2, 1]
