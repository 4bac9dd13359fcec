# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the options that filter nodes, generated from their table in _options."""

from __future__ import annotations

import json

from ansible_collections.rollcall.discovery.plugins.module_utils._options import FILTERS, documentation


class ModuleDocFragment:
    """``rollcall.discovery.filters`` is for modules and plugins."""

    # JSON is YAML, too. Annotated, since the yamllint of ansible-test takes every plain assignment for a literal.
    DOCUMENTATION: str = json.dumps(documentation(FILTERS))
