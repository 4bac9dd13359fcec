# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writing keys: only those that differ, in as few transactions as etcd allows.

Internal to the collection: no promise is made to other users of this file.

`compare` reads the keys and says what would change; `write` does it. Between the two a caller can look at the changes,
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
    """How a key must be. `value` is text, or data that is kept as JSON; None: the key must not exist.

    Without a `lease` the key stays with the lease that holds it; 0 frees it. With `mod_revision` the key changes only
    if that is the revision of its last change (0: it does not exist).
    """

    key: str
    value: t.Any = None
    lease: t.Optional[int] = None
    mod_revision: t.Optional[int] = None


@dataclasses.dataclass(frozen=True)
class Change:
    """What becomes of a key: `before` is what is replaced or deleted.

    `value` is None, `lease` 0 and `mod_revision` None for a key that does not exist afterwards. Until the change is
    written, `mod_revision` is that of `before`.
    """

    wanted: Wanted
    changed: bool
    before: t.Optional[KeyValue]
    value: t.Optional[str]
    lease: int
    mod_revision: t.Optional[int]


class Changes(t.NamedTuple):
    """One change for each key that was asked for, in that order, as of `revision` (0: of no key)."""

    revision: int
    all: t.List[Change]


def compare(client: Client, wanted: t.Sequence[Wanted]) -> Changes:
    """Read the keys, each given once, and compare them. Raises EtcdError kinds, also if a `mod_revision` is not met."""
    found = client.range(wanted[0].key) if len(wanted) == 1 else client.read_keys([one.key for one in wanted])
    kvs = {kv.key: kv for kv in found.kvs}
    changes = [_change(one, kvs.get(one.key)) for one in wanted]
    for change in changes:
        if change.changed:
            _require_revision(change.wanted, change.before)
    return Changes(found.revision, changes)


def write(client: Client, changes: Changes) -> Changes:
    """Write what differs, and return what was really replaced: others may write in between.

    All of it is written or nothing if it fits into one transaction: MAX_TXN_OPS keys, MAX_REQUEST bytes. If a later
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
    """Raises EtcdError if the key was changed since the revision that is expected."""
    if wanted.mod_revision not in (None, found.mod_revision if found else 0):
        now = f"was last written at revision {found.mod_revision}" if found else "is not there"
        raise KeyChanged(
            f"{wanted.key} {now}, and mod_revision expects {wanted.mod_revision}. Nothing was changed: read it again"
        )


def _transactions(changes: t.Sequence[Change]) -> t.Iterator[t.List[Change]]:
    """The changes, as many at once as one transaction takes."""
    some: t.List[Change] = []
    sent = replaced = 0
    for change in changes:
        key, guards = change.wanted.key, change.wanted.mod_revision is not None
        more_sent = size(key) * (3 if guards else 1) + size(change.value or "")  # compare, write, read
        more_replaced = size(change.before.value) if change.before else 0
        full = len(some) == wire.MAX_TXN_OPS or sent + more_sent > wire.MAX_REQUEST
        # What is replaced is in the answer, where base64 makes four bytes of three.
        if some and (full or replaced + more_replaced > wire.MAX_PAGE // 2):
            yield some
            some, sent, replaced = [], 0, 0
        some.append(change)
        sent += more_sent
        replaced += more_replaced
    if some:
        yield some


def _write(client: Client, changes: t.Sequence[Change]) -> t.Tuple[int, t.List[Change]]:
    """One transaction: its revision, and the changes as they were made."""
    guarded = [change.wanted for change in changes if change.wanted.mod_revision is not None]
    guards = [wire.unchanged(wanted.key, wanted.mod_revision or 0) for wanted in guarded]
    more = f" and {len(changes) - 1} more" if changes[1:] else ""
    what = f"Changing {changes[0].wanted.key}{more}"
    reads = [wire.get(wanted.key) for wanted in guarded]
    done = client.txn(guards, [_operation(change) for change in changes], reads, what)
    if not done.succeeded:
        for index, wanted in enumerate(guarded):
            _require_revision(wanted, next(iter(done.range(index).kvs), None))
        raise NotGateway(f"{what} failed: {client.endpoint} refused it for keys that are as expected: it is no etcd")
    return done.revision, [_made(change, done.previous(index), done.revision) for index, change in enumerate(changes)]


def _operation(change: Change) -> Json:
    if change.value is None:
        return wire.delete(change.wanted.key, previous=True)
    return wire.put(change.wanted.key, change.value, change.lease, previous=True)


def _made(change: Change, replaced: t.Sequence[KeyValue], revision: int) -> Change:
    """The change with what it really replaced; a key that somebody else has deleted meanwhile is no change."""
    before = replaced[0] if replaced else None
    if change.value is None:
        return dataclasses.replace(change, changed=before is not None, before=before)
    return dataclasses.replace(change, before=before, mod_revision=revision)
