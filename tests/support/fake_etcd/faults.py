# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can be made to go wrong with a request that has arrived."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Refuse:
    """Answer with etcd's error `message` of gRPC `code`, in the shape of the version; nothing is done."""

    code: int
    message: str


@dataclass(frozen=True)
class Answer:
    """Answer with just this, as something that is not etcd's gateway would; nothing is done."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Stall:
    """Never answer; the connection stays open until the fake is healed. Nothing is done.

    With `headers` the answer is begun: status and headers come, and then nothing.
    """

    headers: bool = False


@dataclass(frozen=True)
class Drop:
    """Close the connection instead of answering. `executed`: after having done what was asked."""

    executed: bool = False


@dataclass(frozen=True)
class Cut:
    """Do what was asked, send half of the answer, and close the connection."""


@dataclass(frozen=True)
class Trickle:
    """Do what was asked, and send the answer a byte every `pause` seconds until the fake is healed.

    The first bytes, `at_once` of them, come together.
    """

    pause: float
    at_once: int = 0


@dataclass(frozen=True)
class Farewell:
    """Do what was asked, and answer that the connection is closed after this, as a proxy may after every answer."""


@dataclass(frozen=True)
class Meanwhile:
    """Let something happen just before the request is served: `Meanwhile(fake.compact)`."""

    action: Callable[[], None]


Fault = Refuse | Answer | Stall | Drop | Cut | Trickle | Farewell | Meanwhile


@dataclass
class Injected:
    """A fault for the next `times` requests whose path starts with `path` (None: for all of them)."""

    path: str
    fault: Fault
    times: int | None
