# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of /run/rollcall, which outlive the process but not the boot.

Internal to the collection: no promise is made to other users of this file.

`register.json` is the agent's memory, from which its next process goes on as if nothing had happened; `status.json`
is for the operator; `register.lock` keeps a second agent away.
"""

from __future__ import annotations

import dataclasses
import json
import os
import typing as t

from ..._etcd.files import private_directory
from ..._registry.errors import RegistryError
from ..._registry.layout import Identity, Layout
from ..._registry.model import Check, parse_check
from ..host import log
from ..host.locks import AlreadyRunning, Locked, Locks, RunDirectoryError
from ..host.writer import Writer

Json = t.Dict[str, t.Any]


class Place(t.NamedTuple):
    """Where a registration is: what names its keys."""

    prefix: str
    layout: str
    state_prefix: str
    dc: str
    name: str
    roles: t.Tuple[str, ...]

    @classmethod
    def of(cls, layout: Layout, names: t.Sequence[Identity]) -> Place:
        """The place of a host with these names in `layout`: they differ by the role alone."""
        roles = tuple(who.role for who in names)
        return cls(layout.prefix, layout.layout, layout.state_prefix, names[0].dc, names[0].name, roles)

    def keys(self) -> t.Tuple[Layout, t.Tuple[Identity, ...]]:
        """The layout and the names that `of` was made from. Raises InvalidLayout."""
        names = tuple(Identity(self.dc, role, self.name) for role in self.roles)
        return Layout(self.prefix, self.layout, self.state_prefix), names


@dataclasses.dataclass(frozen=True)
class Memory:
    """The knowledge that an agent hands to its next process. `ttl` is the seconds that were requested, `joined` the
    Unix time since which the lease holds the names (0: it does not yet).

    `instance` names one life of the registration, from the first start since boot to leaving. `lease` 0: none is held.
    """

    instance: str
    lease: int = 0
    ttl: int = 0
    place: t.Optional[Place] = None
    joined: int = 0
    checks: t.Tuple[Check, ...] = ()

    @classmethod
    def new(cls) -> Memory:
        """A new life."""
        return cls(instance=os.urandom(8).hex())

    @classmethod
    def parse(cls, data: Json) -> Memory:
        """Read what `document` gives. Raises ValueError, KeyError, TypeError or RegistryError."""
        return cls(
            instance=str(data["instance"]),
            lease=int(data["lease"], 16),
            ttl=int(data["ttl"]),
            place=Place(**{**data["place"], "roles": tuple(data["place"]["roles"])}) if data["place"] else None,
            joined=int(data.get("joined", 0)),
            checks=tuple(parse_check(name, json.dumps(check)) for name, check in data["checks"].items()),
        )

    def document(self) -> Json:
        """As it is kept. The lease is written as etcdctl does, in hexadecimal."""
        return {
            "instance": self.instance,
            "lease": f"{self.lease:x}",
            "ttl": self.ttl,
            "place": self.place._asdict() if self.place else None,
            "joined": self.joined,
            "checks": {check.name: check.document() for check in self.checks},
        }


class RunDirectory:
    """The files of one agent. Raises RollcallError where the directory cannot be used or another agent has it."""

    def __init__(self, path: str) -> None:
        self._memory = os.path.join(path, "register.json")
        self._status = os.path.join(path, "status.json")
        try:
            Locks(path).take("register.lock", or_directory=True)
        except Locked as exc:
            raise AlreadyRunning(
                f"Another rollcall register runs on this host: it holds {exc.path} (process {exc.holder}). "
                "Stop that one first"
            ) from None
        except OSError as exc:
            raise RunDirectoryError(f"Cannot use the directory {path}: {exc}") from exc
        self._writer = Writer("run directory")

    def recall(self) -> Memory:
        """The memory of the last process, or a new life."""
        try:
            with private_directory(os.path.dirname(self._memory), sticky=True) as directory:
                content = directory.read(os.path.basename(self._memory), own=True)
            return Memory.new() if content is None else Memory.parse(json.loads(content))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RegistryError) as exc:
            log.warning(f"Starting anew: {self._memory} cannot be used: {exc!r}", "RC-E-RUN-DIRECTORY")
            return Memory.new()

    def remember(self, memory: Memory) -> None:
        """Keep the memory for the next process."""
        self._writer.put(self._memory, _content(memory.document()))

    def forget(self) -> None:
        """The next process begins a new life."""
        self._writer.put(self._memory, None)

    def show(self, status: Json) -> None:
        """Write the status for the operator."""
        self._writer.put(self._status, _content(status))

    def flush(self, seconds: float) -> None:
        """Let what waits be written, at most for so long: what is kept here makes restarts smooth, no more."""
        self._writer.flush(seconds)


def _content(document: Json) -> bytes:
    return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode("ascii")
