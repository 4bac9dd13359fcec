# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether an operator has drained this host, and cleaning up after one whose time is over.

Internal to the collection: no promise is made to other users of this file.

A key that is over counts as none already, so deleting it has time; and a wall clock that jumps ahead for a moment must
not put the host back into service for everybody. So it is deleted once it has been over for a while by a clock that
never jumps.
"""

from __future__ import annotations

import time
import typing as t

from ..._etcd.client import Client
from ..._registry import maintenance
from ..._registry.errors import RegistryError
from ..._registry.layout import Identity, Layout
from ..host.clock import boottime
from .progress import REFUSALS

Json = t.Dict[str, t.Any]


class Maintained:
    """The maintenance of this host. `patience` is the seconds for which a key must be over before it is deleted."""

    def __init__(self, patience: float) -> None:
        self.fields: t.Optional[Json] = None
        self._patience = patience
        self._over: t.Dict[t.Tuple[Identity, int], float] = {}  # since when each key is seen to be over

    def read(self, client: Client, layout: Layout, names: t.Sequence[Identity]) -> None:
        """Read the keys of all names. A key that cannot be read counts as absent. Raises Unreachable kinds."""
        over: t.Dict[t.Tuple[Identity, int], float] = {}
        self.fields = None
        try:
            for who in names:
                fields, ended = maintenance.read(client, layout, who)
                self.fields = self.fields or fields
                if ended:
                    over[who, ended] = self._over.get((who, ended), boottime())
                    if boottime() - over[who, ended] >= self._patience:
                        maintenance.clear(client, layout, who, ended)
        except (*REFUSALS, RegistryError):
            self.fields = None
        self._over = over

    def next_look(self) -> float:
        """Seconds until there is something to be seen again; infinity if no maintenance has an end."""
        end = maintenance.next_end([self.fields], time.time())
        ends = [] if end is None else [end - time.time()]
        return min(
            [*ends, *(since + self._patience - boottime() for since in self._over.values())], default=float("inf")
        )
