# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Errors of plugins: Ansible's kind, with the id of the message.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

from ansible.errors import AnsibleError

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import RollcallError
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.text import with_id

OPTION = "RC-E-OPTION"
BUG = "RC-E-BUG"


class PluginError(AnsibleError):
    """`text` is complete for the person who reads it; `str()` also has the `id` of the message at its end.

    Most errors are about options. `message_id` is for one of another kind.
    """

    id = OPTION

    def __init__(self, text: str, message_id: str = "") -> None:
        super().__init__(with_id(text, message_id or self.id))
        self.text = text
        self.id = message_id or self.id

    @classmethod
    def of(cls, exc: RollcallError) -> PluginError:
        """The same error, for Ansible."""
        return cls(str(exc), exc.id)


def reason(exc: Exception) -> str:
    """The text of an error for a message that quotes it, without its id."""
    if isinstance(exc, PluginError):
        return exc.text
    if isinstance(exc, AnsibleError):
        return " ".join(filter(None, (str(exc), getattr(exc, "_help_text", None))))  # such as the valid choices
    if isinstance(exc, RollcallError):
        return str(exc)
    return f"unexpected {exc!r}; this is a bug of rollcall.discovery (-vvv shows where)"


def id_of(exc: Exception) -> str:
    """The id of an error's message. Ansible's own errors are about options."""
    if isinstance(exc, (PluginError, RollcallError)):
        return exc.id
    return OPTION if isinstance(exc, AnsibleError) else BUG
