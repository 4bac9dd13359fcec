# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a registration goes: the phase it is in, in words, and what went wrong last.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import time
import typing as t

from ..._etcd.errors import (
    AuthenticationFailed,
    InvalidSettings,
    NotGateway,
    PermissionDenied,
    RollcallError,
    TokenInvalid,
)
from ..host import log
from ..host.clock import boottime

Json = t.Dict[str, t.Any]

STARTING = "starting"
WAITING = "waiting"
REGISTERED = "registered"
DUPLICATE = "duplicate"
REFUSED = "refused"
LEFT = "left"
REMOVED = "removed"  # on purpose as well: a check says so, until it passes

# Failures that do not pass by themselves: a person has to change something first, here or in etcd.
REFUSALS = (AuthenticationFailed, InvalidSettings, NotGateway, PermissionDenied, TokenInvalid)

_REMIND = 600.0  # seconds after which the same trouble is logged again
_ERRORS = 5  # different errors that are kept


class Progress:
    """Logs each phase and each failure once, and keeps them for the status."""

    def __init__(self) -> None:
        self.phase = STARTING
        self.failures = 0
        self._words = "the process has just begun"
        self._since = time.time()
        self._told = 0.0  # when trouble was last told of
        self._errors: t.List[Json] = []  # the newest first

    def enter(self, phase: str, words: str) -> None:
        """Tell what is reached."""
        if (phase, words) != (self.phase, self._words):
            log.info(f"{phase.capitalize()}: {words}")
        self.be(phase, words)

    def trouble(self, phase: str, exc: RollcallError) -> None:
        """Tell once what stands in the way, and again only after a long time."""
        self.failures += 1
        former = [error for error in self._errors if error["text"] != str(exc)]
        self._errors = [{"text": str(exc), "at": int(time.time())}, *former][:_ERRORS]
        if phase != self.phase or boottime() - self._told > _REMIND:
            self._told = boottime()
            (log.warning if phase == WAITING else log.error)(str(exc), exc.id)
        self.be(phase, str(exc))

    def be(self, phase: str, words: str) -> None:
        """Note it, without telling."""
        if phase != self.phase:
            self._since = time.time()
        self.phase, self._words = phase, words

    def document(self) -> Json:
        """Its part of status.json."""
        return {
            "phase": self.phase,
            "message": self._words,
            "since": int(self._since),
            "last_error": self._errors[0] if self._errors else None,
            "errors": list(self._errors),
        }
