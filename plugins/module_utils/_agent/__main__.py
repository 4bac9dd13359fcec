# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`python3 -m rollcall._agent`: what the command `rollcall` runs.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import sys

from .cli import main
from .lean import leave_out_openssl

leave_out_openssl()
sys.exit(main(sys.argv[1:]))
