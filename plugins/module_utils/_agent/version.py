# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

"""The version of the node runtime: the collection's own, as in galaxy.yml (a test compares them).

Internal to the collection: no promise is made to other users of this file.
"""

VERSION = "0.1.0"
