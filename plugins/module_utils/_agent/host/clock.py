# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The clock of both daemons.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import time


def boottime() -> float:
    """Seconds since boot. It never jumps, and it goes on while the machine is suspended, as leases do."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
