# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Loads the TLS files for connections to etcd, again when they are replaced, without waiting for a stalled disk.

Internal to the collection: no promise is made to other users of this file.

Certificates are renewed while a daemon runs, so each new connection checks the files. A stalled disk must not cost the
agent its lease: then the last loaded files are used.
"""

from __future__ import annotations

import functools
import threading
import typing as t

from .errors import InvalidSettings
from .inbox import Inbox
from .settings import Tls

if t.TYPE_CHECKING:
    import ssl  # loads OpenSSL, 2 to 5 MB of memory, so it is imported only if TLS is used

_PATIENCE = 1.0  # seconds for files that have been loaded before

Version = t.Tuple[t.Tuple[int, int], ...]
Loaded = t.Tuple[Version, "ssl.SSLContext"]
Answer = t.Union[Loaded, Exception]


class Certificates:
    """The TLS context for some files. Connections with the same files share it (`certificates`), across threads."""

    def __init__(self, tls: Tls) -> None:
        self._tls = tls
        self._loaded: t.Optional[Loaded] = None
        self._late: t.Optional[threading.Thread] = None  # a thread that has not finished in time

    def context(self, seconds: float) -> ssl.SSLContext:
        """A context with the current files, or with the last loaded ones if the disk does not answer. Raises
        InvalidSettings if they are unusable, or if they were never loaded and cannot be within `seconds`.
        """
        loaded = self._loaded
        answer = self._reload(seconds if loaded is None else min(seconds, _PATIENCE))
        if isinstance(answer, Exception):
            raise answer
        self._loaded = answer or loaded
        if self._loaded is None:
            raise InvalidSettings(
                f"Cannot read the TLS files ({', '.join(self._tls.files)}): the disk does not answer. Check its mount "
                "and the kernel log"
            )
        return self._loaded[1]

    def _reload(self, seconds: float) -> t.Optional[Answer]:
        """The result of loading the files in a thread, None if there is no result within `seconds`."""
        if self._late is not None and self._late.is_alive():
            return None
        answers: Inbox[Answer] = Inbox()
        thread = threading.Thread(target=lambda: answers.put(self._load()), name="TLS files", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system cannot start another thread
            return None if self._loaded else self._load()
        for answer in answers.take(seconds):
            return answer
        self._late = thread
        return None

    def _load(self) -> Answer:
        loaded = self._loaded
        try:
            version = self._tls.version()
            if loaded is not None and loaded[0] == version:
                return loaded
            return version, self._tls.context()
        except Exception as exc:  # raised again in the waiting thread
            return exc


@functools.lru_cache(maxsize=None)
def certificates(tls: Tls) -> Certificates:
    """The instance of this process for these files."""
    return Certificates(tls)
