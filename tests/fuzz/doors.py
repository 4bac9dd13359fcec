# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The list of doors. A file per kind of foreign data defines them; this one only collects them."""

from __future__ import annotations

from tests.fuzz import checks, configs, dns, gateway, keeping, nodes, plugins
from tests.fuzz.door import Door

DOORS: dict[str, Door] = {
    door.name: door for kind in (checks, configs, dns, gateway, keeping, nodes, plugins) for door in kind.DOORS
}
