# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The terms of a lookup.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import typing as t

from ansible_collections.rollcall.discovery.plugins.plugin_utils._errors import PluginError


def require(terms: t.Collection[t.Any], what: str) -> None:
    """Raises AnsibleError if no term was given, not even a list that is empty."""
    if not terms:
        raise PluginError(f"{what} is expected as a term, and no term was given")


def texts(terms: t.Iterable[t.Any], what: str, empty: bool = False) -> list[str]:
    """The terms, and the items of those that are lists, each of them text, and not "" unless it may be `empty`.

    Raises AnsibleError for anything else; `what` is how it calls one.
    """
    found = [item for term in terms for item in (term if isinstance(term, (list, tuple)) else [term])]
    for item in found:
        if not isinstance(item, str) or not (item or empty):
            raise PluginError(f"{what}: expected text{'' if empty else ' that is not empty'}, got {item!r}")
    return found
