# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""States that must not reach the load balancer, even if etcd has them.

Internal to the collection: no promise is made to other users of this file.

Every view passes here before it is rendered, whether it came from a change or from reading everything again. This is
where a limit on how fast a service may shrink belongs.
"""

from __future__ import annotations

import typing as t

from ..._etcd.errors import RollcallError
from ..._registry.layout import Layout
from .view import View


class Held(RollcallError):
    """The guard holds a state back."""

    id = "RC-E-HELD"


class Guard:
    """Compares each view with the last one that was let through."""

    def __init__(self, layout: Layout, allow_empty: bool = False) -> None:
        self._layout = layout
        self._allow_empty = allow_empty
        self._passed: t.Optional[View] = None

    def refusal(self, view: View) -> str:
        """Why `view` must not be rendered; "" lets it through, and the next one is compared with it."""
        reason = self._empty(view)
        if not reason:
            self._passed = view
        return reason

    def _empty(self, view: View) -> str:
        """An empty registry looks just like a wrong prefix, one deleted by mistake, or every lease gone at once."""
        if view.members or self._allow_empty:
            return ""
        where = f"under {self._layout.prefix} at revision {view.revision}"
        before = f"there were {self._passed.members}; " if self._passed else ""
        return (
            f"no node is registered {where}: {before}nothing is changed until one is. "
            "If that is meant, set allow_empty in the configuration; else check prefix and permissions"
        )
