# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What outlives a run: cached keys, and the last good reading of an etcd."""

from __future__ import annotations

import json
import os
import re
import stat
import time

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.wire import KeyValue
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.node_set import Keys
from ansible_collections.rollcall.discovery.plugins.plugin_utils._inventory import _cached
from tests.support.fake_etcd import Answer, Drop, FakeEtcd, Refuse, Stall
from tests.support.inventory import read_inventory, register_nodes, write_config

SOURCE = {"etcd": ["http://etcd1:2379"], "prefix": "/infrastructure/"}
KEYS = Keys(9, [KeyValue("/infrastructure/web/web1/ip", "10.0.0.1", 1, 1, 1, 7)], [], [])
RANGE = "/v3/kv/range"


# What a cache holds


def test_what_is_kept_comes_back():
    assert _cached.load(json.loads(json.dumps(_cached.dump(KEYS, SOURCE))), SOURCE) == KEYS
    assert _cached.load(_cached.dump(KEYS, SOURCE), {**SOURCE, "prefix": "/other/"}) is None


@pytest.mark.parametrize("key", ["/infrastructure/web/\udcff/ip", "/infrastructure/web/é/ip"])
@pytest.mark.parametrize("value", ["\udcff\udc80é", "é", '{"base64": "eA=="}'])
def test_bytes_that_are_no_text_come_back_and_are_kept_as_text(key, value):
    keys = Keys(9, [KeyValue(key, value, 1, 1, 1, 0)], [], [])
    kept = json.dumps(_cached.dump(keys, SOURCE), ensure_ascii=False).encode()
    assert _cached.load(json.loads(kept), SOURCE) == keys


def damaged():
    whole = _cached.dump(KEYS, SOURCE)
    yield from (None, 7, "text", [], [whole], {}, {"source": SOURCE}, {**whole, "revision": "9"})
    for part in ("tree", "maintenance", "roster"):
        for rows in (None, "", "rows", 7, {}, [7], ["abcdef"], [[]], [["key"]], [["k", 1, 1, 1, 1, 0]]):
            yield {**whole, part: rows}
    for row in (["k", "v", 1, 1, 1], ["k", "v", 1, 1, 1, 0, 0], [None, "v", 1, 1, 1, 0], ["k", "v", "1", 1, 1, 0]):
        yield {**whole, "tree": [row]}
    for value in ({}, {"base64": 7}, {"base64": "x"}, {"base64": "é"}, {"base64": None}, ["v"]):
        yield {**whole, "tree": [["k", value, 1, 1, 1, 0]]}
    for part in whole:
        yield {name: value for name, value in whole.items() if name != part}


@pytest.mark.parametrize("value", list(damaged()), ids=repr)
def test_what_is_damaged_or_somebody_elses_is_a_miss(value):
    assert _cached.load(value, SOURCE) is None


CACHE = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile"}


@pytest.mark.parametrize(
    "content",
    ["", "{", "7", "[]", "{}", '{"": {}}', '{"": {"source": {}}}', '{"": null}', "\x00", '{"__payload__": 7}'],
)
def test_a_damaged_cache_file_is_a_miss(fake_etcd, config, tmp_path, content):
    register_nodes(fake_etcd, "web1")
    path = config(**CACHE, cache_connection=str(tmp_path / "cache"))
    read_inventory(path)
    [file] = (tmp_path / "cache").iterdir()
    file.write_text(content)
    asked = len(fake_etcd.received)
    assert list(read_inventory(path).hosts) == ["web1"]
    assert len(fake_etcd.received) > asked


def test_one_key_that_is_no_text_does_not_defeat_the_cache(fake_etcd, connect, config, tmp_path):
    register_nodes(fake_etcd, "web1", "web2")
    connect(endpoints=[fake_etcd.endpoint]).put("/infrastructure/web/\udcff/ip", "10.0.0.9")
    fake_etcd.put("/infrastructure/web/web1/node", "\udcff")
    path = config(**CACHE, cache_connection=str(tmp_path / "cache"))
    assert list(read_inventory(path).hosts) == ["web2"]
    asked = len(fake_etcd.received)
    assert list(read_inventory(path).hosts) == ["web2"]
    assert len(fake_etcd.received) == asked


# The last good reading

USE_CACHE = {"on_error": "use_cache", "max_cache_age": 60}


def aged(state, seconds):
    """Make the one reading in `state` older."""
    [file] = state.glob("reading-*")
    file.write_text(json.dumps({**json.loads(file.read_text()), "time": time.time() - seconds}))


def test_an_etcd_that_is_away_is_taken_as_it_was_with_a_warning(fake_etcd, config, capsys):
    register_nodes(fake_etcd, "web1")
    path = config(**USE_CACHE)
    read_inventory(path)
    assert "[WARNING]" not in capsys.readouterr().err
    fake_etcd.stop()
    assert list(read_inventory(path).hosts) == ["web1"]
    warning = " ".join(capsys.readouterr().err.split())
    assert re.search(
        r"etcd is taken as it was \d+ seconds ago, at revision \d+: Reading keys under .* refused", warning
    )


@pytest.mark.parametrize(
    "fault",
    [
        Drop(),
        Stall(),
        Refuse(14, "etcdserver: no leader"),
        Refuse(14, "etcdserver: request timed out"),
        Answer(503, "text/html", b"busy"),
    ],
    ids=repr,
)
def test_what_may_pass_is_bridged(fake_etcd, config, fault):
    register_nodes(fake_etcd, "web1")
    path = config(**USE_CACHE, timeout="1s")
    read_inventory(path)
    fake_etcd.inject(RANGE, fault)
    assert list(read_inventory(path).hosts) == ["web1"]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Refuse(7, "etcdserver: permission denied"), "permission denied"),
        (Refuse(3, "etcdserver: user name is empty"), "set user and password"),
        (Answer(404, "text/plain", b"not here"), "Check that this is a client URL of etcd"),
    ],
    ids=repr,
)
def test_what_does_not_pass_is_an_error_whatever_is_kept(fake_etcd, config, failure, fault, message):
    register_nodes(fake_etcd, "web1")
    path = config(**USE_CACHE)
    read_inventory(path)
    fake_etcd.inject(RANGE, fault)
    printed = failure(path)
    assert message in printed
    assert "last reading" not in printed


def test_a_certificate_that_is_not_accepted_is_an_error_whatever_is_kept(authority, config, failure, tmp_path):
    pair = authority.server()
    with FakeEtcd(cert=pair.cert, key=pair.key) as fake:
        register_nodes(fake, "web1")
        options = {**USE_CACHE, "endpoints": [fake.endpoint]}
        read_inventory(config(ca_cert=str(authority.ca_cert), **options))
        assert "certificate verification failed" in failure(config(**options))


def test_a_guard_is_not_bridged(fake_etcd, config, failure):
    register_nodes(fake_etcd, "web1")
    read_inventory(config(**USE_CACHE))
    fake_etcd.stop()
    assert "fewer than min_hosts (2)" in failure(config(**USE_CACHE, min_hosts=2))


def test_what_is_too_old_is_an_error_with_both_reasons(fake_etcd, config, failure, state):
    register_nodes(fake_etcd, "web1")
    path = config(**USE_CACHE)
    read_inventory(path)
    fake_etcd.stop()
    aged(state, 61)
    printed = failure(path)
    assert "connection refused" in printed
    assert re.search(
        r"Nor can its last reading be used: it is 6\d seconds old, more than max_cache_age \(60\)", printed
    )


def test_a_clock_that_was_set_back_does_not_make_it_young(fake_etcd, config, failure, state):
    register_nodes(fake_etcd, "web1")
    read_inventory(config(**USE_CACHE))
    fake_etcd.stop()
    aged(state, -3600)
    assert "it is from the future" in failure(config(**USE_CACHE))


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"time": 1e99}', '{"source": {}, "time": 0}', "\udcff"])
def test_a_damaged_file_is_an_error_with_both_reasons(fake_etcd, config, failure, state, content):
    register_nodes(fake_etcd, "web1")
    read_inventory(config(**USE_CACHE))
    fake_etcd.stop()
    [file] = state.glob("reading-*")
    file.write_bytes(content.encode("utf-8", "surrogateescape"))
    printed = failure(config(**USE_CACHE))
    assert "connection refused" in printed
    assert f"{file} is damaged" in printed


def test_nothing_kept_or_only_of_another_prefix_is_an_error_with_both_reasons(fake_etcd, config, failure):
    register_nodes(fake_etcd, "web1")
    read_inventory(config(**USE_CACHE))
    fake_etcd.stop()
    printed = failure(config(**USE_CACHE, prefix="/staging"))
    assert "connection refused" in printed
    assert "Nor can its last reading be used: it does not exist" in printed


def test_what_is_kept_is_checked_like_what_etcd_says(fake_etcd, config, failure, state):
    register_nodes(fake_etcd, "web1")
    read_inventory(config(**USE_CACHE))
    [file] = state.glob("reading-*")
    file.write_text(file.read_text().replace("10.0.0.1", "127.0.0.1"))
    fake_etcd.stop()
    assert "the address 127.0.0.1 is loopback" in failure(config(**USE_CACHE))


def test_only_its_user_can_read_the_file_and_nothing_is_left_beside_it(fake_etcd, config, state):
    register_nodes(fake_etcd, "web1")
    path = config(**USE_CACHE)
    usual = os.umask(0)
    try:
        read_inventory(path)
        read_inventory(path)
    finally:
        os.umask(usual)
    [file] = state.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_a_directory_in_which_others_may_write_is_refused_with_the_command_that_mends_it(
    fake_etcd, config, failure, state
):
    """They could put hosts of their own there, for when etcd is away."""
    register_nodes(fake_etcd, "web1")
    read_inventory(config(**USE_CACHE))
    state.chmod(0o777)
    printed = failure(config(**USE_CACHE))
    assert f"other users can write to {state} (mode 0777)" in printed
    assert f"(chmod go-w {state})" in printed
    fake_etcd.stop()
    assert f"other users can write to {state}" in failure(config(**USE_CACHE))
    state.chmod(0o1777)
    assert list(read_inventory(config(**USE_CACHE)).hosts) == ["web1"]


@pytest.mark.parametrize("planted", ["file", "directory", "link", "pipe"])
def test_a_reading_that_another_user_has_put_there_is_not_used(fake_etcd, config, failure, state, planted):
    register_nodes(fake_etcd, "web1")
    read_inventory(config(**USE_CACHE))
    [file] = state.glob("reading-*")
    state.chmod(0o1777)
    if planted in ("file", "directory"):
        os.chown(file if planted == "file" else state, 12345, -1)
    else:
        file.rename(state.parent / "elsewhere")
        file.symlink_to(state.parent / "elsewhere") if planted == "link" else os.mkfifo(file)
    fake_etcd.stop()
    printed = failure(config(**USE_CACHE))
    assert "Nor can its last reading be used: Cannot read" in printed
    expected = {"link": "is a symbolic link", "pipe": "is not a regular file"}
    assert expected.get(planted, "user 12345") in printed


def test_where_nothing_can_be_written_the_user_is_told_before_it_is_needed(fake_etcd, config, failure, tmp_path):
    register_nodes(fake_etcd, "web1")
    (tmp_path / "file").write_text("")
    assert "check state_dir" in failure(config(**{**USE_CACHE, "state_dir": str(tmp_path / "file" / "x")}))


def test_a_stale_reading_does_not_get_into_the_cache_of_ansible(fake_etcd, config, tmp_path):
    register_nodes(fake_etcd, "web1")
    path = config(**USE_CACHE)
    read_inventory(path)
    fake_etcd.stop()
    path = config(**USE_CACHE, **CACHE, cache_connection=str(tmp_path / "cache"))
    read_inventory(path)
    fake_etcd.start()
    register_nodes(fake_etcd, "web2")
    assert list(read_inventory(path).hosts) == ["web1", "web2"]


def test_one_of_two_clusters_may_be_away(fake_etcd, tmp_path, state, capsys):
    register_nodes(fake_etcd, "web1")
    with FakeEtcd() as us:
        us.put("/infrastructure/web/web2/ip", "10.2.0.1")
        clusters = [{"name": "eu", "endpoints": [fake_etcd.endpoint]}, {"name": "us", "endpoints": [us.endpoint]}]
        path = write_config(tmp_path, clusters=clusters, state_dir=str(state), **USE_CACHE)
        read_inventory(path)
    register_nodes(fake_etcd, "web3")
    assert sorted(read_inventory(path).hosts) == ["web1", "web2", "web3"]
    assert "The cluster us is taken as it was" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on_error": "use_cache"}, "on_error: use_cache needs max_cache_age"),
        ({"on_error": "use_cache", "max_cache_age": 0}, "on_error: use_cache needs max_cache_age"),
        ({"max_cache_age": 60}, "max_cache_age means nothing without on_error: use_cache"),
        ({"on_error": "ignore"}, "Valid values are: fail, use_cache"),
        ({"lost": True, "layout": "json"}, "lost needs a roster"),
        ({"lost": True, "api": "v2"}, "lost needs a roster"),
    ],
)
def test_options_that_do_not_go_together(fake_etcd, config, failure, options, message):
    assert message in failure(config(**options))
    assert not fake_etcd.received
