# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes keys: only those that differ, in as few transactions as etcd allows.

Internal to the collection: no promise is made to other users of this file.

`compare` reads the keys and computes the changes; `write` makes them. In between, the caller can inspect the changes
and refuse them.
"""

from __future__ import annotations

import dataclasses
import typing as t

from . import wire
from .client import Client
from .errors import EtcdError, KeyChanged, NotGateway
from .text import size
from .values import text_of
from .wire import KeyValue

Json = t.Dict[str, t.Any]


class Wanted(t.NamedTuple):
    """The desired state of a key. `value` is a string, or data to store as JSON; None: the key must not exist.

    `lease` None does not change its lease, 0 detaches it. With `mod_revision`, the key is changed only if it was last
    written at that revision (0: it does not exist).
    """

    key: str
    value: t.Any = None
    lease: t.Optional[int] = None
    mod_revision: t.Optional[int] = None


@dataclasses.dataclass(frozen=True)
class Change:
    """The change of a key: `before` is the key that is replaced or deleted.

    If the key does not exist afterwards, `value` is None, `lease` 0 and `mod_revision` None. Until the change is
    written, `mod_revision` is that of `before`.
    """

    wanted: Wanted
    changed: bool
    before: t.Optional[KeyValue]
    value: t.Optional[str]
    lease: int
    mod_revision: t.Optional[int]


class Changes(t.NamedTuple):
    """One change for each desired key, in that order, as of `revision` (0: there are no keys)."""

    revision: int
    all: t.List[Change]


def compare(client: Client, wanted: t.Sequence[Wanted]) -> Changes:
    """Read the keys (without duplicates) and compare them. Raises EtcdError kinds, KeyChanged for a `mod_revision`."""
    found = client.range(wanted[0].key) if len(wanted) == 1 else client.read_keys([one.key for one in wanted])
    kvs = {kv.key: kv for kv in found.kvs}
    changes = [_change(one, kvs.get(one.key)) for one in wanted]
    for change in changes:
        if change.changed:
            _require_revision(change.wanted, change.before)
    return Changes(found.revision, changes)


def write(client: Client, changes: Changes) -> Changes:
    """Write the differences, and return the changes that were made, since other clients may write in between.

    If they fit into one transaction (MAX_TXN_OPS keys, MAX_REQUEST bytes), either all are written or none. If a later
    transaction fails, the EtcdError says how many keys the earlier ones have changed.
    """
    pending = [change for change in changes.all if change.changed]
    revision, written = changes.revision, {}  # type: int, t.Dict[str, Change]
    for some in _transactions(pending):
        try:
            revision, done = _write(client, some)
        except EtcdError as exc:
            if written:
                exc.args = (f"{exc}. Earlier transactions have changed {len(written)} of {len(pending)} keys",)
            raise
        written.update((change.wanted.key, change) for change in done)
    return Changes(revision, [written.get(change.wanted.key, change) for change in changes.all])


def _change(wanted: Wanted, before: t.Optional[KeyValue]) -> Change:
    if wanted.value is None:
        return Change(wanted, before is not None, before, None, 0, None)
    if before is None:
        return Change(wanted, True, None, text_of(wanted.value, None), wanted.lease or 0, None)
    value = text_of(wanted.value, before.value)
    lease = before.lease if wanted.lease is None else wanted.lease
    changed = (value, lease) != (before.value, before.lease)
    return Change(wanted, changed, before, value, lease, before.mod_revision)


def _require_revision(wanted: Wanted, found: t.Optional[KeyValue]) -> None:
    """Raises KeyChanged if the key was changed since the expected revision."""
    if wanted.mod_revision not in (None, found.mod_revision if found else 0):
        got = f"{found.mod_revision}" if found else "a key that does not exist"
        raise KeyChanged(
            f"mod_revision of {wanted.key}: expected {wanted.mod_revision}, got {got}. Nothing was changed. Read the "
            "key again"
        )


def _transactions(changes: t.Sequence[Change]) -> t.Iterator[t.List[Change]]:
    """The changes in groups that fit into one transaction."""
    some: t.List[Change] = []
    sent = replaced = 0
    for change in changes:
        key, guards = change.wanted.key, change.wanted.mod_revision is not None
        more_sent = size(key) * (3 if guards else 1) + size(change.value or "")  # compare, write, read
        more_replaced = size(change.before.value) if change.before else 0
        full = len(some) == wire.MAX_TXN_OPS or sent + more_sent > wire.MAX_REQUEST
        # The answer contains the replaced values in base64, which turns three bytes into four.
        if some and (full or replaced + more_replaced > wire.MAX_PAGE // 2):
            yield some
            some, sent, replaced = [], 0, 0
        some.append(change)
        sent += more_sent
        replaced += more_replaced
    if some:
        yield some


def _write(client: Client, changes: t.Sequence[Change]) -> t.Tuple[int, t.List[Change]]:
    """Execute one transaction; returns its revision, and the changes that were made."""
    guarded = [change.wanted for change in changes if change.wanted.mod_revision is not None]
    guards = [wire.unchanged(wanted.key, wanted.mod_revision or 0) for wanted in guarded]
    more = f" and {len(changes) - 1} more" if changes[1:] else ""
    what = f"Changing {changes[0].wanted.key}{more}"
    reads = [wire.get(wanted.key) for wanted in guarded]
    done = client.txn(guards, [_operation(change) for change in changes], reads, what)
    if not done.succeeded:
        for index, wanted in enumerate(guarded):
            _require_revision(wanted, next(iter(done.range(index).kvs), None))
        raise NotGateway(
            f"{what} failed: {client.endpoint} refused it although the mod_revisions match. Check that this is a "
            "client URL of etcd"
        )
    return done.revision, [_made(change, done.previous(index), done.revision) for index, change in enumerate(changes)]


def _operation(change: Change) -> Json:
    if change.value is None:
        return wire.delete(change.wanted.key, previous=True)
    return wire.put(change.wanted.key, change.value, change.lease, previous=True)


def _made(change: Change, replaced: t.Sequence[KeyValue], revision: int) -> Change:
    """The change with the key that it replaced; not a change if another client had already deleted the key."""
    before = replaced[0] if replaced else None
    if change.value is None:
        return dataclasses.replace(change, changed=before is not None, before=before)
    return dataclasses.replace(change, before=before, mod_revision=revision)
