# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The TLS files of the way to etcd, loaded again when they are replaced, without waiting for a disk that stalls.

Internal to the collection: no promise is made to other users of this file.

Certificates rotate under a running daemon, so each new connection looks at them. A lease must not be lost because their
disk does not answer: then the files as they were read last serve.
"""

from __future__ import annotations

import functools
import threading
import typing as t

from .errors import InvalidSettings
from .inbox import Inbox
from .settings import Tls

if t.TYPE_CHECKING:
    import ssl  # loads OpenSSL, 2 to 5 MB of memory, so it is imported where something is encrypted

_PATIENCE = 1.0  # seconds for files that have been loaded before

Version = t.Tuple[t.Tuple[int, int], ...]
Loaded = t.Tuple[Version, "ssl.SSLContext"]
Answer = t.Union[Loaded, Exception]


class Certificates:
    """All that do TLS with the same files share it (`certificates`), also from different threads."""

    def __init__(self, tls: Tls) -> None:
        self._tls = tls
        self._loaded: t.Optional[Loaded] = None
        self._late: t.Optional[threading.Thread] = None  # it has not answered in time

    def context(self, seconds: float) -> ssl.SSLContext:
        """A context with the files as they are, else as they were. Raises InvalidSettings if they cannot be used, or
        if there are none yet within `seconds`.
        """
        loaded = self._loaded
        answer = self._look(seconds if loaded is None else min(seconds, _PATIENCE))
        if isinstance(answer, Exception):
            raise answer
        self._loaded = answer or loaded
        if self._loaded is None:
            raise InvalidSettings(
                f"Cannot read the TLS files ({', '.join(self._tls.files)}): their disk does not answer"
            )
        return self._loaded[1]

    def _look(self, seconds: float) -> t.Optional[Answer]:
        """What a look at the files gave, None if there is no answer within `seconds`."""
        if self._late is not None and self._late.is_alive():
            return None
        answers: Inbox[Answer] = Inbox()
        thread = threading.Thread(target=lambda: answers.put(self._load()), name="TLS files", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no process or memory left for a thread
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
        except Exception as exc:  # raised again where it is waited for
            return exc


@functools.lru_cache(maxsize=None)
def certificates(tls: Tls) -> Certificates:
    """Those of this process."""
    return Certificates(tls)
