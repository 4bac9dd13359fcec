# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real systemd hosts on one machine: booted, killed, cut off and thrown away in seconds.

By hand it is ``python3 -m tests.lab`` (README.md beside this file), from pytest::

    web1, web2 = Lab().create(["web1", "web2"])
    web1.kill()
"""

from __future__ import annotations

from .hosts import Host
from .lab import DEMO, Lab
from .system import LabError

__all__ = ["DEMO", "Host", "Lab", "LabError"]
