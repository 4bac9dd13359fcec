# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that outlive a run.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import hashlib
import json
import os
import typing as t

from ansible import constants

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.files import private_directory
from ansible_collections.rollcall.discovery.plugins.plugin_utils._errors import PluginError

Json = dict[str, t.Any]

_LARGEST = 1 << 30  # bytes: all keys of a registry, at their bounds


class StateFileError(PluginError):
    """A file of the state directory cannot be used."""

    id = "RC-E-STATE-FILE"


class StateFile:
    """A JSON file of this user, for one `kind` of thing about one `source`. It is replaced whole or not at all.

    A user who may write it decides which hosts there are, so a directory in which other users may write is refused.
    """

    def __init__(self, directory: str | None, kind: str, source: Json) -> None:
        directory = directory or os.path.join(constants.config.get_config_value("ANSIBLE_HOME"), "rollcall")
        digest = hashlib.sha256(json.dumps(source, sort_keys=True).encode()).hexdigest()[:16]
        self.path = os.path.join(directory, f"{kind}-{digest}.json")

    def read(self) -> Json | None:
        """The content that was written last, or None. Raises AnsibleError."""
        directory, name = os.path.split(self.path)
        try:
            with private_directory(directory, sticky=True) as opened:
                stored = opened.read(name, own=True, largest=_LARGEST)
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise StateFileError(f"Cannot read {self.path}: {exc.strerror or exc}; check state_dir") from exc
        if stored is None:
            return None
        try:
            content = json.loads(stored)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            raise StateFileError(f"The file {self.path} is damaged; delete it")
        return content

    def write(self, content: Json) -> None:
        """Raises AnsibleError where that cannot be."""
        directory, name = os.path.split(self.path)
        try:
            with private_directory(directory, make=0o700, sticky=True) as opened:
                opened.replace(name, json.dumps(content).encode())
        except OSError as exc:
            raise StateFileError(f"Cannot write {self.path}: {exc.strerror or exc}; check state_dir") from exc
