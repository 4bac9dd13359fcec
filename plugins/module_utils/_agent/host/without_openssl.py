# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Less memory for what runs for ever on every node.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import importlib
import sys


def leave_out_openssl() -> None:
    """Keep OpenSSL, a fifth of the agent's memory, out of a process for as long as it encrypts nothing.

    http.client imports ssl for an HTTPS class of its own, which nobody needs here (`_etcd.connection` does TLS itself),
    and works without ssl. So it is imported once with ssl out of sight; a later `import ssl` works as
    ever. To be called before anything else imports http.client.
    """
    if "ssl" in sys.modules:
        return
    sys.modules["ssl"] = None  # type: ignore[assignment]  # Python's own way to say that a module is not to be had
    importlib.import_module("http.client")
    del sys.modules["ssl"]
