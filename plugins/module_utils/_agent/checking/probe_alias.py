# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A check of type `alias`: the health of another node, or of a service of one, as the registry has it.

Internal to the collection: no promise is made to other users of this file.

One read of that node's keys in each interval, over a connection that stays open. If etcd cannot be reached, nothing is
learned and the status stays: an etcd that was away must not make every alias critical when it is back.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._etcd import wire
from ..._etcd.client import Client
from ..._etcd.errors import RollcallError, TokenInvalid, Unavailable, Unreachable
from ..._registry.bounds import MAX_KEYS
from ..._registry.layout import DC_ROLE_NAME, Identity
from ..._registry.machine import host_name
from ..._registry.model import CRITICAL, DRAIN, Node
from ..._registry.node_set import Admission, assemble
from ..._registry.validation import valid_name, valid_word
from ..config import Section, checked
from .probe import UNKNOWN, Host, Probe, Result


@dataclasses.dataclass
class Alias:
    """Has the health of the node `of`, or where `service` is not empty of that service there. No name: this host."""

    host: Host
    of: Identity
    service: str = ""
    _client: t.Optional[Client] = dataclasses.field(default=None, compare=False, repr=False)

    def __call__(self, timeout: float) -> Result:
        try:
            of = self.of if self.of.name else self.of._replace(name=host_name())
            return self._judge(of, self._read(of, timeout))
        except (Unreachable, Unavailable, TokenInvalid) as exc:
            return Result(UNKNOWN, str(exc))
        except RollcallError as exc:
            return Result(CRITICAL, str(exc))

    def _read(self, of: Identity, timeout: float) -> t.Union[Node, str]:
        """The node, or why it does not exist. Raises RollcallError."""
        if self._client is None:
            self._client = Client(dataclasses.replace(self.host.settings, timeout=timeout))
        layout = self.host.layout
        answer = self._client.txn(
            success=[wire.get(layout.directory(of), prefix=True, limit=MAX_KEYS + 1), wire.get(layout.maintenance(of))],
            what=f"Reading the keys of {of}",
        )
        found = assemble(
            answer.revision, answer.range(0).kvs, answer.range(1).kvs, layout, Admission(self.host.allowed)
        )
        if found.nodes:
            return found.nodes[0]
        return str(found.rejected[0]) if found.rejected else f"{of} is not registered"

    def _judge(self, of: Identity, node: t.Union[Node, str]) -> Result:
        if isinstance(node, str):
            return Result(CRITICAL, node)
        if node.maintenance is not None:
            return Result(CRITICAL, f"{of} is in maintenance")
        what, health = str(of), node.health
        if self.service:
            what = f"{self.service} of {of}"
            health = next((service.health for service in node.services if service.name == self.service), "")
        if not health:
            return Result(CRITICAL, f"{of} has no service {self.service}")
        return Result(CRITICAL if health == DRAIN else health, f"{what} is {health}")


def configure(section: Section, host: Host) -> Probe:
    """From the keys `node`, `role`, `dc` (the default of each is this host's own) and `of_service`.

    Raises ConfigError.
    """
    of = Identity(section.text("dc", host.dc), section.text("role", host.roles[0]), section.text("node", host.name))
    service = section.text("of_service")
    checked(section, "role", lambda: valid_word(of.role, "role"))
    checked(section, "dc", lambda: of.dc and valid_word(of.dc, "data centre"))
    checked(section, "of_service", lambda: service and valid_word(service, "service"))
    checked(section, "node", lambda: of.name and valid_name(of.name))
    if bool(of.dc) != (host.layout.layout == DC_ROLE_NAME):
        raise section.error("dc", f"the layout {host.layout.layout} {'has no' if of.dc else 'needs a'} data centre")
    # The status of an alias counts for its own service. If it looked at that service, critical would be for ever.
    ours = of.name == host.name and of.role in host.roles and of.dc == host.dc
    if ours and (not service or section.text("service") in ("", service)):
        raise section.error("of_service", "on this host itself, an alias takes the health of one service to another")
    return Alias(host, of, service)
