# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client's watch against every server."""

from __future__ import annotations

import threading

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd import wire
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import Compacted, WatchEnded


def changes(watch, count):
    """The next `count` changes: (revision, deleted, key, value, value before)."""
    found = []
    for batch in watch:
        for event in batch.events:
            before = event.previous.value if event.previous else None
            found.append((event.kv.mod_revision, event.deleted, event.kv.key, event.kv.value, before))
            assert event.kv.mod_revision <= batch.revision
        if len(found) >= count:
            return found
    raise AssertionError("a watch ends with an error, not silently")


def test_a_watch_brings_what_happens_from_now_on(client):
    client.put("/w/old", "not seen")
    watch = client.watch("/w/", prefix=True, previous=True)
    first = client.put("/w/1", "one")
    client.put("/w0", "another prefix")
    client.put("/w/1", "two")
    client.delete("/w/1")
    client.txn(success=[wire.put("/w/2", "x"), wire.put("/w/3", "y")])
    assert watch.created == first - 1
    assert changes(watch, 5) == [
        (first, False, "/w/1", "one", None),
        (first + 2, False, "/w/1", "two", "one"),
        (first + 3, True, "/w/1", "", "two"),
        (first + 4, False, "/w/2", "x", None),
        (first + 4, False, "/w/3", "y", None),
    ]
    watch.close()


def test_a_watch_from_a_revision_misses_nothing(client):
    start = client.put("/w", "1")
    client.put("/w", "2")
    client.delete("/w")
    watch = client.watch("/w", start_revision=start)
    last = client.put("/w", "3")
    found = changes(watch, 4)
    watch.close()
    assert [(deleted, value) for _, deleted, _, value, _ in found] == [
        (False, "1"),
        (False, "2"),
        (True, ""),
        (False, "3"),
    ]
    assert found[-1][0] == last


def test_a_watch_below_the_compaction_says_so(client, server):
    start = client.put("/w", "1")
    client.put("/w", "2")
    last = client.put("/w", "3")
    server.compact()
    with pytest.raises(Compacted) as failure:
        for _batch in client.watch("/w", start_revision=start):
            pass
    assert failure.value.revision == last
    watch = client.watch("/w", start_revision=last + 1)  # what the message tells to do works
    client.put("/w", "4")
    assert changes(watch, 1)[0][3] == "4"
    watch.close()


def test_a_restart_ends_the_watch_and_it_goes_on_from_the_next_revision(client, server):
    watch = client.watch("/w", prefix=True)
    seen = client.put("/w", "seen")
    assert changes(watch, 1)[0][0] == seen
    server.restart()
    with pytest.raises(WatchEnded):
        changes(watch, 1)
    missed = client.put("/w", "missed")
    watch = client.watch("/w", prefix=True, start_revision=seen + 1)
    assert changes(watch, 1) == [(missed, False, "/w", "missed", None)]
    watch.close()


def test_close_wakes_a_reader_in_another_thread(client):
    watch = client.watch("/w")
    outcome = []
    started = threading.Event()

    def read():
        started.set()
        try:
            changes(watch, 1)
        except WatchEnded as ended:
            outcome.append(ended)

    reader = threading.Thread(target=read)
    reader.start()
    started.wait(5)
    watch.close()
    reader.join(5)
    assert outcome
