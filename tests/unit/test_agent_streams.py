# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every command under every locale, and with streams that are closed, full, or read by nobody."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.cli import COMMANDS
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.host.clock import boottime
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.client import Client
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.settings import Settings
from tests.support.fake_etcd import FakeEtcd

PROGRAM = "ansible_collections.rollcall.discovery.plugins.module_utils._agent.cli"
FOREIGN = "→ größe \ud83d\udca9 \ud800 \x1b[2J"  # an arrow, umlauts, a pair of surrogates, half a pair, an escape

# Python takes C and POSIX for UTF-8 by itself; with the two variables it does not.
STRICT = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
LOCALES = {
    "C": {"LC_ALL": "C"},
    "C, strict": {"LC_ALL": "C", **STRICT},
    "POSIX, strict": {"LC_ALL": "POSIX", **STRICT},
    "C.UTF-8": {"LC_ALL": "C.UTF-8"},
    "of a place that is not installed": {"LC_ALL": "xx_YY.ISO-8859-7", **STRICT},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "ascii": {"PYTHONIOENCODING": "ascii:strict"},
}


@pytest.fixture(scope="session")
def german(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A real locale of the days before UTF-8."""
    directory = tmp_path_factory.mktemp("locales")
    subprocess.run(
        ["localedef", "--no-archive", "-i", "de_DE", "-f", "ISO-8859-1", str(directory / "de_DE.ISO-8859-1")],
        check=True, capture_output=True,
    )  # fmt: skip
    return {"LC_ALL": "de_DE.ISO-8859-1", "LOCPATH": str(directory)}


def rollcall(*arguments: str | bytes, shell: str = "", **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command; `shell` is what follows it on a line of the shell, such as a redirection."""
    command = [sys.executable, "-m", PROGRAM, *arguments]
    if shell:
        command = ["sh", "-c", f'"$@" {shell}', "sh", *command]
    inherited = {name: os.environ[name] for name in ("PATH",)}
    return subprocess.run(command, capture_output=True, env={**inherited, **environment}, check=False, timeout=30)


def write_status(directory: Path, health: str = "passing") -> None:
    """What an agent that is well would have written: this process."""
    check = {"status": health, "output": FOREIGN, "since": 1, "service": ""}
    status = {
        "node": "web/web1", "prefix": "/infrastructure/", "phase": "registered", "message": FOREIGN, "since": 1,
        "health": health, "maintenance": {"by": FOREIGN, "reason": FOREIGN}, "address": "10.0.0.5", "services": {},
        "lease": "7", "ttl": 30, "renewed_boottime": boottime(), "renewed": 1, "rtt": 0.1, "endpoint": "http://x",
        "registered_since": 1, "checks": {"web": check}, "errors": [{"text": FOREIGN, "at": 1}], "version": "1",
        "counts": {"leases_lost": 0, "writes": 1, "writes_suppressed": 0}, "config_problem": "", "pid": os.getpid(),
    }  # fmt: skip
    (directory / "status.json").write_text(json.dumps(status))


def see_printable(done: subprocess.CompletedProcess[bytes]) -> None:
    """See that all is text without a traceback and without control characters."""
    said = done.stdout + done.stderr
    assert b"Traceback" not in said, said.decode("utf-8", "replace")
    assert b"Exception ignored" not in said
    assert not any(byte < 0x20 and byte != 0x0A for byte in said)


@pytest.mark.parametrize("locale", [*LOCALES, "german"])
def test_status_keeps_its_exit_status_under_every_locale(tmp_path: Path, locale: str, german: dict[str, str]) -> None:
    write_status(tmp_path)
    done = rollcall("status", "--run-dir", str(tmp_path), **LOCALES.get(locale, german))
    assert done.returncode == 0
    assert done.stdout.startswith(b"OK: registered as web/web1")
    see_printable(done)
    if locale == "german":
        assert b"\\u2192 gr\xf6\xdfe" in done.stdout, "what the locale has is printed as it is"
    write_status(tmp_path, "critical")
    assert rollcall("status", "--run-dir", str(tmp_path), **LOCALES.get(locale, german)).returncode == 2


@pytest.mark.parametrize("locale", [*LOCALES, "german"])
def test_commands_print_foreign_text_under_every_locale(
    fake_etcd: FakeEtcd, locale: str, german: dict[str, str]
) -> None:
    with Client(Settings.from_mapping({"endpoints": [fake_etcd.endpoint]})) as client:
        lease = client.lease_grant(60)[0]
        client.put("/infrastructure/web/web1/ip", "10.0.0.5", lease)
        client.put("/infrastructure/web/web2/ip", "→ größe \x1b[2J", lease)
        document = {"v": 1, "id": "x", "boot": "b", "meta": {"motd": "→ größe"}, "services": {}}
        client.put("/infrastructure/web/web1/node", json.dumps(document), lease)
    environment = LOCALES.get(locale, german)
    way = ["--endpoints", fake_etcd.endpoint]
    for arguments, status in (
        (["nodes", *way], 0), (["nodes", "--json", *way], 0), (["nodes", "--role", "größe", *way], 0),
        (["maintenance", "on", "--node", "web/web1", "--reason", "größe →", *way], 0),
        (["maintenance", "list", *way], 2),
        (["nodes", *way], 0), (["nodes", "--endpoints", "http://größe.invalid:1"], 1),
        (["nodes", "--config", "/größe/→"], os.EX_CONFIG), (["render", "--once", "--config", "/größe/→"], os.EX_CONFIG),
        (["register", "--config", "/größe/→"], os.EX_CONFIG), (["→"], 2), (["nodes", "--prefix", "/größe/→", *way], 0),
        (["status", "--run-dir", "/größe/→"], 3),
    ):  # fmt: skip
        done = rollcall(*(argument.encode() for argument in arguments), **environment)
        assert done.returncode == status, (arguments, done.stderr)
        see_printable(done)
    reason = json.loads(fake_etcd.tree()["/rollcall/infrastructure/maintenance/web/web1"])["reason"]
    assert reason == "größe →", "UTF-8, also if the locale knows less"


def test_an_argument_that_is_no_text_is_no_traceback(fake_etcd: FakeEtcd) -> None:
    way = ["--endpoints", fake_etcd.endpoint]
    for flag in (
        "--prefix",
        "--state-prefix",
        "--user",
        "--role",
        "--name",
        "--config",
        "--ca-cert",
        "--password-file",
    ):
        done = rollcall("nodes", *way, flag, b"/\xff\xfe")
        assert done.returncode in (0, 1, os.EX_CONFIG), (flag, done.stderr)
        see_printable(done)
    for arguments in (
        ["nodes", "--endpoints", b"http://\xff:2379"],
        ["maintenance", "on", "--node", b"web/\xff", *way],
        ["maintenance", "on", "--node", "web/web1", "--reason", b"\xff", *way],
    ):
        done = rollcall(*arguments)
        assert (done.returncode, done.stdout) == (1, b""), (arguments, done.stderr)
        assert done.stderr.startswith(b"rollcall: ")
        see_printable(done)


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)], ids=str)
def test_help_and_version_say_when_they_cannot_be_written(command: list[str]) -> None:
    for shell, status in (("> /dev/full", 74), (">&-", 74), ("", 0), ("2>&-", 0), ("<&-", 0)):
        done = rollcall(*command, "--help", shell=shell)
        assert done.returncode == status, shell
        see_printable(done)


@pytest.mark.parametrize(
    ("shell", "status"),
    [("> /dev/full", 74), (">&-", 74), ("2> /dev/full", 0), ("2>&-", 0), ("<&-", 0), (">&- 2>&-", 74)],
)
def test_an_output_that_cannot_be_written_is_an_exit_status(
    tmp_path: Path, fake_etcd: FakeEtcd, shell: str, status: int
) -> None:
    write_status(tmp_path)
    with Client(Settings.from_mapping({"endpoints": [fake_etcd.endpoint]})) as client:
        client.put("/infrastructure/web/web1/ip", "10.0.0.5", client.lease_grant(60)[0])
        client.put("/infrastructure/web/web2/ip", "none", client.lease_grant(60)[0])  # for a word about it
    for arguments in (["status", "--run-dir", str(tmp_path)], ["nodes", "--endpoints", fake_etcd.endpoint]):
        done = rollcall(*arguments, shell=shell)
        assert done.returncode == status
        see_printable(done)
        if status and "2>" not in shell:
            assert done.stderr.splitlines()[-1].startswith(b"rollcall: Cannot write the output: ")


def test_a_reader_that_has_gone_is_an_exit_status(tmp_path: Path) -> None:
    write_status(tmp_path)
    line = '{ sleep 0.3; "$@"; echo "status $?" >&2; } | true'
    command = ["sh", "-c", line, "sh", sys.executable, "-m", PROGRAM, "status", "--run-dir", str(tmp_path)]
    piped = subprocess.run(command, capture_output=True, check=True, timeout=30)
    assert piped.stderr == b"status 141\n"


def test_a_daemon_keeps_its_files_apart_from_closed_streams(tmp_path: Path) -> None:
    """Or its lock would be opened as standard output, and all it says written into it."""
    config = tmp_path / "register.json"
    config.write_text("{}")
    done = rollcall("register", "--config", str(config), "--run-dir", str(tmp_path / "run"), shell="<&- >&- 2>&-")
    assert done.returncode == os.EX_CONFIG
    assert (tmp_path / "run" / "register.lock").read_bytes().strip().isdigit(), "the process id, and nothing it says"
