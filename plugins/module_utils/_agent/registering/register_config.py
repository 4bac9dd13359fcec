# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The configuration of the agent, /etc/rollcall/register.json.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._etcd.settings import Settings
from ..._registry.errors import InvalidNode
from ..._registry.layout import DC_ROLE_NAME, Identity, Layout
from ..._registry.machine import ID_SOURCES, MACHINE_ID, host_name, machine_identity
from ..._registry.model import PASSING, Check, Document, Service, parse_document, parse_service
from ..._registry.registration import Registration
from ..._registry.validation import Network, parse_networks, valid_name, valid_word
from ..checking.check_config import CheckConfig, parse_checks, parse_writes
from ..checking.dwell import Writes
from ..checking.probe import Host
from ..config import Section, checked, etcd_settings, read, registry_layout
from ..version import version
from . import addresses

# Runtime defaults. A lease of 30 s with a keepalive every 10 s outlives two lost keepalives and an election of etcd.
_TTL = 30
_SELF_CHECK = 60.0
_DRAIN_TIME = 5.0

_MOST_ROLES = 32  # two operations each, for as many to come and as many to leave: etcd's 128 of a transaction


@dataclasses.dataclass(frozen=True)
class RegisterConfig:
    """The configuration of `rollcall register`. `ttl`, `self_check` and `drain_time` are seconds.

    It holds nothing of the host itself, so that a file can be checked on another one, or where an image is built.
    `name` is "" for the name that the host has when it asks. `id_from` is one of ID_SOURCES. `metrics_file` is "" for
    none.
    """

    settings: Settings
    layout: Layout
    name: str
    roles: t.Tuple[str, ...]
    dc: str
    address: addresses.Source
    allowed: t.Tuple[Network, ...]
    services: t.Tuple[Service, ...]
    tags: t.Tuple[str, ...]
    meta: t.Mapping[str, t.Any]
    ttl: int
    self_check: float
    drain_time: float
    checks: t.Tuple[CheckConfig, ...]
    writes: Writes
    id_from: str = MACHINE_ID
    metrics_file: str = ""

    def names(self) -> t.Tuple[Identity, ...]:
        """The names that this host wants to be known by. Raises RegistryError."""
        return self._registration(self.name or host_name(), "", "").identities

    def identify(self) -> Registration:
        """The registration that this host wants, still without an address. Raises RegistryError."""
        return self._registration(self.name or host_name(), *machine_identity(self.id_from))

    def _registration(self, name: str, identity: str, boot: str) -> Registration:
        document = Document(identity, boot, self.services, self.tags, self.meta, version())
        return Registration(Identity(self.dc, self.roles[0], name), "", document, also=self.roles[1:])


def load(file: str) -> RegisterConfig:
    """Read and check the file. Raises ConfigError."""
    root = read(file)
    settings = etcd_settings(root)
    layout = registry_layout(root)
    services = _services(root)
    allowed = checked(root, "allowed_networks", lambda: parse_networks(root.some_texts("allowed_networks")))
    host = Host(settings, layout, _name(root), _roles(root), _dc(root, layout), allowed)
    config = RegisterConfig(
        settings=settings,
        layout=layout,
        name=host.name,
        roles=host.roles,
        dc=host.dc,
        address=addresses.read(root, allowed),
        allowed=allowed,
        services=services,
        tags=tuple(checked(root, "tags", lambda: [valid_word(tag, "tag") for tag in root.texts("tags")])),
        meta=root.mapping("meta"),
        ttl=root.whole("ttl", _TTL, 2, 86400),
        self_check=root.seconds("self_check", _SELF_CHECK, 0.5),
        drain_time=root.seconds("drain_time", _DRAIN_TIME),
        checks=parse_checks(root, {service.name for service in services}, host),
        writes=parse_writes(root),
        id_from=_id_from(root),
        metrics_file=_metrics_file(root),
    )
    root.end()
    # A registration that is too large, or that readers would reject, must fail now, not in the middle of the night.
    sample = config._registration("x", "0" * 32, "0" * 36)
    checked(root, "", lambda: sample.keys(layout))
    statuses = tuple(Check(check.name, PASSING) for check in config.checks)
    checked(root, "checks", lambda: dataclasses.replace(sample, checks=statuses).keys(layout))
    _prove_readable(root, sample.document)
    return config


def _prove_readable(root: Section, document: Document) -> None:
    try:
        parse_document(document.dump())
    except InvalidNode as exc:
        problem = f"every reader would reject this host: {exc}"
        raise root.error("meta", f"{problem}. Are there NaN, Infinity, or broken characters in it?") from exc


def _id_from(root: Section) -> str:
    source = root.text("id_from", MACHINE_ID)
    if source not in ID_SOURCES:
        raise root.error("id_from", f"expected one of {', '.join(ID_SOURCES)}, got {source!r}")
    return source


def _metrics_file(root: Section) -> str:
    """Where metrics go. node_exporter passes over what does not end in .prom."""
    path = root.text("metrics_file")
    if path and not (path.startswith("/") and path.endswith(".prom")):
        raise root.error("metrics_file", f"{path!r} is not the path of a file that ends in .prom")
    return path


def _name(root: Section) -> str:
    name = root.text("name")
    if name:
        checked(root, "name", lambda: valid_name(name))
    return name


def _roles(root: Section) -> t.Tuple[str, ...]:
    """From `role`, or from `roles` for a host of several."""
    role, roles = root.text("role"), root.some_texts("roles")
    if bool(role) == bool(roles):
        raise root.error("role", "either role or roles is wanted" + (", not both" if role else ""))
    if len(set(roles)) < len(roles):
        raise root.error("roles", "a role is there twice")
    if len(roles) > _MOST_ROLES:
        raise root.error(
            "roles", f"{len(roles)} roles are more than {_MOST_ROLES}: they are claimed in one transaction"
        )
    key, words = ("roles", roles) if roles else ("role", [role])
    return tuple(checked(root, key, lambda: [valid_word(word, "role") for word in words]))


def _dc(root: Section, layout: Layout) -> str:
    dc = root.text("dc")
    if bool(dc) != (layout.layout == DC_ROLE_NAME):
        raise root.error("dc", f"the layout {layout.layout} {'has no' if dc else 'needs a'} data centre")
    if dc:
        checked(root, "dc", lambda: valid_word(dc, "data centre"))
    return dc


def _services(root: Section) -> t.Tuple[Service, ...]:
    services = []
    for name, section in sorted(root.sections("services").items()):
        fields = {"port": section.required("port"), "weight": section.get("weight", 100)}
        fields["weight_warning"] = section.get("weight_warning")
        fields["tags"] = section.texts("tags")
        fields["meta"] = section.mapping("meta")
        section.end()
        services.append(_service(root, name, fields))
    return tuple(services)


def _service(root: Section, name: str, fields: t.Dict[str, t.Any]) -> Service:
    return checked(root, f"services.{name}", lambda: parse_service(name, fields))
