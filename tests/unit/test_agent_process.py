# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What surrounds the agent: systemd's notifications and jobs, the files of /run, the command line."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.cli import COMMANDS, main
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.host import log, systemd
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.host.systemd import Notifier
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.registering.run_directory import (
    Memory,
    Place,
    RunDirectory,
)
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import RollcallError
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.layout import Identity, Layout
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.model import Check
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.registration import Holder

UNIT = "rollcall-register.service"


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool) -> None:
    name = f"@rollcall-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name[1:] if abstract else name)
        manager.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        monkeypatch.setenv("WATCHDOG_USEC", "3000000")
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
        notifier = Notifier()
        assert notifier.watchdog == 3
        notifier.ready()
        notifier.status("one\nline")
        notifier.status("one line")  # said already
        notifier.status("x" * 100_000)  # of which systemd would get nothing at all
        notifier.alive()
        notifier.reloading()
        notifier.stopping()
        said = [manager.recv(4096).decode() for _ in range(6)]
    assert said[:4] == ["READY=1", "STATUS=one line", f"STATUS={'x' * 1000}", "WATCHDOG=1"]
    assert said[4].startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert said[5] == "STOPPING=1"


@pytest.mark.parametrize("socket_path", [None, "/nowhere/notify"])
def test_without_a_listening_systemd_work_goes_on(monkeypatch: pytest.MonkeyPatch, socket_path: str | None) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    if socket_path:
        monkeypatch.setenv("NOTIFY_SOCKET", socket_path)
    notifier = Notifier()
    notifier.ready()
    notifier.alive()
    assert notifier.watchdog == 0


def test_a_watchdog_for_another_process_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert Notifier().watchdog == 0


def test_foreign_text_does_no_harm_on_its_way_to_the_operator(capsys: pytest.CaptureFixture[str]) -> None:
    holder = Holder("\033[2J" + "x" * 400_000, "of\nme", "", "1.0", 7)
    log.warning(f"held by {holder}\033[0m", "RC-E-DUPLICATE")
    said = capsys.readouterr().err
    assert len(said) < 250
    assert "\033" not in said
    assert "id of\\nme, agent 1.0, lease 7" in said


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a systemctl on the path that does as the given lines of shell say; we are run as UNIT."""
    monkeypatch.setattr(systemd, "own_unit", lambda: UNIT)
    monkeypatch.setattr(systemd, "_JOBS_TIMEOUT", 0.5)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    def install(lines: str) -> None:
        script = tmp_path / "systemctl"
        script.write_text(f"#!/bin/sh\n{lines}\n")
        script.chmod(0o755)

    return install


@pytest.mark.parametrize(
    ("jobs", "why"),
    [
        (f"91 {UNIT} stop running", systemd.STOP),
        (f"90 other.service stop waiting\n91 {UNIT} restart running", systemd.RESTART),
        ("90 other.service stop running", systemd.RESTART),
        ("No jobs running.", systemd.RESTART),
        ("", systemd.RESTART),
    ],
)
def test_the_units_job_tells_a_stop_from_a_restart(systemctl: Callable[[str], None], jobs: str, why: str) -> None:
    systemctl(f"printf '%s\\n' '{jobs}'")
    assert systemd.why_ended() == why


@pytest.mark.parametrize("lines", ["exit 1", "sleep 5"])
def test_no_answer_is_taken_for_a_stop(systemctl: Callable[[str], None], lines: str) -> None:
    systemctl(lines)
    assert systemd.why_ended() == systemd.STOP


def test_a_process_that_systemd_did_not_start_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INVOCATION_ID", raising=False)
    assert systemd.own_unit() == ""
    assert systemd.why_ended() == systemd.STOP


MEMORY = Memory(
    instance="0123",
    lease=0x694D81,
    ttl=30,
    place=Place.of(Layout(), [Identity("", "web", "web1"), Identity("", "api", "web1")]),
    checks=(Check("ssh", "passing", "fine", 7), Check("web", "critical", "HTTP 503", 8, "web")),
)


def test_the_next_process_knows_what_this_one_knew(tmp_path: Path) -> None:
    files = RunDirectory(str(tmp_path / "run"))
    assert files.recall().lease == 0
    files.remember(MEMORY)
    files.flush(5)
    assert files.recall() == MEMORY
    assert MEMORY.place is not None
    layout, names = MEMORY.place.keys()
    assert [layout.directory(who) for who in names] == ["/infrastructure/web/web1/", "/infrastructure/api/web1/"]
    files.forget()
    files.forget()
    files.flush(5)
    assert files.recall().instance not in ("", MEMORY.instance)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"lease": "xyz"}', json.dumps({**MEMORY.document(), "place": 1})])
def test_a_spoilt_memory_is_a_new_life(tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "register.json").write_text(content)
    assert RunDirectory(str(tmp_path)).recall().lease == 0
    assert f"Starting anew: {tmp_path}/register.json cannot be used" in capsys.readouterr().err


def test_one_agent_at_a_time(tmp_path: Path) -> None:
    RunDirectory(str(tmp_path))  # its lock is held as long as the process lives
    with pytest.raises(RollcallError, match=f"Another rollcall register runs on this host: it holds {tmp_path}"):
        RunDirectory(str(tmp_path))


def test_a_directory_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RollcallError, match="Cannot use the directory"):
        RunDirectory(str(tmp_path / "file" / "run"))


def test_the_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for arguments in (["--help"], ["--version"], ["register", "--help"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0
    helped = capsys.readouterr().out
    assert all(name in helped for name in COMMANDS)
    assert "rollcall dev" in helped
    with pytest.raises(SystemExit) as ended:
        main(["nosuch"])
    assert ended.value.code == 2
    assert main(["register", "--config", "/nowhere.json", "--run-dir", str(tmp_path)]) == os.EX_CONFIG
    assert capsys.readouterr().err.endswith(
        "rollcall: Cannot read the configuration /nowhere.json: No such file or directory [RC-E-CONFIG]\n"
    )


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_openssl_is_loaded_only_where_something_is_encrypted(scheme: str, tmp_path: Path) -> None:
    """The agent runs on every node for ever: OpenSSL would be a fifth of its memory."""
    utils = Path(systemd.__file__).parents[2]
    (tmp_path / "rollcall").symlink_to(utils)
    program = f"""
from rollcall._agent.host.without_openssl import leave_out_openssl
leave_out_openssl()
import sys, rollcall._agent.cli, rollcall._agent.commands.register
from rollcall._etcd.client import Client
from rollcall._etcd.errors import Unreachable
from rollcall._etcd.settings import Settings
from rollcall._registry.machine import machine_identity
machine_identity()
try:
    Client(Settings.from_mapping({{"endpoints": "{scheme}://127.0.0.1:1"}})).get("/x")
except Unreachable:
    print("_ssl" in sys.modules or "_hashlib" in sys.modules)
"""
    command = [sys.executable, "-B", "-c", program]
    said = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": str(tmp_path)}, check=True).stdout
    assert said == f"{scheme == 'https'}\n"


def test_a_configuration_is_checked_without_registering(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "register.json"
    command = ["register", "--check", "--config", str(config), "--run-dir", str(tmp_path / "run")]
    config.write_text(json.dumps({"name": "web1", "role": "web", "address": "10.0.0.5"}))
    assert main(command) == 0
    config.write_text(json.dumps({"name": "web1", "role": "web", "address": "here"}))
    assert main(command) == os.EX_CONFIG
    assert f"{config}: address: " in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
