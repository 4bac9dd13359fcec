# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`python3 -m rollcall` in a checkout, or in the directory of the installed collection: the command without a role.

It is the same code that the role agent copies to hosts as the package `rollcall`.
"""

from __future__ import annotations

import os
import runpy
import sys

__path__ = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "plugins", "module_utils")]  # this is the package

if __name__ == "__main__":
    sys.modules["rollcall"] = sys.modules[__name__]
    runpy.run_module("rollcall._agent.cli", run_name="__main__", alter_sys=True)
