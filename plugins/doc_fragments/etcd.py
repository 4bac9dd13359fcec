# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the connection options, generated from their table in _options."""

from __future__ import annotations

import json

from ansible_collections.rollcall.discovery.plugins.module_utils._options import CONNECTION, documentation


class ModuleDocFragment:
    """``rollcall.discovery.etcd`` is for modules, ``.plugins`` for lookups and inventories."""

    # JSON is YAML, too. Annotated, since the yamllint of ansible-test takes every plain assignment for a literal.
    DOCUMENTATION: str = json.dumps(documentation(CONNECTION))
    PLUGINS: str = json.dumps(documentation(CONNECTION, sources=("env", "ini", "vars")))
