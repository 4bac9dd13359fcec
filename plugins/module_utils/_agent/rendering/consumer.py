# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Telling the registry what this load balancer has applied: the consumer key, on a lease of its own.

Internal to the collection: no promise is made to other users of this file.

A play that waits for a revision relies on it: everything up to it is in the files. Watches do not arrive in step,
so a revision is published only after a read as of it has shown the state that was rendered.
"""

from __future__ import annotations

import json
import threading
import typing as t

from ..._etcd.client import Client
from ..._etcd.errors import Compacted, EtcdError, LeaseNotFound, PermissionDenied
from ..._etcd.inbox import Inbox
from ..._etcd.text import printable
from ..._registry.following.mirror import Pulse, Selector, read_pulse
from ..._registry.following.timing import Backoff, jittered
from ..host import log
from ..host.clock import boottime

_RECHECK = 1.0  # seconds until the next look at a revision whose changes have not all arrived yet


class Applied(t.NamedTuple):
    """The state of the files now. `hash` is of their contents; `stale`: the registry has moved on, and the guard holds;
    `error` is "" or why they are not up to date.

    Where they are up to date, `revision` and `pulses` are those of the state that was rendered; else pulses is None,
    and the revision that was published before stays true.
    """

    hash: str
    stale: bool
    error: str
    revision: int
    pulses: t.Optional[t.Mapping[Selector, Pulse]]

    def document(self, revision: int) -> str:
        """The value of the key."""
        fields = {"revision": revision, "hash": self.hash, "stale": self.stale, "error": printable(self.error, 500)}
        return json.dumps(fields, sort_keys=True, separators=(",", ":"))


class Consumer:
    """Keeps the key `key` in a thread of its own: etcd may be away for as long as it likes."""

    def __init__(self, client: Client, key: str, ttl: int) -> None:
        self._client = client
        self._key = key
        self._ttl = ttl
        self._inbox: Inbox[t.Optional[Applied]] = Inbox()
        self._wanted: t.Optional[Applied] = None
        self._complete = 0
        self._written = ""
        self._lease = 0
        self._renewal_due = 0.0
        self._failure = ""
        self._contested = False  # told that another renderer has the same name
        self._leaving = False
        self._thread = threading.Thread(target=self._run, name="consumer", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def publish(self, applied: Applied) -> None:
        """This is so from now on."""
        self._inbox.put(applied)

    def stop(self, leave: bool, patience: float = 2.0) -> None:
        """End; with `leave` the key goes at once, where etcd answers within `patience` seconds.

        Without, it stays for the rest of its lease: the next process writes it again under its own.
        """
        self._leaving = leave
        self._inbox.put(None)
        if leave:
            self._thread.join(patience)

    def _run(self) -> None:
        backoff = Backoff(0.5, 15.0)
        pause = 0.0
        while self._receive(pause):
            try:
                pause = self._turn()
            except Exception as exc:  # also what nobody foresaw: this thread must not end alone
                self._tell(str(exc) if isinstance(exc, EtcdError) else f"{type(exc).__name__}: {exc}")
                pause = backoff.next()
            else:
                self._tell("")
                backoff.reset()
        if self._leaving:
            self._give_up()

    def _receive(self, pause: float) -> bool:
        """Wait for something to publish, at most `pause` seconds; of several the newest counts. False: stop."""
        for message in self._inbox.take(pause):
            if message is None:
                return False
            self._wanted = message
        return True

    def _turn(self) -> float:
        """Do what is due; returns the seconds until something is due again. Raises EtcdError kinds."""
        if self._wanted is None:
            return self._ttl
        if self._lease and boottime() >= self._renewal_due:
            self._renew()
        if self._wanted.pulses is not None and self._wanted.revision != self._complete:
            if not self._has_all(self._wanted.pulses, self._wanted.revision):
                if not self._written:  # no lease is kept alive without its key
                    self._give_up()
                return _RECHECK
            self._complete = self._wanted.revision
        document = self._wanted.document(self._complete)
        if document != self._written or not self._lease:
            self._write(document)
        return max(0.0, self._renewal_due - boottime())

    def _write(self, document: str) -> None:
        """Write the key, under the lease that it has or under a new one. Raises EtcdError kinds.

        A lease that the key cannot be written under is given up. Another user may have attached a key to it:
        then etcd refuses every write under it to users that may not write that key, as long as it is kept alive.
        """
        fresh = not self._lease
        if fresh:
            self._lease, _granted = self._client.lease_grant(self._ttl)
            self._renewed()
        try:
            self._client.put(self._key, document, self._lease)
        except LeaseNotFound:
            self._forget()
            if fresh:
                raise
            self._renewal_due = 0.0  # at once, under a new one
            return
        except Exception as exc:
            # While etcd is away, a lease that holds the key stays; one that holds nothing must not be kept alive.
            if fresh or isinstance(exc, PermissionDenied):
                self._give_up()
            raise
        self._written = document

    def _give_up(self) -> None:
        """Revoke the lease, or leave it to its end."""
        lease, self._lease, self._written = self._lease, 0, ""
        if lease:
            try:
                self._client.lease_revoke(lease)
            except EtcdError:
                pass  # it ends by itself

    def _forget(self) -> None:
        """The lease is gone."""
        self._lease, self._written = 0, ""

    def _renew(self) -> None:
        """Keep the lease alive, and see that the key is still there."""
        try:
            self._client.lease_keepalive(self._lease)
        except LeaseNotFound:
            self._forget()
            return
        except PermissionDenied:
            self._give_up()
            raise
        self._renewed()
        found = self._client.get(self._key)
        if found is None or found.lease != self._lease:
            self._written = ""
        if found is not None and found.lease not in (0, self._lease) and not self._contested:
            self._contested = True
            log.warning(
                f"Another renderer publishes {self._key}, too (lease {found.lease:x}), so nobody can tell what either "
                "has applied. Give each its own name",
                "RC-E-PUBLISH",
            )

    def _renewed(self) -> None:
        self._renewal_due = boottime() + jittered(self._ttl / 3, 0.1)

    def _has_all(self, pulses: t.Mapping[Selector, Pulse], revision: int) -> bool:
        """Whether etcd as of `revision` has what was rendered, and no more: no change is still on its way to us."""
        for selector, here in pulses.items():
            try:
                there = read_pulse(self._client, selector, revision)[0]
            except Compacted:
                there = read_pulse(self._client, selector)[0]
            if there != here:
                return False
        return True

    def _tell(self, failure: str) -> None:
        """Say it once."""
        if failure and not self._failure:
            log.warning(f"Cannot publish what is applied, and keep trying: {failure}", "RC-E-PUBLISH")
        self._failure = failure
