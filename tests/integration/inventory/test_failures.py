# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An inventory that cannot be had: one message, an exit code, no host. Ansible's own way is a warning and 0."""

from __future__ import annotations

import json

import pytest

from tests.support.certs import Authority
from tests.support.inventory import write_config
from tests.support.real_etcd import Cluster, Tls

NOWHERE = "http://127.0.0.1:1"
PLAY = [{"hosts": "all", "gather_facts": False, "tasks": [{"ansible.builtin.debug": {"msg": "it ran"}}]}]


@pytest.fixture(scope="module")
def guarded(etcd_programs, authority):
    """An etcd with TLS and authentication, and a node in it. The user half may not read about maintenance."""
    with Cluster(etcd_programs, tls=Tls(authority.ca_cert, authority.server())) as cluster:
        cluster.put("/infrastructure/web/web1/ip", "10.0.0.1")
        cluster.require_auth(root="hunter2", inventory="sesame", half="open")
        for role, prefix in (
            ("inventory", "/infrastructure/"),
            ("inventory", "/rollcall/"),
            ("half", "/infrastructure/"),
        ):
            cluster.ctl("role", "grant-permission", role, "--prefix=true", "read", prefix, user="root:hunter2")
        yield cluster


@pytest.fixture
def config(guarded, authority, tmp_path):
    """Writes a configuration for it."""

    def write(**options):
        return write_config(tmp_path, **{"endpoints": guarded.endpoints, "ca_cert": str(authority.ca_cert), **options})

    return write


def assert_failed(done, *words):
    assert done.rc == 1, done
    assert done.stdout == ""
    assert done.stderr.count("[ERROR]") == 1
    assert "[WARNING]" not in done.stderr
    assert "No inventory from " in done.messages
    for word in words:
        assert done.messages.count(word) == 1, done.messages  # said, and said once


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        ("ansible-inventory", ["--list"]),
        ("ansible-inventory", ["--graph"]),
        ("ansible-inventory", ["--host", "web1"]),
        ("ansible", ["all", "-m", "ansible.builtin.ping"]),
        ("ansible", ["localhost", "-m", "ansible.builtin.ping"]),
        ("ansible-playbook", ["play.yml"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_every_program_ends_where_etcd_cannot_be_reached(run, tmp_path, program, arguments):
    (tmp_path / "play.yml").write_text(json.dumps(PLAY))
    done = run(program, "-i", write_config(tmp_path, endpoints=[NOWHERE]), *arguments)
    assert_failed(done, "Reading keys under /infrastructure/ failed", NOWHERE, "connection refused")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"endpoints": ["http://etcd1:port"]}, ["etcd endpoint: expected http://host:2379", "got 'http://etcd1:port'"]),
        ({"frobnicate": 1}, ["Unknown option 'frobnicate'"]),
        ({"endpoint": NOWHERE}, ["Unknown option 'endpoint'", "did you mean 'endpoints'"]),
        ({"hostnames": ["fqdn"]}, ["Valid values are: name, address, name.dc"]),
        ({"filters": {"helth": "passing"}}, ["there is no filter 'helth'; did you mean 'health'?"]),
        ({"exclude_filters": [{"health": "ill"}]}, ["exclude_filters: value of health must be one or more of"]),
        ({"group_names": {"tag": "{tag}"}}, ["group_names.tag", "Put something before {tag}"]),
        ({"clusters": [{"name": "eu", "endpoint": NOWHERE}]}, ["the cluster eu", "did you mean 'endpoints'"]),
        ({"on_error": "use_cache"}, ["on_error: use_cache needs max_cache_age"]),
        ({"max_shrink": "a lot"}, ["max_shrink is 'a lot'"]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_wrong_options(run, tmp_path, options, words):
    path = write_config(tmp_path, **{"endpoints": [NOWHERE], **options})
    assert_failed(run("ansible-inventory", "-i", path, "--list"), str(path), *words)


def test_an_empty_prefix_that_was_not_declared(run, tmp_path, etcd):
    path = write_config(tmp_path, endpoints=etcd.endpoints)
    assert_failed(run("ansible-inventory", "-i", path, "--list"), "no node under /infrastructure/", "allow_empty: true")


def test_an_empty_prefix_that_was_declared(run, tmp_path, etcd):
    path = write_config(tmp_path, endpoints=etcd.endpoints, allow_empty=True)
    done = run("ansible-inventory", "-i", path, "--list")
    assert done.rc == 0
    assert done.inventory["_meta"]["hostvars"] == {}


def test_another_good_source_does_not_hide_the_failure(run, tmp_path):
    (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"web9": None}}}))
    path = write_config(tmp_path, endpoints=[NOWHERE])
    done = run("ansible-inventory", "-i", tmp_path / "hosts.yml", "-i", path, "--list")
    assert_failed(done, "connection refused")


def test_a_wrong_password_is_told_and_never_shown(run, config):
    path = config(user="inventory", password="swordfish")
    done = run("ansible-inventory", "-i", path, "--list", "-vvvvvv")
    assert done.rc == 1
    assert "Authenticating as inventory failed" in done.messages
    assert "Check user and password" in done.messages
    assert "swordfish" not in done.stdout + done.stderr


def test_a_wrong_ca(run, config, tmp_path):
    stranger = Authority(tmp_path, "another authority")
    done = run("ansible-inventory", "-i", config(ca_cert=str(stranger.ca_cert)), "--list")
    assert_failed(done, "certificate verification failed", "check ca_cert")


def test_what_the_user_may_not_read_is_not_taken_for_empty(run, config):
    done = run("ansible-inventory", "-i", config(user="half", password="open"), "--list")
    assert_failed(done, "/rollcall/infrastructure/maintenance/", "permission denied", "Grant a role of the user access")


def test_with_the_right_ca_and_password_and_permissions_there_it_is(run, config):
    done = run("ansible-inventory", "-i", config(user="inventory"), "--list", ANSIBLE_ROLLCALL_PASSWORD="sesame")
    assert list(done.inventory["_meta"]["hostvars"]) == ["web1"]
