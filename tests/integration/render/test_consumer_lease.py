# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lease of the consumer key, where another user of etcd attaches keys to it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.fixtures import programs_of
from tests.support.real_etcd import Cluster

KEY = "/rollcall/infrastructure/consumers/lb1"
ADMIN = "root:r00t"


@pytest.fixture
def secured() -> Iterator[Cluster]:
    """A cluster of etcd 3.6 with the renderer's user, and evil, who may write keys of its own only."""
    with Cluster(programs_of("3.6"), flags=["--bcrypt-cost=4"]) as etcd:
        etcd.ctl("put", "/infrastructure/web/web1/ip", "10.0.0.1")
        etcd.require_auth(root="r00t", lb1="s3cret", evil="3v1l")
        for prefix in ("/infrastructure/", "/rollcall/infrastructure/", "/app/"):
            etcd.ctl("role", "grant-permission", "lb1", "--prefix=true", "read", prefix, user=ADMIN)
        etcd.ctl("role", "grant-permission", "lb1", "readwrite", KEY, user=ADMIN)
        etcd.permit("evil", "/evil/")
        yield etcd


def lease_of_key(etcd: Cluster) -> int:
    """The lease of the consumer key; 0 if there is no key."""
    kvs = json.loads(etcd.ctl("get", KEY, "-w", "json", user=ADMIN)).get("kvs")
    return int(kvs[0]["lease"]) if kvs else 0


def empty_leases(etcd: Cluster) -> list[str]:
    """Leases that hold nothing."""
    leases = etcd.ctl("lease", "list", user=ADMIN).split()[3:]
    states = {each: etcd.ctl("lease", "timetolive", each, "--keys", "-w", "json", user=ADMIN) for each in leases}
    return [each for each, state in states.items() if not json.loads(state).get("keys")]


def test_a_lease_that_somebody_else_has_spoilt_is_given_up(secured, make_renderer):
    renderer = make_renderer(secured)
    renderer.config["etcd"].update(user="lb1", password="s3cret")
    renderer.config.update(allow_unleased=True, consumer_ttl=6)
    renderer.started()
    renderer.wait(lambda: lease_of_key(secured), "the consumer key")
    spoilt = lease_of_key(secured)
    secured.ctl("del", KEY, user=ADMIN)
    secured.ctl("put", "/evil/x", "y", f"--lease={spoilt:x}", user="evil:3v1l")
    renderer.wait(lambda: lease_of_key(secured) not in (0, spoilt), "the key under another lease", within=20)


def test_no_lease_is_kept_while_the_key_cannot_be_written(secured, make_renderer):
    secured.ctl("role", "revoke-permission", "lb1", KEY, user=ADMIN)
    renderer = make_renderer(secured)
    renderer.config["etcd"].update(user="lb1", password="s3cret")
    renderer.config.update(allow_unleased=True, consumer_ttl=6)
    renderer.started()
    renderer.wait(lambda: "Cannot publish what is applied" in renderer.log.read_text(), "the refusal")
    renderer.wait(lambda: empty_leases(secured) == [], "no empty lease")
    secured.ctl("role", "grant-permission", "lb1", "readwrite", KEY, user=ADMIN)
    renderer.wait(lambda: lease_of_key(secured), "the consumer key", within=30)
