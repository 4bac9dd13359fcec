# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Following keys of etcd: a mirror that is never silently behind.

Internal to the collection: no promise is made to other users of this file.

One thread reads all keys at one revision and watches from the next one, with another thread for each watch. It reads
again if a watch ends or misses a change, and every few minutes. An open watch does not prove that it still receives
changes (a watch on a partitioned member stays open), so a linearizable read compares the mirror with etcd every 30 s.
"""

from __future__ import annotations

import dataclasses
import threading
import time
import typing as t

from ..._etcd.client import Client
from ..._etcd.errors import EtcdError, WatchEnded
from ..._etcd.inbox import Inbox
from ..._etcd.watch import Batch, Watch
from ..layout import Layout
from .mirror import Mirror, Selector, State, read_pulse, read_state
from .timing import Backoff, jittered

_STABLE = 5.0  # seconds after which a round counts as a success, which resets the backoff


@dataclasses.dataclass(frozen=True)
class Intervals:
    """Times in seconds. `heartbeat` (comparison with etcd) and `resync` (complete read) are jittered by 20 %; `doubt`
    is how long a difference may last before it counts; `retry` is the first pause after a failure, `retry_max` the
    longest."""

    heartbeat: float = 30.0
    doubt: float = 10.0
    resync: float = 300.0
    retry: float = 0.2
    retry_max: float = 15.0


class Report(t.NamedTuple):
    """The status of a Follower. `serial` increases with each change and each complete read; 0: nothing was read yet.

    `failure` is "" while the watches are open, otherwise the error. `cuts` counts the watches that were cut off after
    they had been open for a while, such as by a proxy that ends idle streams.
    """

    serial: int
    failure: str
    endpoint: str
    cuts: int = 0


class Follower:
    """Mirrors the keys of `selectors` in a thread of its own; calls `wake` after each change and each failure.

    `inform` is called with a sentence for the log or terminal, `warn` with a sentence and the id of the message.
    """

    def __init__(
        self,
        client: Client,
        selectors: t.Sequence[Selector],
        layout: Layout,
        wake: t.Callable[[], None],
        intervals: Intervals = Intervals(),
        *,
        warn: t.Callable[[str, str], None],
        inform: t.Callable[[str], None],
    ) -> None:
        self._client = client
        self._selectors = tuple(selectors)
        self._wake = wake
        self._intervals = intervals
        self._warn = warn
        self._inform = inform
        self._lock = threading.Lock()
        self._layout = layout
        self._mirror = Mirror(layout)
        self._report = Report(0, "", "")
        self._gap = True  # changes may have been missed since the last reading
        self._stopping = threading.Event()
        self._inbox: Inbox[_Item] = Inbox()
        self._thread = threading.Thread(target=self._run, name="follow", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread; returns at once, even if a request is waiting for etcd."""
        self._stopping.set()
        self._inbox.put((None, None))

    def resync(self) -> None:
        """Read all keys again."""
        self._inbox.put((None, None))

    def report(self) -> Report:
        """The current status."""
        with self._lock:
            return self._report

    def state(self) -> State:
        """A copy of the mirrored keys."""
        with self._lock:
            return self._mirror.state()

    def _run(self) -> None:
        backoff = Backoff(self._intervals.retry, self._intervals.retry_max)
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                self._follow()
                backoff.reset()
            except WatchEnded as exc:
                self._gap = True
                if time.monotonic() - started > _STABLE:
                    backoff.reset()
                    self._count_cut(exc)
                else:
                    self._tell(failure=str(exc))
                    self._pause(backoff.next())
            except Exception as exc:  # even unexpected ones: without this thread the mirror would never change again
                self._gap = True
                if time.monotonic() - started > _STABLE:
                    backoff.reset()
                self._tell(failure=str(exc) if isinstance(exc, EtcdError) else f"{type(exc).__name__}: {exc}")
                self._pause(backoff.next())

    def _follow(self) -> None:
        """Read all keys, then follow changes until there is a reason to read again. Raises EtcdError kinds."""
        state = read_state(self._client, self._selectors, self._layout)
        self._take(state)
        watchers: t.List[_Watcher] = []
        try:
            for selector in self._selectors:
                watch = self._client.watch(selector.key, selector.prefix, state.revision + 1)
                watchers.append(_Watcher(watch, selector, self._inbox))
            self._tell(failure="")
            self._pump(watchers)
        finally:
            for watcher in watchers:
                watcher.watch.close()

    def _pump(self, watchers: t.Sequence[_Watcher]) -> None:
        """Apply the events of the watches; returns when all keys must be read again. Raises EtcdError kinds."""
        resync_at = time.monotonic() + _spread(self._intervals.resync)
        heartbeat_at = time.monotonic() + _spread(self._intervals.heartbeat)
        doubtful = False
        while True:
            now = time.monotonic()
            if now >= resync_at:
                return
            if now >= heartbeat_at:
                difference = self._difference()
                if difference and doubtful:
                    self._warn(
                        f"The watch has missed a change, so all keys are read again: {difference}", "RC-E-MISSED-CHANGE"
                    )
                    return
                doubtful = bool(difference)
                pause = self._intervals.doubt if doubtful else _spread(self._intervals.heartbeat)
                heartbeat_at = time.monotonic() + pause
                continue
            for watcher, item in self._inbox.take(min(resync_at, heartbeat_at) - now):
                if watcher is None:
                    return
                if watcher not in watchers:
                    continue  # an event of an earlier round
                if isinstance(item, Batch):
                    self._apply(watcher.selector, item)
                elif item is not None:
                    raise item

    def _pause(self, seconds: float) -> None:
        """Wait before the next attempt, or until `stop` or `resync`."""
        end = time.monotonic() + seconds
        while not self._stopping.is_set() and time.monotonic() < end:
            for watcher, _item in self._inbox.take(end - time.monotonic()):
                if watcher is None:
                    return

    def _take(self, state: State) -> None:
        with self._lock:
            former, cluster = self._mirror.revision, self._mirror.cluster
            # A complete read without differences is not a change: consumers would publish a new revision for nothing.
            if self._gap or not self._mirror.holds(state):
                self._mirror.replace(state)
            self._gap = False
        if cluster not in ("", state.cluster):
            self._warn(
                f"etcd at {self._client.endpoint} belongs to another cluster than before (id {state.cluster}). Check "
                "the endpoints, unless you have replaced the cluster",
                "RC-E-OTHER-CLUSTER",
            )
        elif state.revision < former:
            self._warn(
                f"The revision of etcd at {self._client.endpoint} went back from {former} to {state.revision}. That "
                "happens if the cluster is restored from a backup",
                "RC-E-REVISION-WENT-BACK",
            )
        self._tell(changed=True)

    def _apply(self, selector: Selector, batch: Batch) -> None:
        if not batch.events:
            return
        with self._lock:
            changed = self._mirror.apply(selector, batch.events)
        if changed:
            self._tell(changed=True)

    def _difference(self) -> str:
        """The difference between etcd and the mirror, which may be an event in transit; "" if both are equal."""
        for selector in self._selectors:
            there, revision, cluster = read_pulse(self._client, selector)
            here = self._mirror.pulse(selector)
            if cluster != self._mirror.cluster or revision < self._mirror.revision:
                return f"etcd is at revision {revision} of cluster {cluster}"
            if here is not None and there != here:
                return (
                    f"under {selector.key} etcd has {there.count} keys, the newest of revision {there.newest}; the "
                    f"mirror has {here.count}, the newest of revision {here.newest}"
                )
        return ""

    def _count_cut(self, exc: WatchEnded) -> None:
        """Report only the first cut. The next round starts at once and reports failures of its own."""
        with self._lock:
            self._report = self._report._replace(cuts=self._report.cuts + 1)
            first = self._report.cuts == 1
        if first:
            self._inform(
                f"{exc}. All keys are read again, so no change is missed. If this recurs, a proxy or load balancer in "
                "front of etcd closes idle streams: raise its timeout. Further cuts are only counted, in watch_cuts"
            )

    def _tell(self, changed: bool = False, failure: t.Optional[str] = None) -> None:
        with self._lock:
            self._report = self._report._replace(
                serial=self._report.serial + changed,
                failure=self._report.failure if failure is None else failure,
                endpoint=self._client.endpoint,
            )
        self._wake()


def _spread(seconds: float) -> float:
    return jittered(seconds, 0.2)


class _Watcher:
    """A thread that forwards the batches of a watch, and finally the error that ended it."""

    def __init__(self, watch: Watch, selector: Selector, inbox: Inbox[_Item]) -> None:
        self.watch = watch
        self.selector = selector
        self._inbox = inbox
        threading.Thread(target=self._run, name=f"watch {selector.key}", daemon=True).start()

    def _run(self) -> None:
        try:
            for batch in self.watch:
                self._inbox.put((self, batch))
        except Exception as exc:
            self._inbox.put((self, exc))


if t.TYPE_CHECKING:
    _Item = t.Tuple[t.Optional[_Watcher], t.Union[None, Batch, Exception]]
