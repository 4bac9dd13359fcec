# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The data of a node: its document, services and checks.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from .._etcd.text import shown
from .errors import InvalidNode
from .layout import Identity
from .read_only import read_only
from .strict_json import Json, dump, load
from .validation import valid_number, valid_word

SCHEMA_VERSION = 1

PASSING = "passing"
WARNING = "warning"
CRITICAL = "critical"
DRAIN = "drain"
HEALTHS = (PASSING, WARNING, CRITICAL, DRAIN)  # from best to worst

_DOCUMENT_FIELDS = frozenset({"v", "id", "boot", "services", "tags", "meta", "agent"})


def worst(healths: t.Iterable[str]) -> str:
    """The worst of `healths`; passing if the iterable is empty."""
    return max(healths, key=HEALTHS.index, default=PASSING)


def valid_health(text: t.Any) -> str:
    """One of HEALTHS. Raises InvalidNode."""
    if text not in HEALTHS:
        raise InvalidNode(f"the health {shown(text)} is not one of {', '.join(HEALTHS)}")
    return str(text)


@dataclasses.dataclass(frozen=True)
class Service:
    """A service of a node. `weight` is 0 to 256 as in HAProxy; `health` is derived from checks and not stored.

    If `weight_warning` is not None, it replaces the weight while the health is warning.
    """

    name: str
    port: int
    weight: int = 100
    tags: t.Tuple[str, ...] = ()
    meta: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    health: str = PASSING
    weight_warning: t.Optional[int] = None

    def document(self) -> Json:
        """The form in which it is stored in the node's document, under its name."""
        document: Json = {"port": self.port, "weight": self.weight, "tags": [*self.tags], "meta": {**self.meta}}
        if self.weight_warning is not None:
            document["weight_warning"] = self.weight_warning
        return document

    def public(self) -> Json:
        """The form for users: with its health, and the weight for that health."""
        public = self.document()
        public["health"] = self.health
        if self.health == WARNING and self.weight_warning is not None:
            public["weight"] = self.weight_warning
        return public


@dataclasses.dataclass(frozen=True)
class Check:
    """The state of a check. `service` is "" for a check of the node itself; `since` is Unix time in seconds."""

    name: str
    status: str
    output: str = ""
    since: int = 0
    service: str = ""
    flapping: bool = False

    def document(self) -> Json:
        """The form in which it is stored under checks/<name>."""
        document = {"status": self.status, "output": self.output, "since": self.since}
        if self.service:
            document["service"] = self.service
        if self.flapping:
            document["flapping"] = True
        return document


@dataclasses.dataclass(frozen=True)
class Document:
    """The description that a node publishes. `unknown` preserves the fields of later versions of the schema.

    `id` and `boot` distinguish machines; `agent` is the version of the agent that keeps the lease alive, "" if there is
    no agent.
    """

    id: str = ""
    boot: str = ""
    services: t.Tuple[Service, ...] = ()
    tags: t.Tuple[str, ...] = ()
    meta: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    agent: str = ""
    unknown: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)

    def dump(self) -> str:
        """The value of the node's key, on one line. The same content always gives the same bytes."""
        fields: Json = {"v": SCHEMA_VERSION, "id": self.id, "boot": self.boot}
        fields["services"] = {service.name: service.document() for service in self.services}
        fields["tags"] = list(self.tags)
        fields["meta"] = dict(self.meta)
        fields["agent"] = self.agent
        fields.update(self.unknown)
        return dump(fields)


@dataclasses.dataclass(frozen=True)
class Node:
    """A node in the registry, at the revision at which it was read.

    `roles` contains all roles of the host, `role` is the first of them. `maintenance` is None, or the content of its
    key (see maintenance.py). `lease` is 0 if the node has no lease: then etcd never removes it. `created` is the
    revision at which it claimed its name. `cluster` is the name of its etcd cluster for readers of several clusters.
    """

    dc: str
    role: str
    name: str
    address: str
    health: str = PASSING
    document: Document = Document()
    checks: t.Tuple[Check, ...] = ()
    maintenance: t.Optional[t.Mapping[str, t.Any]] = None
    lease: int = 0
    created: int = 0
    revision: int = 0
    roles: t.Tuple[str, ...] = ()
    cluster: str = ""

    @property
    def identity(self) -> Identity:
        """Data centre, role and name, which identify the node in its key."""
        return Identity(self.dc, self.role, self.name)

    @property
    def place(self) -> str:
        """The path of the node in the registry, for a message."""
        return f"{self.cluster}:{self.identity}" if self.cluster else str(self.identity)

    @property
    def services(self) -> t.Tuple[Service, ...]:
        """The services, each with the worst health of its own checks and the checks of the node itself."""
        return self.document.services

    def public(self) -> Json:
        """The fields for users, with the same names in all modules and plugins. No field is null.

        `maintenance` is empty unless the node is in maintenance; then it contains at least `by` and `reason`.
        """
        return {
            "name": self.name,
            "role": self.role,
            "roles": list(self.roles),
            "dc": self.dc,
            "address": self.address,
            "health": self.health,
            "services": {service.name: service.public() for service in self.services},
            "tags": list(self.document.tags),
            "meta": dict(self.document.meta),
            "checks": {check.name: check.document() for check in self.checks},
            "maintenance": {} if self.maintenance is None else {"by": "", "reason": "", **self.maintenance},
        }

    @functools.cached_property
    def shared(self) -> Json:
        """Like `public`, but read-only and created once for all readers."""
        return t.cast(Json, read_only(self.public()))

    def leased(self) -> Json:
        """The fields of `public` and the node's lease; 0: it has no lease, and the reader accepts such nodes.

        A lease can change while the node does not, so only one-time queries include it.
        """
        return dict(self.public(), lease=self.lease)


def parse_document(text: str) -> Document:
    """Parse the value of a node's key. Raises InvalidNode."""
    fields = load(text, "node document")
    version = fields.get("v", SCHEMA_VERSION)
    if version != SCHEMA_VERSION:
        raise InvalidNode(f"the node document has schema version {shown(version)}, but only {SCHEMA_VERSION} is known")
    services = _mapping(fields.get("services", {}), "services")
    return Document(
        id=_text(fields.get("id", ""), "id"),
        boot=_text(fields.get("boot", ""), "boot"),
        services=tuple(parse_service(name, services[name]) for name in sorted(services)),
        tags=_tags(fields.get("tags", [])),
        meta=_mapping(fields.get("meta", {}), "meta"),
        agent=_text(fields.get("agent", ""), "agent"),
        unknown={key: fields[key] for key in fields.keys() - _DOCUMENT_FIELDS},
    )


def parse_service(name: str, data: t.Any) -> Service:
    """Parse {"port", "weight", "tags", "meta", "weight_warning"}; only the port is required. Raises InvalidNode."""
    fields = _mapping(data, f"service {shown(name)}")
    reduced = fields.get("weight_warning")
    if reduced is not None:
        valid_number(reduced, 0, 256, f"weight_warning of service {shown(name)}")
    return Service(
        name=valid_word(name, "service"),
        port=valid_number(fields.get("port"), 1, 65535, f"port of service {shown(name)}"),
        weight=valid_number(fields.get("weight", 100), 0, 256, f"weight of service {shown(name)}"),
        tags=_tags(fields.get("tags", [])),
        meta=_mapping(fields.get("meta", {}), "meta"),
        weight_warning=reduced,
    )


def parse_check(name: str, text: str) -> Check:
    """Parse the value of a check's key. Raises InvalidNode."""
    what = f"check {valid_word(name, 'check')!r}"
    fields = load(text, what)
    return Check(
        name=name,
        status=valid_health(fields.get("status")),
        output=_text(fields.get("output", ""), "output"),
        since=valid_number(fields.get("since", 0), 0, 2**53, f"since of {what}"),
        service=valid_word(fields["service"], "service") if fields.get("service") else "",
        flapping=fields.get("flapping") is True,
    )


def _mapping(data: t.Any, what: str) -> Json:
    if not isinstance(data, dict):
        raise InvalidNode(f"{what} is not a mapping: {shown(data)}")
    return data


def _text(data: t.Any, what: str) -> str:
    if not isinstance(data, str):
        raise InvalidNode(f"the {what} is not a string: {shown(data)}")
    return data


def _tags(data: t.Any) -> t.Tuple[str, ...]:
    if not isinstance(data, list):
        raise InvalidNode(f"tags is not a list: {shown(data)}")
    return tuple(valid_word(tag, "tag") for tag in data)
