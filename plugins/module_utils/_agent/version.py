# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which release of the runtime this process runs.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import json
import os
import sys

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


def stay_with_this_release() -> None:
    """Import later modules from the directory that a link leads to now, even if it is changed.

    Code of two releases in one process would fail in ways that nobody has tested.
    """
    package = __name__.partition(".")[0]
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == package and hasattr(module, "__path__"):
            module.__path__ = [os.path.realpath(path) for path in module.__path__]
