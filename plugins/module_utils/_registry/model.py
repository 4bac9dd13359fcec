# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a node is: the document, its services, its checks.

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
    """The worst of `healths`; passing where there are none."""
    return max(healths, key=HEALTHS.index, default=PASSING)


def valid_health(text: t.Any) -> str:
    """One of HEALTHS. Raises InvalidNode."""
    if text not in HEALTHS:
        raise InvalidNode(f"the health {shown(text)} is none of {', '.join(HEALTHS)}")
    return str(text)


@dataclasses.dataclass(frozen=True)
class Service:
    """Something a node serves. `weight` is 0 to 256 as in HAProxy; `health` follows from checks and is not stored.

    `weight_warning` takes the place of the weight while the health is warning, where it is not None.
    """

    name: str
    port: int
    weight: int = 100
    tags: t.Tuple[str, ...] = ()
    meta: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    health: str = PASSING
    weight_warning: t.Optional[int] = None

    def document(self) -> Json:
        """As it is stored in the node's document, under its name."""
        document: Json = {"port": self.port, "weight": self.weight, "tags": [*self.tags], "meta": {**self.meta}}
        if self.weight_warning is not None:
            document["weight_warning"] = self.weight_warning
        return document

    def public(self) -> Json:
        """As users see it: with the health, and the weight that it has in this health."""
        public = self.document()
        public["health"] = self.health
        if self.health == WARNING and self.weight_warning is not None:
            public["weight"] = self.weight_warning
        return public


@dataclasses.dataclass(frozen=True)
class Check:
    """The state of one check. `service` is "" for a check of the node itself; `since` is Unix time in seconds."""

    name: str
    status: str
    output: str = ""
    since: int = 0
    service: str = ""
    flapping: bool = False

    def document(self) -> Json:
        """As it is stored under checks/<name>."""
        document = {"status": self.status, "output": self.output, "since": self.since}
        if self.service:
            document["service"] = self.service
        if self.flapping:
            document["flapping"] = True
        return document


@dataclasses.dataclass(frozen=True)
class Document:
    """What a node says of itself. `unknown` keeps the fields of later versions of the schema.

    `id` and `boot` tell machines apart; `agent` is the version of the agent that keeps the lease, "" without one.
    """

    id: str = ""
    boot: str = ""
    services: t.Tuple[Service, ...] = ()
    tags: t.Tuple[str, ...] = ()
    meta: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    agent: str = ""
    unknown: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)

    def dump(self) -> str:
        """The value of the node's key: one line, the same bytes for the same content."""
        fields: Json = {"v": SCHEMA_VERSION, "id": self.id, "boot": self.boot}
        fields["services"] = {service.name: service.document() for service in self.services}
        fields["tags"] = list(self.tags)
        fields["meta"] = dict(self.meta)
        fields["agent"] = self.agent
        fields.update(self.unknown)
        return dump(fields)


@dataclasses.dataclass(frozen=True)
class Node:
    """A node as the registry knows it, at the revision it was read.

    `roles` has every role the host answers under, `role` the first of them. `maintenance` is None, or what its key says
    (see maintenance.py). `lease` is 0 where no lease holds it: then it will never go by itself. `created` is the
    revision at which it took its name. `cluster` is what a reader of several etcds calls the one it was read from.
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
        """The key's part that names the node."""
        return Identity(self.dc, self.role, self.name)

    @property
    def place(self) -> str:
        """Where it is registered, for a message."""
        return f"{self.cluster}:{self.identity}" if self.cluster else str(self.identity)

    @property
    def services(self) -> t.Tuple[Service, ...]:
        """Services, each with the worst health of the node's own checks and its own."""
        return self.document.services

    def public(self) -> Json:
        """The closed list of fields that users see, under the same names everywhere. No field is null.

        `maintenance` is empty unless the node is in maintenance; then it has at least `by` and `reason`.
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
        """As `public`, but made once for all readers, none of which can change it."""
        return t.cast(Json, read_only(self.public()))

    def leased(self) -> Json:
        """As `public`, with the lease that holds the node; 0: none does, and a reader was told to take it all the same.

        A lease changes where nothing of the node does, so it is told only to who asks for nodes now.
        """
        return dict(self.public(), lease=self.lease)


def parse_document(text: str) -> Document:
    """Read the value of a node's key. Raises InvalidNode."""
    fields = load(text, "node document")
    version = fields.get("v", SCHEMA_VERSION)
    if version != SCHEMA_VERSION:
        raise InvalidNode(f"the node document has schema version {shown(version)}, known is {SCHEMA_VERSION}")
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
    """Read {"port", "weight", "tags", "meta", "weight_warning"}, all but the port optional. Raises InvalidNode."""
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
    """Read the value of a check's key. Raises InvalidNode."""
    fields = load(text, f"check {shown(name)}")
    return Check(
        name=valid_word(name, "check"),
        status=valid_health(fields.get("status")),
        output=_text(fields.get("output", ""), "output"),
        since=valid_number(fields.get("since", 0), 0, 2**53, f"since of check {shown(name)}"),
        service=valid_word(fields["service"], "service") if fields.get("service") else "",
        flapping=fields.get("flapping") is True,
    )


def _mapping(data: t.Any, what: str) -> Json:
    if not isinstance(data, dict):
        raise InvalidNode(f"{what} is not a mapping: {shown(data)}")
    return data


def _text(data: t.Any, what: str) -> str:
    if not isinstance(data, str):
        raise InvalidNode(f"the {what} is not text: {shown(data)}")
    return data


def _tags(data: t.Any) -> t.Tuple[str, ...]:
    if not isinstance(data, list):
        raise InvalidNode(f"tags is not a list: {shown(data)}")
    return tuple(valid_word(tag, "tag") for tag in data)
