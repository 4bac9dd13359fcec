# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks: when they are looked at, and what their results come to. The clock is ours, the threads are real."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.checking import checks
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.checking.check_config import CheckConfig
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.checking.checks import (
    NOT_YET,
    CheckResult,
    Checks,
    Hysteresis,
)
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.checking.dwell import Writes
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.checking.probe import UNKNOWN, Result
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.model import Check
from tests.support.waiting import wait_for

PASSING, WARNING, CRITICAL = "passing", "warning", "critical"
AT_ONCE = Writes(dwell=0.0)


class Rig:
    """Checks with one check "web", whose results the test gives. `hang` makes its probe wait for `release`."""

    def __init__(self, last: Check | None = None, writes: Writes = AT_ONCE, **settings: object) -> None:
        self.result = Result(PASSING, "fine")
        self.hanging = False
        self.started = 0
        self.released = threading.Event()
        self.inbox: queue.SimpleQueue[CheckResult] = queue.SimpleQueue()
        self.now = 100.0
        self.config = self.configured(**settings)
        self.checks = Checks([self.config], {"web": last} if last else {}, self.inbox.put, self.now, writes)

    def configured(self, **settings: object) -> CheckConfig:
        defaults = {"name": "web", "service": "", "interval": 10.0, "timeout": 3.0, "rise": 2, "fall": 3}
        return CheckConfig(**{**defaults, **settings}, probe=self.probe)  # type: ignore[arg-type]  # of mixed types

    def probe(self, timeout: float) -> Result:
        self.started += 1
        if self.hanging:
            self.released.wait(10)
        return self.result

    @property
    def published(self) -> Check:
        return self.checks.published[0]

    def pass_time(self, seconds: float) -> None:
        """Do what is due in so many seconds, without results of probes."""
        end = self.now + seconds
        while self.checks.next_due() <= end:
            self.now = self.checks.next_due()
            self.checks.turn(self.now)
        self.now = end

    def look(self, status: str, output: str = "") -> bool:
        """One more look, with this result; True where what is published changed."""
        self.result = Result(status, output or status)
        told = False
        while not self.checks._watched["web"].waiting:
            self.now = max(self.now, self.checks.next_due())
            told |= self.checks.turn(self.now)
        return told | self.checks.take(self.inbox.get(timeout=5), self.now)

    def reconfigure(self, *configs: CheckConfig) -> None:
        """Take another configuration."""
        self.checks.configure(configs, self.now, AT_ONCE)


@pytest.fixture
def hanging() -> Iterator[Rig]:
    rig = Rig()
    rig.hanging = True
    yield rig
    rig.released.set()


def fed(results: str, status: str = PASSING, fresh: bool = False, rise: int = 2, fall: int = 3) -> str:
    """The statuses after each of `results`, by their first letters."""
    counted = Hysteresis(status, fresh, rise, fall)
    names = {name[0]: name for name in (PASSING, WARNING, CRITICAL)}
    seen = ""
    for letter in results:
        counted.feed(names[letter])
        seen += counted.status[0]
    return seen


def test_a_status_gets_worse_after_fall_results_in_a_row_and_better_after_rise() -> None:
    assert fed("ccc") == "ppc"
    assert fed("ccpccc") == "pppppc"
    assert fed("pp", CRITICAL) == "cp"
    assert fed("pcpp", CRITICAL) == "cccp"


def test_results_in_one_direction_count_together() -> None:
    assert fed("wcw") == "ppw", "the last one decides how bad it is"
    assert fed("wp", CRITICAL) == "cp"
    assert fed("cpcp", WARNING) == "wwww", "up and down in turn is neither"


def test_a_first_result_decides_at_once_only_if_it_is_passing() -> None:
    assert fed("p", CRITICAL, fresh=True) == "p"
    assert fed("w", CRITICAL, fresh=True) == "c"
    assert fed("p", CRITICAL, fresh=False) == "c"


def test_a_check_is_critical_until_it_first_passes() -> None:
    rig = Rig()
    assert (rig.published.status, rig.published.output, rig.checks.health) == (CRITICAL, NOT_YET, CRITICAL)
    assert rig.look(PASSING, "HTTP 200")
    assert (rig.published.status, rig.published.output) == (PASSING, "HTTP 200")


def test_nobody_is_told_of_a_check_that_joins_a_registered_host_before_it_has_a_result() -> None:
    rig = Rig(last=Check("web", PASSING, "HTTP 200", since=7))
    started = Checks([rig.config], {}, rig.inbox.put, rig.now, AT_ONCE, registered=True)
    rig.checks.configure([rig.config, rig.configured(name="db")], rig.now, AT_ONCE)
    for joined, others in ((started, []), (rig.checks, ["web"])):
        assert ([check.name for check in joined.published], joined.health) == (others, PASSING)
        assert joined.known[-1].output == NOT_YET, "the host's own operator sees it"
        joined.turn(rig.now + 2)
        names = set()
        while len(names) < len(joined.known):
            outcome = rig.inbox.get(timeout=10)
            names.add(outcome.name)
            joined.take(outcome, rig.now + 2)
        assert joined.published == joined.known


def test_a_first_failure_is_told_in_its_own_words() -> None:
    rig = Rig()
    assert rig.look(CRITICAL, "connection refused")
    assert (rig.published.status, rig.published.output) == (CRITICAL, "connection refused")
    assert not rig.look(CRITICAL, "HTTP 503"), "no status changed, so nothing is to be written"


def test_a_restart_goes_on_from_the_last_status() -> None:
    rig = Rig(last=Check("web", PASSING, "HTTP 200", since=7))
    assert [rig.look(CRITICAL) for _ in range(3)] == [False, False, True]


def test_another_setting_keeps_the_status() -> None:
    rig = Rig()
    rig.look(PASSING)
    rig.reconfigure(rig.configured(interval=5.0, service="web"))
    assert (rig.published.status, rig.published.service) == (PASSING, "web")
    assert rig.look(PASSING, "of the other setting"), "its words are told"
    assert rig.published.output == "of the other setting"
    assert not rig.look(PASSING, "and no more of them")
    rig.reconfigure()
    assert rig.checks.published == ()
    assert rig.checks.health == PASSING


def test_another_setting_is_looked_at_anew_and_what_is_under_way_counts_for_nothing(hanging: Rig) -> None:
    hanging.hanging = False
    hanging.look(PASSING)
    hanging.hanging = True
    hanging.result = Result(CRITICAL, "of the former setting")
    hanging.pass_time(11)
    hanging.reconfigure(hanging.configured(timeout=60.0, interval=1000.0, rise=1, fall=1))
    hanging.hanging = False
    hanging.now += 1
    hanging.result = Result(PASSING, "of this setting")
    assert not hanging.checks.turn(hanging.now), "the former look is no hang of this setting"
    assert hanging.checks.take(hanging.inbox.get(timeout=5), hanging.now)
    assert (hanging.published.status, hanging.published.output) == (PASSING, "of this setting")
    hanging.released.set()
    assert not hanging.checks.take(hanging.inbox.get(timeout=5), hanging.now)
    assert hanging.published.status == PASSING


def test_a_result_of_a_check_that_is_gone_is_ignored() -> None:
    rig = Rig()
    rig.result = Result(CRITICAL, "of the one that is gone")
    rig.checks.turn(rig.now + 1)
    rig.reconfigure()
    late = rig.inbox.get(timeout=5)
    assert not rig.checks.take(late, rig.now)
    rig.reconfigure(rig.configured(initial=PASSING, fall=1))
    rig.result = Result(PASSING, "of another one with its name")
    rig.checks.turn(rig.now + 1)
    assert not rig.checks.take(late, rig.now + 1)
    assert rig.checks.take(rig.inbox.get(timeout=5), rig.now + 1)
    assert (rig.published.status, rig.published.output) == (PASSING, "of another one with its name")


def test_other_writes_hold_for_the_checks_that_stay() -> None:
    rig = Rig(writes=Writes(dwell=300.0), rise=1, fall=1)
    rig.look(PASSING)
    assert not rig.look(CRITICAL), "it is held back"
    rig.checks.configure([rig.config], rig.now, AT_ONCE)
    assert rig.checks.turn(rig.now)
    assert rig.published.status == CRITICAL


def test_looks_are_spread_by_a_tenth_of_the_interval() -> None:
    rig = Rig(interval=10.0)
    times = []
    for _ in range(20):
        rig.look(PASSING)
        times.append(rig.now)
    gaps = [after - before for before, after in zip(times, times[1:], strict=False)]
    assert 100 <= times[0] <= 101
    assert all(9 <= gap <= 11 for gap in gaps)
    assert len(set(gaps)) > 10


def test_a_hanging_probe_fails_again_and_again_with_one_thread(hanging: Rig) -> None:
    hanging.reconfigure(hanging.configured(fall=3))
    hanging.checks.turn(hanging.now + 1)
    begun = hanging.now = hanging.now + 1
    assert not hanging.checks.turn(begun + 3.4), "it has its timeout and a little more"
    assert hanging.checks.turn(begun + 3.5)
    assert hanging.published.output == "no result within 3 s"
    hanging.pass_time(60)
    assert hanging.started == 1
    hanging.released.set()
    late = hanging.inbox.get(timeout=5)
    assert not hanging.checks.take(late, hanging.now), "too late to count"
    hanging.hanging = False
    hanging.look(PASSING)
    assert hanging.started == 2


def test_a_result_that_waits_to_be_taken_is_no_hang() -> None:
    """The loop may be held up by an etcd that does not answer, for longer than a check has."""
    rig = Rig(last=Check("web", PASSING, "HTTP 200"), timeout=3.0, rise=1, fall=1)
    rig.now = rig.checks.next_due()
    rig.checks.turn(rig.now)
    wait_for(lambda: not rig.inbox.empty(), "the result")
    rig.now += 25.0
    assert not rig.checks.turn(rig.now)
    rig.checks.take(rig.inbox.get(timeout=5), rig.now)
    assert rig.published.status == PASSING
    assert (rig.look(PASSING), rig.started) == (False, 2), "and the next look comes as ever"


def test_a_probe_that_cannot_be_started_says_nothing_about_the_service(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_thread(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    rig = Rig(last=Check("web", PASSING, "HTTP 200"), fall=2)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_thread)
        rig.pass_time(25)
    assert rig.published.status == PASSING
    said = "Cannot carry out checks, so that their last status stands: can't start new thread [RC-E-SHORTAGE]\n"
    assert capsys.readouterr().err == said, "told once"
    rig.look(CRITICAL)
    rig.look(CRITICAL)
    assert rig.published.status == CRITICAL, "as soon as there are threads again"


def test_a_hanging_probe_turns_a_passing_check_critical_after_fall_intervals(hanging: Rig) -> None:
    hanging.hanging = False
    hanging.look(PASSING)
    hanging.hanging = True
    begun = hanging.now
    while hanging.published.status == PASSING:
        hanging.now = hanging.checks.next_due()
        hanging.checks.turn(hanging.now)
    assert 3 * 9 <= hanging.now - begun <= 3 * 11


def test_a_probe_that_breaks_is_a_failure_with_a_reason() -> None:
    rig = Rig()

    def broken(timeout: float) -> Result:
        raise KeyError("bug")

    rig.reconfigure(rig.config._replace(probe=broken))
    rig.checks.turn(rig.now + 1)
    assert rig.checks.take(rig.inbox.get(timeout=5), rig.now)
    assert rig.published.output == "the check itself failed: KeyError: 'bug'"


def test_a_result_is_no_worse_than_the_severity() -> None:
    rig = Rig(severity=WARNING, fall=1)
    rig.look(PASSING)
    rig.look(CRITICAL, "disk full")
    assert (rig.published.status, rig.published.output) == (WARNING, "disk full")


def test_the_status_before_the_first_result_is_the_initial_one() -> None:
    rig = Rig(initial=PASSING, fall=2)
    assert (rig.published.status, rig.checks.health) == (PASSING, PASSING)
    assert rig.look(CRITICAL, "refused"), "its words are told"
    assert (rig.published.status, rig.published.output) == (PASSING, "refused")
    rig.look(CRITICAL)
    assert rig.published.status == CRITICAL


def test_where_nothing_is_learned_the_status_stays() -> None:
    rig = Rig(rise=1, fall=1)
    assert rig.look(UNKNOWN, "etcd is away")
    assert (rig.published.status, rig.published.output) == (CRITICAL, "etcd is away")
    rig.look(PASSING)
    assert not any(rig.look(UNKNOWN) for _ in range(5))
    assert rig.published.status == PASSING


def test_a_status_stands_for_its_dwell_and_the_last_word_is_told_then() -> None:
    rig = Rig(writes=Writes(dwell=30.0), rise=1, fall=1, interval=1.0)
    rig.look(PASSING)
    told = rig.now
    for status in (CRITICAL, PASSING, CRITICAL):
        assert not rig.look(status, f"{status} at last")
    assert rig.published.status == PASSING
    while rig.published.status == PASSING:
        rig.look(CRITICAL, "still")
    assert told + 30 <= rig.now < told + 32
    assert rig.published.output == "critical at last", "in the words of the result that decided"


def test_what_was_held_back_is_told_between_two_looks() -> None:
    rig = Rig(writes=Writes(dwell=70.0), rise=1, fall=1, interval=60.0)
    rig.look(PASSING)
    told = rig.now
    assert not rig.look(CRITICAL)
    assert rig.checks.next_due() == pytest.approx(told + 70)
    assert rig.checks.turn(rig.checks.next_due())
    assert rig.published.status == CRITICAL


def test_three_quick_changes_are_flapping_and_calm_ends_it() -> None:
    rig = Rig(writes=Writes(dwell=1.0, dwell_max=8.0), rise=1, fall=1, interval=1.0)
    seen = []
    for number in range(60):
        changed = rig.published
        rig.look((CRITICAL, PASSING)[number % 2])
        if rig.published.status != changed.status:
            seen.append((rig.now, rig.published.flapping))
    assert [flapping for _when, flapping in seen[:4]] == [False, False, True, True]
    gaps = [after[0] - before[0] for before, after in zip(seen, seen[1:], strict=False)]
    assert all(gap >= 8 - 1.1 for gap in gaps[4:]), "doubled up to dwell_max; a look later is when it is seen"
    status = rig.published.status
    begun = rig.now
    while rig.published.flapping:
        rig.look(status)
    assert rig.now - begun < 18, "twice the dwell of 8 s, since the last change"
    assert "flapping" not in rig.published.document()


def test_a_check_that_is_critical_for_long_takes_its_service_out_until_it_is_not() -> None:
    rig = Rig(service="web", deregister_after=100.0, rise=1, fall=1, interval=60.0)
    rig.look(PASSING)
    rig.look(CRITICAL)
    begun = rig.now
    assert rig.checks.removed == frozenset()
    while rig.checks.next_due() < begun + 100:
        rig.look(CRITICAL)
    assert rig.checks.next_due() == pytest.approx(begun + 100)
    assert rig.checks.turn(begun + 100), "news for the registry"
    assert rig.checks.removed == {"web"}
    rig.now = begun + 101
    assert rig.look(PASSING)
    assert rig.checks.removed == frozenset()


def test_a_restart_remembers_since_when_a_check_is_critical() -> None:
    last = Check("web", CRITICAL, "refused", since=int(time.time()) - 90)
    assert Rig(last=last, deregister_after=60.0).checks.removed == {""}
    assert Rig(last=last, deregister_after=600.0).checks.removed == frozenset()


def test_a_clock_that_jumps_removes_nothing_at_a_reload(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(deregister_after=600.0)
    rig.look(CRITICAL)
    jumped = time.time() + 86400
    monkeypatch.setattr(checks.time, "time", lambda: jumped)
    rig.reconfigure(rig.configured(deregister_after=700.0))
    assert rig.checks.removed == frozenset()
    rig.look(CRITICAL)
    rig.pass_time(700)
    assert rig.checks.removed == {""}


def test_output_is_one_short_line() -> None:
    rig = Rig()
    rig.look(CRITICAL, "first\n\x1b[31msecond\t\r\n" + "x" * 5000)
    assert rig.published.output.startswith("first [31msecond xxx")
    assert len(rig.published.output) == 200


def test_health_is_the_worst_of_all() -> None:
    rig = Rig()
    last = {"a": Check("a", PASSING), "b": Check("b", WARNING)}
    configs = [rig.config._replace(name="a"), rig.config._replace(name="b", service="web")]
    assert Checks(configs, last, rig.inbox.put, 0.0, AT_ONCE).health == WARNING
    assert Checks([], {}, rig.inbox.put, 0.0, AT_ONCE).health == PASSING
