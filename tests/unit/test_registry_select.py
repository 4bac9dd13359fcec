# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of the nodes."""

from __future__ import annotations

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils import _options
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.errors import InvalidNode
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.model import Document, Node, Service
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.select import select

WEB = Node(
    dc="dc1",
    role="web",
    name="web1",
    address="10.0.0.1",
    roles=("web", "cache"),
    document=Document(
        services=(Service("http", 80, tags=("blue",)), Service("admin", 81, health="critical")), tags=("ssd",)
    ),
)
DRAINED = Node(
    dc="dc2",
    role="web",
    name="web2",
    address="10.0.0.2",
    roles=("web",),
    health="warning",
    maintenance={"by": "ann"},
    document=Document(services=(Service("http", 80, health="warning"),)),
)
DRAINING = Node(
    dc="",
    role="old",
    name="web3",
    address="10.0.0.4",
    roles=("old",),
    health="drain",
    document=Document(services=(Service("http", 80, health="drain"),)),
)
CRITICAL = Node(dc="", role="old", name="web4", address="10.0.0.5", roles=("old",), health="critical")
BARE = Node(dc="dc1", role="db", name="db1", address="10.0.0.3", roles=("db",))


def names(**filters):
    nodes = [WEB, DRAINED, BARE]
    return [
        node.name
        for node in select([*nodes, DRAINING, CRITICAL] if filters.get("serving") is not None else nodes, **filters)
    ]


@pytest.mark.parametrize(
    ("filters", "chosen"),
    [
        ({}, ["web1", "web2", "db1"]),
        ({"role": []}, ["web1", "web2", "db1"]),
        ({"role": "web"}, ["web1", "web2"]),
        ({"role": "cache"}, ["web1"]),
        ({"role": ["cache", "db"]}, ["web1", "db1"]),
        ({"role": "we"}, []),
        ({"dc": "dc1"}, ["web1", "db1"]),
        ({"name": ["db1", "web2"]}, ["web2", "db1"]),
        ({"service": "http"}, ["web1", "web2"]),
        ({"service": "smtp"}, []),
        ({"tag": "ssd"}, ["web1"]),
        ({"tag": "blue"}, []),
        ({"tag": "blue", "service": "http"}, ["web1"]),
        ({"tag": "blue", "service": "admin"}, []),
        ({"health": "passing"}, ["web1", "db1"]),
        ({"health": ["passing", "warning"]}, ["web1", "web2", "db1"]),
        ({"health": "passing", "service": "http"}, ["web1"]),
        ({"health": "passing", "service": "admin"}, []),
        ({"health": "critical", "service": ["http", "admin"]}, ["web1"]),
        ({"maintenance": True}, ["web2"]),
        ({"maintenance": False}, ["web1", "db1"]),
        ({"role": "web", "dc": "dc1", "maintenance": False}, ["web1"]),
        ({"serving": True}, ["web1", "db1"]),
        ({"serving": False}, ["web2", "web3", "web4"]),
        ({"serving": True, "service": "http"}, ["web1"]),
        ({"serving": True, "service": "admin"}, []),
        ({"serving": False, "service": "http"}, ["web2", "web3"]),
    ],
)
def test_every_filter_given_must_be_passed(filters, chosen):
    assert names(**filters) == chosen


def test_a_health_that_there_is_not_is_an_error():
    with pytest.raises(InvalidNode, match="'passng'"):
        names(health="passng")


def test_the_options_of_modules_and_lookups_are_its_parameters():
    assert names(**dict.fromkeys(_options.FILTERS)) == ["web1", "web2", "db1"]
