# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the lab keeps what: the folders, the key, the network and the lock that all its hosts share."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from pathlib import Path

from .network import Network
from .system import locked

STATE = Path(__file__).resolve().parents[2] / "build" / "lab"
CACHE_VARIABLE = "ROLLCALL_LAB_CACHE"
CACHE = Path("/var/cache/rollcall-lab")


@dataclasses.dataclass(frozen=True)
class Place:
    """The lab of this checkout: *state* goes with its last host, *cache* (images and packages) stays."""

    state: Path
    cache: Path

    @classmethod
    def usual(cls) -> Place:
        """Return build/lab of this checkout, and the cache: ROLLCALL_LAB_CACHE or /var/cache/rollcall-lab."""
        return cls(STATE, Path(os.environ.get(CACHE_VARIABLE) or CACHE).resolve())

    @property
    def key(self) -> Path:
        """The private SSH key to every host; the public one is beside it."""
        return self.state / "id_ed25519"

    @property
    def hosts(self) -> Path:
        """The folder with one folder for each host."""
        return self.state / "hosts"

    @property
    def network(self) -> Network:
        """The network of this lab."""
        return Network(self.state)

    def packages(self, suite: str) -> Path:
        """Return the folder of the packages that hosts of *suite* have downloaded so far."""
        return self.cache / "packages" / suite

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """Return the lock under which programs change the lab, one after the other."""
        return locked(self.state.with_name("lab.lock"), "another program is changing the lab; waiting for it")
