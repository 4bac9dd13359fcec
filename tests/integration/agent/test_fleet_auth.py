# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hundreds of agents, each with a user of its own, while users are added and members restart: with both kinds of token.

What etcd itself counts as authentications is the witness.
"""

from __future__ import annotations

import itertools
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.admin import Admin, Permission
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.client import Client
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.settings import Settings
from tests.support.certs import Authority
from tests.support.fleet import Fleet, Node
from tests.support.real_etcd import Cluster, Tls
from tests.support.waiting import wait_for

NODES = 200
ADDED = 25
TTL = 30  # seconds
SELF_CHECK = 6.0
ROOT = "root:root-password"


class World(NamedTuple):
    """A cluster with TLS and passwords, and the agents in it, all registered. `kind` is that of its tokens."""

    kind: str
    cluster: Cluster
    admin: Admin
    nodes: list[Node]

    def count(self, what: str) -> int:
        """The sum of a count over all agents."""
        return sum(node.status["counts"][what] for node in self.nodes)

    def authentications(self) -> int:
        """How many etcd has seen, all members together, since they began."""
        found = 0
        for member in self.cluster.members:
            _status, text = member.request("GET", "/metrics")
            counted = re.findall(
                r'^grpc_server_handled_total\{.*grpc_method="Authenticate".*\} (\S+)$', text, re.MULTILINE
            )
            found += sum(int(float(number)) for number in counted)
        return found

    def leases(self) -> dict[str, str]:
        """The lease of each node, as etcd has it."""
        return {node.name: node.status["lease"] for node in self.nodes}

    def each(self, what: str, within: float) -> None:
        """Wait until every agent has done something once more."""
        before = {node.name: node.status["counts"][what] for node in self.nodes}
        wait_for(
            lambda: all(node.status["counts"][what] > before[node.name] for node in self.nodes),
            f"one more of {what} from every agent",
            within,
        )


class Pace:
    """Counts authentications from now on, a second at a time."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._seen = [world.authentications()]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._count, daemon=True)
        self._thread.start()

    def _count(self) -> None:
        while not self._over.wait(1):
            self._seen.append(self._world.authentications())

    @property
    def total(self) -> int:
        """All of them; ends the counting."""
        self._over.set()
        self._thread.join()
        return self._seen[-1] - self._seen[0]

    @property
    def most_in_a_second(self) -> int:
        """The worst second."""
        return max(later - sooner for sooner, later in itertools.pairwise(self._seen))


def add_users(admin: Admin, names: list[str]) -> None:
    """What the roles do for hosts, with permissions for the keys of a node."""
    for name in names:
        admin.add_role(name)
        admin.permit(name, Permission.of("readwrite", f"/infrastructure/fleet/{name}/", prefix=True))
        admin.permit(name, Permission.of("readwrite", f"/rollcall/infrastructure/roster/fleet/{name}"))
        admin.permit(name, Permission.of("readwrite", f"/rollcall/infrastructure/maintenance/fleet/{name}"))
        admin.add_user(name, f"{name}-password")
        admin.give_role(name, name)


@pytest.fixture(params=["simple", "jwt"])
def world(request: pytest.FixtureRequest, etcd_programs: Path, authority: Authority, tmp_path: Path) -> Iterator[World]:
    key, public = tmp_path / "jwt.key", tmp_path / "jwt.pub"
    subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
    subprocess.run(["openssl", "rsa", "-in", str(key), "-pubout", "-out", str(public)], check=True, capture_output=True)
    tokens = {"simple": "simple", "jwt": f"jwt,pub-key={public},priv-key={key},sign-method=RS256,ttl=5m"}
    flags = [f"--auth-token={tokens[request.param]}", "--bcrypt-cost=4"]
    with Cluster(etcd_programs, 3, Tls(authority.ca_cert, authority.server()), flags) as cluster:
        cluster.require_auth(root="root-password")
        access = {"endpoints": cluster.endpoints, "ca_cert": str(authority.ca_cert)}
        with Client(Settings.from_mapping({**access, "user": "root", "password": "root-password"})) as client:
            nodes = []
            for number in range(NODES):
                directory = tmp_path / f"{number}"
                directory.mkdir()
                name = f"node{number:05}"
                turned = cluster.endpoints[number % 3 :] + cluster.endpoints[: number % 3]
                login = {"ca_cert": str(authority.ca_cert), "user": name, "password": f"{name}-password"}
                nodes.append(Node(directory, number, turned, TTL, SELF_CHECK, **login))
            add_users(Admin(client), [node.name for node in nodes])
            with Fleet([node.turn for node in nodes], within=TTL / 3):
                wait_for(lambda: all(n.status.get("phase") == "registered" for n in nodes), "all registered", 60)
                yield World(request.param, cluster, Admin(client), nodes)


def test_no_lease_is_lost_when_users_are_added_and_members_restart(world: World) -> None:
    leases, authentications = world.leases(), world.authentications()
    began = time.monotonic()
    add_users(world.admin, [f"added{number}" for number in range(ADDED)])
    took = time.monotonic() - began
    world.each("self_checks", 10 * SELF_CHECK)
    for_users = world.authentications() - authentications
    print(f"{world.kind}: {ADDED} users added in {took:.1f} s among {NODES} agents, {for_users} authentications")

    # No token of the kind simple ends with that (one is dropped by a request that times out). Of the kind jwt all do.
    if world.kind == "simple":
        assert for_users < NODES / 10
    else:
        assert for_users >= NODES

    member = next(one for one in world.cluster.members if one is not world.cluster.leader)
    member.stop()
    member.start()
    world.cluster.wait_healthy()
    pace = Pace(world)
    world.each("keepalives", TTL)
    world.each("self_checks", 10 * SELF_CHECK)
    print(
        f"{world.kind}: a member restarted, {pace.total} authentications, at most {pace.most_in_a_second} in a second"
    )
    assert pace.most_in_a_second < NODES / 3, "they are spread over the time between two requests of an agent"

    assert world.count("leases_lost") == 0
    assert world.leases() == leases
    held = {int(lease, 16) for lease in world.cluster.ctl("lease", "list", user=ROOT).split()[3:]}
    assert {int(lease, 16) for lease in leases.values()} <= held, "etcd has them, too"
