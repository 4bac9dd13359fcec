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
import tempfile
import typing as t

from ansible import constants
from ansible.errors import AnsibleError

Json = dict[str, t.Any]


class StateFile:
    """A JSON file of this user, for one `kind` of thing about one `source`. It is replaced whole or not at all."""

    def __init__(self, directory: str | None, kind: str, source: Json) -> None:
        directory = directory or os.path.join(constants.config.get_config_value("ANSIBLE_HOME"), "rollcall")
        digest = hashlib.sha256(json.dumps(source, sort_keys=True).encode()).hexdigest()[:16]
        self.path = os.path.join(directory, f"{kind}-{digest}.json")

    def read(self) -> Json | None:
        """What was written last, or None where nothing was. Raises AnsibleError."""
        try:
            with open(self.path, encoding="utf-8") as file:
                content = json.load(file)
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise AnsibleError(f"Cannot read {self.path}: {exc.strerror}; check state_dir") from exc
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise AnsibleError(f"The file {self.path} is damaged; delete it")
        return content

    def write(self, content: Json) -> None:
        """Raises AnsibleError where that cannot be."""
        directory = os.path.dirname(self.path)
        try:
            os.makedirs(directory, mode=0o700, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=directory, prefix=".rollcall-", delete=False) as file:
                try:
                    json.dump(content, file)  # the file has mode 0600
                    file.flush()
                    os.fsync(file.fileno())
                    os.replace(file.name, self.path)
                except BaseException:
                    os.unlink(file.name)
                    raise
        except OSError as exc:
            raise AnsibleError(f"Cannot write {self.path}: {exc.strerror}; check state_dir") from exc
