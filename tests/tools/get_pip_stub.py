# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ansible-test runs to get pip into its virtual environments, from the interpreter's own copy.

tests/tools/sanity.sh puts this file where ansible-test caches the script it would otherwise download, so that its
requirements come from the package index that pip is configured for and from nowhere else.
"""

from __future__ import annotations

import ensurepip
import os
import runpy
import sys

if __name__ == "__main__":
    ensurepip.bootstrap(upgrade=True, default_pip=True)
    os.environ.pop("PIP_CONFIG_FILE", None)  # set by ensurepip, it would hide the machine's settings of pip
    # Options of the real script that pip does not know. What they would leave out does no harm.
    own_options = ("--no-setuptools", "--no-wheel")
    sys.argv[1:] = ["install", *(argument for argument in sys.argv[1:] if argument not in own_options)]
    runpy.run_module("pip", run_name="__main__", alter_sys=True)
