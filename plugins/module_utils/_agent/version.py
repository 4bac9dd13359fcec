# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which version of the runtime this is.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import json
import os

# The archive that brought this package to the node has the file VERSION beside it: {"version", "digest"}.
_STAMP = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir, "VERSION")


def _read() -> str:
    try:
        with open(_STAMP, encoding="utf-8") as file:
            return str(json.load(file)["version"])
    except FileNotFoundError:
        return "dev"


# Read once, with the code that it is of: the files on the disk may be those of another release by now.
_VERSION = _read()


def version() -> str:
    """The version of the collection this runtime was packed from; "dev" in a checkout."""
    return _VERSION
