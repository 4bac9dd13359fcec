# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Following keys of etcd: a mirror that is never silently behind.

Internal to the collection: no promise is made to other users of this file.

One thread reads everything at one revision and watches from the next, with one more thread for each watch. It reads
again when a watch ends or misses something, and every few minutes anyway. An open watch is no proof of life (one on a
member that is cut off stays open), so a linearizable read compares the mirror with etcd every half minute.
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

_STABLE = 5.0  # a round that lasted as many seconds was a success, so the next failure is a new one


@dataclasses.dataclass(frozen=True)
class Intervals:
    """Seconds. `heartbeat` and `resync` are spread by 20 %; `doubt` is how long a difference may last before it counts;
    after a failure the next attempt comes after `retry`, then twice that, up to `retry_max`."""

    heartbeat: float = 30.0
    doubt: float = 10.0
    resync: float = 300.0
    retry: float = 0.2
    retry_max: float = 15.0


class Report(t.NamedTuple):
    """How following goes. `serial` grows with every change and every complete read; 0: nothing was read yet.

    `failure` is "" while the watches are open, else what stands in the way. `cuts` counts the watches that were open
    for a while, and were cut off: what a proxy does to streams without traffic.
    """

    serial: int
    failure: str
    endpoint: str
    cuts: int = 0


class Follower:
    """Keeps the keys of `selectors` mirrored in a thread of its own; calls `wake` after each change and each failure.

    `inform` takes a sentence for the log or the terminal of the caller, `warn` a sentence and the id of the message.
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
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """End it; returns at once, also where etcd keeps a request waiting."""
        self._stopping.set()
        self._inbox.put((None, None))

    def resync(self) -> None:
        """Read everything again."""
        self._inbox.put((None, None))

    def report(self) -> Report:
        """How it goes."""
        with self._lock:
            return self._report

    def state(self) -> State:
        """A copy of the keys as they are known now."""
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
            except Exception as exc:  # also what nobody foresaw: without this thread nothing would ever change again
                self._gap = True
                if time.monotonic() - started > _STABLE:
                    backoff.reset()
                self._tell(failure=str(exc) if isinstance(exc, EtcdError) else f"{type(exc).__name__}: {exc}")
                self._pause(backoff.next())

    def _follow(self) -> None:
        """Read everything, then follow it until there is a reason to read again. Raises EtcdError kinds."""
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
        """Apply what the watches bring; returns when everything is to be read again. Raises EtcdError kinds."""
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
                    self._warn(f"the watch has missed a change, reading again: {difference}", "RC-E-MISSED-CHANGE")
                    return
                doubtful = bool(difference)
                pause = self._intervals.doubt if doubtful else _spread(self._intervals.heartbeat)
                heartbeat_at = time.monotonic() + pause
                continue
            for watcher, item in self._inbox.take(min(resync_at, heartbeat_at) - now):
                if watcher is None:
                    return
                if watcher not in watchers:
                    continue  # of a round that is over
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
            # Reading everything again is no change: the revision is published, and would be written for nothing.
            if self._gap or not self._mirror.holds(state):
                self._mirror.replace(state)
            self._gap = False
        if cluster not in ("", state.cluster):
            self._warn(
                f"etcd at {self._client.endpoint} is another cluster than before (id {state.cluster})",
                "RC-E-OTHER-CLUSTER",
            )
        elif state.revision < former:
            self._warn(
                f"etcd's revision went back from {former} to {state.revision}: restored from a backup?",
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
        """Where etcd is not as the mirror is, which may be an event on its way; "" where all is the same."""
        for selector in self._selectors:
            there, revision, cluster = read_pulse(self._client, selector)
            here = self._mirror.pulse(selector)
            if cluster != self._mirror.cluster or revision < self._mirror.revision:
                return f"etcd is at revision {revision} of cluster {cluster}"
            if here is not None and there != here:
                return f"under {selector.key} etcd has {there}, the mirror {here}"
        return ""

    def _count_cut(self, exc: WatchEnded) -> None:
        """Only the first one is told: the next round begins at once, and tells a failure of its own."""
        with self._lock:
            self._report = self._report._replace(cuts=self._report.cuts + 1)
            first = self._report.cuts == 1
        if first:
            self._inform(
                f"{exc}. Everything is read again, and nothing is missed. If this recurs, a proxy or balancer in front "
                "of etcd ends streams without traffic: raise its timeout. Later cuts are only counted, as watch_cuts"
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
    """A thread that hands on what a watch brings, and at last the error that ended it."""

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
