# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`rollcall register` with checks that hang, flood, flap or cannot be run: each happens to a real process."""

from __future__ import annotations

import ctypes
import http.server
import json
import os
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.support.real_etcd import Cluster
from tests.support.registrant import KEYS, Changes, Json, Registrant, Server, leases, values, wait_for

Register = Callable[..., Registrant]


def test_a_hanging_check_delays_no_keepalive(etcd: Cluster, register: Register, server: Server) -> None:
    server.open()
    url = f"http://127.0.0.1:{server.port}/"
    hanging = {"type": "http", "url": url, "timeout": 60, "interval": 0.2}
    agent = register(etcd, ttl=2, checks={f"hanging{number}": hanging for number in range(3)})
    agent.start()
    lease = agent.wait_phase("registered")["lease"]
    agent.wait_count("keepalives", 6)
    assert leases(etcd) == {lease}
    assert agent.end() == 0, "and none delays the end"


def test_a_check_that_joins_and_hangs_delays_no_news_of_the_others(
    etcd: Cluster, register: Register, server: Server, tmp_path: Path
) -> None:
    served = Server()
    served.open()
    server.open()
    good = served.check(rise=1, fall=1)
    agent = register(etcd, checks={"good": good}, writes={"dwell": 0, "burst": 100})
    agent.start()
    agent.wait_phase("registered")
    wait_for(lambda: check(etcd, "good")["status"] == "passing", "the check to pass")
    joining = {"type": "http", "url": f"http://127.0.0.1:{server.port}/", "timeout": 60}
    agent.configure(checks={"good": good, "joining": joining})
    agent.send(signal.SIGHUP)
    wait_for(lambda: "joining" in agent.status["checks"], "the check to join")
    assert values(etcd)["health"] == "passing", "nothing is known of it"
    served.close()
    wait_for(lambda: values(etcd)["health"] == "critical", "the news of the other", within=5)
    assert "checks/joining" not in values(etcd)


def test_a_slow_pattern_delays_no_keepalive(etcd: Cluster, register: Register, tmp_path: Path) -> None:
    with blanks() as url:
        slow = {"type": "http", "url": url, "matches": '\\s+"ok"', "timeout": 60, "interval": 0.2, "rise": 1, "fall": 1}
        agent = register(etcd, ttl=3, checks={"slow": slow})
        watch_over(agent, tmp_path / "notify", 2)
    assert "the first 4 KiB of its body do not match" in check(etcd, "slow")["output"]
    assert agent.status["counts"]["leases_lost"] == 0


def test_a_program_on_a_disk_that_hangs_delays_no_keepalive(etcd: Cluster, register: Register, tmp_path: Path) -> None:
    program = tmp_path / "check"
    shutil.copy("/bin/true", program)
    hanging = {"type": "script", "command": [str(program)], "timeout": 1, "interval": 0.2, "rise": 1, "fall": 1}
    agent = register(etcd, ttl=3, checks={"hanging": hanging}, writes={"dwell": 0})
    with opening_hangs(program):
        watch_over(agent, tmp_path / "notify", 2)
        wait_for(lambda: check(etcd, "hanging").get("output", "").startswith("killed after 1 s"), "the hang to be told")
    wait_for(lambda: check(etcd, "hanging")["status"] == "passing", "the check to pass when the disk is back")
    assert agent.status["counts"]["leases_lost"] == 0


def test_an_etcd_that_hangs_makes_no_slow_check_critical(etcd: Cluster, register: Register) -> None:
    """The agent waits for etcd longer than for the check, whose result comes meanwhile."""
    slow = {"type": "script", "command": "sleep 0.5", "timeout": 2, "interval": 0.1, "rise": 1, "fall": 1}
    agent = register(etcd, ttl=24, checks={"slow": slow}, writes={"dwell": 0})
    agent.start()
    agent.wait_phase("registered")
    wait_for(lambda: check(etcd, "slow").get("status") == "passing", "the check to pass")
    etcd.members[0].freeze()
    agent.wait_phase("waiting")
    wait_for(lambda: agent.status["counts"]["failures"] >= 2, "two requests to time out")
    etcd.members[0].thaw()
    agent.wait_phase("registered")
    assert agent.status["counts"]["writes_suppressed"] == 0
    assert check(etcd, "slow")["status"] == "passing"


def test_a_flapping_check_costs_a_bounded_number_of_writes(
    etcd: Cluster, register: Register, server: Server, changes: Changes
) -> None:
    check = server.check(interval=0.1, rise=1, fall=1)
    agent = register(etcd, self_check=60, checks={"port": check}, writes={"dwell": 0})
    agent.start()
    agent.wait_phase("registered")
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        server.open()
        time.sleep(0.2)
        server.close()
        time.sleep(0.2)
    written = {revision for _kind, key, _value, revision in changes.until_now() if key == KEYS + "checks/port"}
    assert 3 <= len(written) <= 1 + 3 + 1, "the claim, the burst, and one of six a minute"
    server.open()
    wait_for(lambda: values(etcd)["health"] == "passing", "the last word to be told at last", within=20)


def test_a_flapping_check_is_told_less_and_less_often_and_said_to_flap(
    etcd: Cluster, register: Register, changes: Changes, tmp_path: Path
) -> None:
    turn_by_turn = f"cd {tmp_path}; test -e calm && exit 0; rm on 2>/dev/null || {{ >on; exit 2; }}"
    flapping = {"type": "script", "command": turn_by_turn, "interval": 0.1, "timeout": 5, "rise": 1, "fall": 1}
    writes = {"per_minute": 6000, "burst": 100, "dwell": 0.2, "dwell_max": 0.8}
    agent = register(etcd, self_check=60, checks={"script": flapping}, writes=writes)
    agent.start()
    agent.wait_phase("registered")
    wait_for(lambda: check(etcd, "script").get("flapping"), "the flapping to be told")
    agent.wait_count("writes", 6)
    statuses = [json.loads(value) for kind, key, value, _rev in changes.until_now() if key == KEYS + "checks/script"]
    gaps = [after["since"] - before["since"] for before, after in zip(statuses, statuses[1:], strict=False)]
    assert sum(gaps[-6:]) >= 3, "the last six changes are 0.8 s apart, in whole seconds"
    (tmp_path / "calm").touch()
    wait_for(lambda: check(etcd, "script") and "flapping" not in check(etcd, "script"), "the flapping to be over")
    assert check(etcd, "script")["status"] == values(etcd)["health"] == "passing"


def test_a_script_that_hangs_or_floods_costs_neither_memory_nor_keepalives(
    etcd: Cluster, register: Register, tmp_path: Path
) -> None:
    usual = {"type": "script", "interval": 0.2, "timeout": 0.5, "fall": 1}
    checks = {
        "fine": {**usual, "command": ["/bin/echo", "all is well"], "timeout": 5},
        "flood": {**usual, "command": "yes 'so much to say'"},
        "hang": {**usual, "command": f"echo $$ >> {tmp_path}/pids; sleep 1000 & echo $! >> {tmp_path}/pids; wait"},
        "lines": {**usual, "command": "printf 'one\\ntwo\\33[31m\\n'; exit 1", "timeout": 5},
        "none": {**usual, "command": ["/nowhere/check"]},
    }
    agent = register(etcd, ttl=3, checks=checks, writes={"dwell": 0, "burst": 100})
    agent.start()
    lease = agent.wait_phase("registered")["lease"]
    outputs = {
        "fine": ("passing", "all is well"),
        "hang": ("critical", "killed after 0.5 s:"),
        "lines": ("warning", "one two [31m"),
        "none": ("critical", "rollcall: 1: exec: /nowhere/check: not found"),
    }
    for name, wanted in outputs.items():
        wait_for(partial(says, etcd, name, wanted), f"{name}: {wanted}")
    wait_for(lambda: check(etcd, "flood")["output"].startswith("killed after 0.5 s: so much to say"), "the flood")
    assert len(check(etcd, "flood")["output"]) == 200
    before = resident(agent)
    agent.wait_count("keepalives", 4)
    assert resident(agent) - before < 2_000, "kB"
    assert leases(etcd) == {lease}
    assert agent.end() == 0
    alive = [pid for pid in (tmp_path / "pids").read_text().split()[:-2] if is_alive(pid)]
    assert not alive, "all but those of the last look are killed, with what they had started"


def test_a_timeout_longer_than_the_interval_is_given_its_time(etcd: Cluster, register: Register) -> None:
    slow = {"type": "script", "command": "sleep 1; echo done", "interval": 0.2, "timeout": 5, "rise": 1}
    agent = register(etcd, checks={"slow": slow})
    agent.start()
    agent.wait_phase("registered")
    wait_for(lambda: check(etcd, "slow").get("output") == "done", "the slow check to pass")
    assert values(etcd)["health"] == "passing"


def watch_over(agent: Registrant, address: Path, seconds: float) -> None:
    """Start the agent, and see it keep its lease alive three times, and tell so often enough for a watchdog."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(address))
        manager.settimeout(seconds)
        agent.start(NOTIFY_SOCKET=str(address), WATCHDOG_USEC=str(int(seconds * 1e6)))
        while agent.status["counts"].get("keepalives", 0) < 3:
            manager.recv(65536)


@contextmanager
def blanks() -> Iterator[str]:
    """The URL of a server that answers with 60 KB of blanks."""

    class Blanks(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b" " * 60_000)

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Blanks) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@contextmanager
def opening_hangs(program: Path) -> Iterator[None]:
    """Let whoever wants to run `program` wait, as on a disk or server that is gone; needs root. See fanotify(7)."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.fanotify_init(0x4, os.O_RDONLY)  # FAN_CLASS_CONTENT
    try:
        mask = ctypes.c_uint64(0x40000)  # FAN_OPEN_EXEC_PERM: nobody gives that permission, until all is closed
        assert libc.fanotify_mark(descriptor, 1, mask, -100, os.fsencode(program)) == 0, os.strerror(ctypes.get_errno())
        yield
    finally:
        os.close(descriptor)


def check(etcd: Cluster, name: str) -> Json:
    """The document of a check; empty where there is none."""
    found: Json = json.loads(values(etcd).get(f"checks/{name}", "{}"))
    return found


def says(etcd: Cluster, name: str, wanted: tuple[str, str]) -> bool:
    """Whether a check has this status and output."""
    found = check(etcd, name)
    return (found.get("status"), found.get("output")) == wanted


def resident(agent: Registrant) -> int:
    """Resident memory in kB."""
    assert agent.process is not None
    status = Path(f"/proc/{agent.process.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


def is_alive(pid: str) -> bool:
    """Whether the process runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except FileNotFoundError:
        return False


def test_checks_inherit_nothing_from_whoever_started_the_agent(
    etcd: Cluster, register: Register, tmp_path: Path
) -> None:
    """No open file, no signal that is ignored or blocked; and the exit status of a check is known."""
    careless = (
        "import os, signal, sys\n"
        "os.dup2(0, 9, inheritable=True)\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\n"
        "for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:\n"
        "    signal.signal(number, signal.SIG_IGN)\n"
        "os.execvp(sys.argv[1], sys.argv[1:])\n"
    )
    show = f"ls /proc/self/fd > {tmp_path}/files; grep -E 'Sig(Blk|Ign)' /proc/self/status > {tmp_path}/signals; exit 1"
    script = {"type": "script", "command": show, "interval": 0.2, "rise": 1, "fall": 1}
    agent = register(etcd, within=[sys.executable, "-c", careless], checks={"script": script}, writes={"dwell": 0})
    agent.start()
    agent.wait_phase("registered")
    wait_for(lambda: check(etcd, "script").get("output") == "exit status 1", "the exit status to be told")
    assert check(etcd, "script")["status"] == "warning"
    assert set((tmp_path / "files").read_text().split()) <= {"0", "1", "2", "3"}  # 3 is the list that ls reads
    masks = (tmp_path / "signals").read_text().split()[1::2]
    ours = sum(1 << number - 1 for number in signal.valid_signals())  # posix_spawn(3) ignores two of glibc's own
    assert [int(mask, 16) & ours for mask in masks] == [0, 0]
    assert agent.end() == 0, "it heeds SIGTERM"


def test_programs_of_checks_end_with_the_agent(etcd: Cluster, register: Register, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    slow = f"echo $$ >> {pids}; (setsid sh -c 'echo $$ >> {pids}; sleep 9003' &); sleep 9003"
    agent = register(etcd, checks={"slow": {"type": "script", "command": slow, "timeout": 300}})
    agent.start()
    agent.wait_phase("registered")
    wait_for(lambda: pids.exists() and len(pids.read_text().split()) == 2, "the check to run")
    assert agent.end() == 0
    assert [pid for pid in pids.read_text().split() if Path(f"/proc/{pid}").exists()] == []
