# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What operators read and type: columns, times, the status and its exit code, metrics, the way to etcd."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.cli import COMMANDS, main
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.commands import access, status, terminal
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.host.clock import boottime
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.registering.metrics import (
    MetricsFile,
    exposition,
)
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import RollcallError
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.settings import ETCDCTL
from tests.support.waiting import wait_for

Json = dict[str, Any]


class Terminal:
    """A stream that says that it is one."""

    def isatty(self) -> bool:
        return True


def test_columns_are_aligned_and_empty_ones_left_out() -> None:
    lines = terminal.table(("NAME", "DC", "TAGS"), [("a", "", "x"), ("longer", "", "")])
    assert lines == ["NAME    TAGS", "a       x", "longer  -"]


def test_what_others_wrote_cannot_move_the_cursor() -> None:
    (_header, line) = terminal.table(("A", "B"), [("x\x1b[2J\ny", "\u202eevil")])
    assert line == r"x\x1b[2J\ny  \u202eevil"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-1, "0 s"), (59.9, "59 s"), (60, "1 min"), (3599, "59 min"), (7380, "2 h 3 min"), (273600, "3 d 4 h")],
)
def test_lengths_of_time(seconds: float, words: str) -> None:
    assert terminal.span(seconds) == words


def test_a_time_that_no_clock_shows_is_shown_as_it_is() -> None:
    assert terminal.moment(2**62) == str(2**62)


def test_colours_are_for_terminals_and_for_who_wants_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    screen: Any = Terminal()
    assert terminal.coloured("critical ", screen) == "\033[31mcritical \033[0m"
    assert terminal.coloured("other", screen) == "other"
    assert terminal.coloured("critical") == "critical"
    for name, value in (("TERM", "dumb"), ("NO_COLOR", "1")):
        monkeypatch.setenv(name, value)
        assert terminal.coloured("critical", screen) == "critical"


# rollcall status


def written(**changes: Any) -> Json:
    """A status as the agent writes it, of a process that runs."""
    return {
        "phase": "registered",
        "message": "web/web1, address 10.0.0.5",
        "since": int(time.time()) - 100,
        "last_error": None,
        "errors": [],
        "node": "web/web1",
        "prefix": "/infrastructure/",
        "address": "10.0.0.5",
        "address_problem": "",
        "config_problem": "",
        "endpoint": "http://etcd1:2379",
        "instance": "0123",
        "registered_since": int(time.time()) - 7380,
        "lease": "694d81",
        "ttl": 30,
        "renewed": int(time.time()) - 3,
        "renewed_boottime": boottime() - 3,
        "rtt": 0.0012,
        "health": "passing",
        "maintenance": None,
        "services": {"web": {"port": 80, "weight": 100, "tags": [], "meta": {}}},
        "tags": [],
        "checks": {
            "port": {"status": "passing", "output": "it answers", "since": int(time.time()) - 60, "service": "web"},
            "disk": {"status": "passing", "output": "", "since": int(time.time()) - 7380, "flapping": True},
        },
        "counts": {
            "keepalives": 5, "self_checks": 4, "writes": 3, "leases_lost": 1, "failures": 0, "writes_suppressed": 2,
        },
        "pid": os.getpid(),
        "version": "1.2.3",
        **changes,
    }  # fmt: skip


def ask(directory: Any, content: Any, *arguments: str) -> int:
    """Run `rollcall status` on a status.json of this content."""
    (directory / "status.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return main(["status", "--run-dir", str(directory), *arguments])


LONG_AGO = boottime() - 40


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({}, 0, "OK: registered as web/web1, health passing"),
        ({"maintenance": {"by": "ann"}}, 0, "OK: registered as web/web1, health passing, in maintenance"),
        ({"health": "warning"}, 1, "WARNING: registered as web/web1, health warning"),
        ({"health": "drain"}, 1, "WARNING: registered as web/web1, health drain"),
        ({"config_problem": "x: unknown key"}, 1, "the changed configuration is refused: x: unknown key"),
        (
            {"phase": "waiting", "message": "refused"},
            1,
            r"WARNING: waiting, the lease of web/web1 has 2\d s left: refused",
        ),
        ({"phase": "starting", "renewed_boottime": None}, 1, "WARNING: starting"),
        ({"health": "critical"}, 2, "CRITICAL: registered as web/web1, health critical"),
        ({"phase": "waiting", "renewed_boottime": LONG_AGO}, 2, "CRITICAL: not registered, waiting"),
        ({"phase": "waiting", "lease": ""}, 2, "CRITICAL: not registered, waiting"),
        ({"phase": "duplicate"}, 2, "CRITICAL: not registered, duplicate"),
        ({"phase": "refused"}, 2, "CRITICAL: not registered, refused"),
        ({"phase": "removed", "lease": ""}, 2, "CRITICAL: not registered, removed"),
        (
            {"renewed_boottime": LONG_AGO},
            2,
            r"CRITICAL: the lease of web/web1 ended \d+ (s|min) ago, and the agent does nothing",
        ),
    ],
)
def test_the_exit_status_is_one_for_monitoring(
    tmp_path: Any, capsys: pytest.CaptureFixture[str], changes: Json, code: int, words: str
) -> None:
    assert ask(tmp_path, written(**changes)) == code
    assert re.search(words, capsys.readouterr().out.splitlines()[0])


def test_a_process_that_is_gone_is_unknown(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    assert ask(tmp_path, written(pid=gone.pid)) == 3
    assert capsys.readouterr().out.startswith(f"UNKNOWN: no agent runs: process {gone.pid} last wrote")
    assert ask(tmp_path, written(pid=gone.pid, phase="left", lease="")) == 3
    assert capsys.readouterr().out.startswith("UNKNOWN: no agent runs: it left")


@pytest.mark.parametrize("content", ["", "[]", "{}", "null"])
def test_a_file_that_cannot_be_read_is_unknown(tmp_path: Any, capsys: pytest.CaptureFixture[str], content: str) -> None:
    assert ask(tmp_path, content) == 3
    assert f"cannot read {tmp_path}/status.json" in capsys.readouterr().out
    assert main(["status", "--json", "--run-dir", str(tmp_path / "none")]) == 3
    assert json.loads(capsys.readouterr().out)["status"] is None


def test_all_there_is_to_know(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    error = {"text": "Keeping lease 694d81 alive failed:\nno", "at": int(time.time()) - 90}
    assert ask(tmp_path, written(errors=[error], maintenance={"by": "ann", "reason": "disk"})) == 0
    lines = capsys.readouterr().out.splitlines()
    facts = {name: value.strip() for name, _space, value in (line.partition("  ") for line in lines)}
    assert facts["node"] == "web/web1 under /infrastructure/"
    assert facts["registered"].endswith("(2 h 3 min)")
    assert re.fullmatch(r"694d81, 2\d s of 30 s left", facts["lease"])
    assert re.fullmatch(r"http://etcd1:2379, last keepalive \d s ago in 1.2 ms", facts["etcd"])
    assert facts["services"] == "web:80 passing"
    assert facts["maintenance"] == "ann: disk"
    assert facts["writes"] == "3, suppressed 2"
    table = lines.index("CHECK  SERVICE  STATUS   FOR        OUTPUT")
    assert lines[table + 1] == "disk   -        passing  2 h 3 min  flapping:"
    assert lines[table + 2] == "port   web      passing  1 min      it answers"
    assert lines[-1].endswith(r"(1 min ago)  Keeping lease 694d81 alive failed:\nno")


def test_for_programs(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(tmp_path, written(health="critical"), "--json") == 2
    told = json.loads(capsys.readouterr().out)
    assert (told["code"], told["state"], told["status"]["lease_left"]) == (2, "CRITICAL", pytest.approx(27, abs=5))
    assert status.judge(told["status"]) == (2, told["text"])


# Metrics


def test_metrics_have_a_help_a_type_and_plain_numbers() -> None:
    text = exposition(written(maintenance={"by": "ann"}, address='a"b\\c\n'))
    lines = text.splitlines()
    names = {line.split()[2] for line in lines if line.startswith("# HELP")}
    assert names == {line.split()[2] for line in lines if line.startswith("# TYPE")}
    samples = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert {name.partition("{")[0] for name in samples} == names
    assert all(float(value) >= 0 for value in samples.values())
    assert samples['rollcall_phase{phase="registered"}'] == "1"
    assert samples['rollcall_phase{phase="waiting"}'] == "0"
    assert samples['rollcall_check{check="port",service="web",status="passing"}'] == "1"
    assert samples["rollcall_maintenance"] == "1"
    assert samples["rollcall_leases_lost_total"] == "1"
    assert samples["rollcall_keepalive_duration_seconds"] == "0.0012"
    assert 'address="a\\"b\\\\c\\n"' in text
    started = exposition(written(checks={}, renewed=0, rtt=None))
    assert "rollcall_check{" not in started
    assert "rollcall_lease_renewed" not in started


def test_the_readme_tells_of_every_metric() -> None:
    readme = (Path(__file__).parents[2] / "roles/register/README.md").read_text()
    told = set(re.findall(r"`(rollcall_\w+)", readme.partition("## Metrics")[2].partition("\n## ")[0]))
    text = exposition(written(last_error={"text": "x", "at": 1}))
    assert told == {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}


def test_the_file_of_metrics_is_replaced_and_trouble_told_once(
    tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new" / "rollcall.prom"
    metrics = MetricsFile(str(path))
    for _attempt in range(2):
        metrics.write(written())
        metrics.flush(0.1)
    path.parent.mkdir()  # it is written now, though nothing new comes
    wait_for(path.exists, "the metrics to be written")
    assert metrics.flush(5)
    assert capsys.readouterr().err.splitlines() == [
        f"Cannot write {path}: No such file or directory [RC-E-WRITE]",
        f"{path} is written again",
    ]
    assert [each.name for each in path.parent.iterdir()] == ["rollcall.prom"]


# The way to etcd


@pytest.fixture
def way(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What a command line comes to."""
    for variable in ETCDCTL.values():
        monkeypatch.delenv(variable, raising=False)

    def resolve(*arguments: str, **environment: str) -> access.Access:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        parser = argparse.ArgumentParser()
        access.add_arguments(parser)
        return access.access(parser.parse_args(arguments))

    return resolve


@pytest.fixture
def config(tmp_path: Any) -> str:
    """A configuration with a user and a password."""
    (tmp_path / "password").write_text("s3cret\n")
    etcd = {"endpoints": ["etcd1:2379"], "user": "web1", "password_file": str(tmp_path / "password"), "timeout": "3s"}
    file = tmp_path / "register.json"
    file.write_text(
        json.dumps({"etcd": etcd, "prefix": "/staging", "name": "web1", "allowed_networks": ["10.0.0.0/8"]})
    )
    return str(file)


def test_the_configuration_of_this_host_is_used_where_nothing_is_said(way: Any, config: str) -> None:
    found = way(f"--config={config}")
    assert [str(endpoint) for endpoint in found.settings.endpoints] == ["http://etcd1:2379"]
    assert (found.settings.user, found.settings.password, found.settings.timeout) == ("web1", "s3cret", 3)
    assert (found.layout.prefix, found.layout.state_prefix) == ("/staging/", "/rollcall/staging/")
    assert [str(network) for network in found.admission.networks] == ["10.0.0.0/8"]


def test_its_password_goes_with_its_user_to_its_endpoints_only(way: Any, config: str) -> None:
    elsewhere = way(f"--config={config}", "--endpoints=other:2379")
    assert (elsewhere.settings.user, elsewhere.settings.password, elsewhere.layout.prefix) == ("", "", "/staging/")
    somebody = way(f"--config={config}", "--user=ann:pw")
    assert (somebody.settings.user, somebody.settings.password) == ("ann", "pw")
    assert [str(endpoint) for endpoint in somebody.settings.endpoints] == ["http://etcd1:2379"]


def test_the_command_line_comes_before_the_environment(way: Any, tmp_path: Any) -> None:
    file = tmp_path / "pw"
    file.write_text("from the file\n")
    environment = {"ETCDCTL_ENDPOINTS": "a:1,b:2", "ETCDCTL_USER": "env:x", "ETCDCTL_DIAL_TIMEOUT": "7s"}
    found = way("--user=ann", f"--password-file={file}", "--prefix=/p", **environment)
    assert [str(endpoint) for endpoint in found.settings.endpoints] == ["http://a:1", "http://b:2"]
    assert (found.settings.user, found.settings.password, found.settings.timeout) == ("ann", "from the file", 7)
    assert found.layout.state_prefix == "/rollcall/p/"


def test_records_of_a_domain_are_trusted_as_far_as_the_command_line_says(way: Any, config: str) -> None:
    secured = way(f"--config={config}", "--discovery-srv=example.com", "--user=ann:pw").settings
    assert (secured.discovery_srv, secured.discovery_srv_insecure, secured.is_encrypted) == ("example.com", False, True)
    for flag in ("--discovery-srv-insecure", "--insecure-discovery"):
        assert way(f"--config={config}", "--discovery-srv=example.com", flag).settings.discovery_srv_insecure
    variables = {"ETCDCTL_DISCOVERY_SRV": "example.com", "ETCDCTL_INSECURE_DISCOVERY": "true"}
    assert way(f"--config={config}", **variables).settings.discovery_srv_insecure


@pytest.mark.parametrize("option", ["config", "password-file", "prefix", "layout", "state-prefix", "endpoints", "user"])
def test_an_option_that_a_script_left_empty_does_not_mean_its_default(way: Any, option: str) -> None:
    with pytest.raises(RollcallError, match=f"{option}: expected a value, got an empty one"):
        way("--endpoints=a:1", f"--{option}=")


def test_what_is_missing_or_wrong_is_said(
    way: Any, tmp_path: Any, config: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "REGISTER", str(tmp_path / "none.json"))
    monkeypatch.setattr(access, "RENDER", str(tmp_path / "none.json"))
    with pytest.raises(RollcallError, match="No endpoints of etcd.*Set --endpoints or ETCDCTL_ENDPOINTS"):
        way()
    with pytest.raises(RollcallError, match="user, password: expected both or neither"):
        way("--endpoints=a:1", "--user=ann")
    with pytest.raises(RollcallError, match="Cannot read the password"):
        way("--endpoints=a:1", "--user=ann", "--password-file=/nowhere")
    (tmp_path / "password").unlink()
    with pytest.raises(RollcallError, match=r"password_file: cannot read .*\. Run the command as root, or set --user"):
        way(f"--config={config}")
    assert way(f"--config={config}", "--user=ann:pw").settings.password == "pw"
    with pytest.raises(RollcallError, match="layout: expected one of"):
        way("--endpoints=a:1", "--layout={name}")


# The command line


def test_the_agent_carries_nothing_of_what_operators_need(tmp_path: Any) -> None:
    """It runs on every node for ever."""
    (tmp_path / "rollcall").symlink_to(Path(terminal.__file__).parents[2])
    program = """
import sys, rollcall._agent.cli, rollcall._agent.commands.register
print(*sorted(name for name in sys.modules if name.startswith("rollcall._agent.commands.")))
print(*{"rollcall._agent.registering.metrics", "rollcall._registry.times"} & set(sys.modules))
"""
    command = [sys.executable, "-B", "-c", program]
    said = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": str(tmp_path)}, check=True)
    assert said.stdout == "rollcall._agent.commands.register\n\n"


def test_a_host_that_is_not_registered_has_to_say_which_node(
    fake_etcd: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(access, "REGISTER", str(tmp_path / "none.json"))
    fake_etcd.put("/infrastructure/web/web1/ip", "10.0.0.5")
    command = ["maintenance", "on", "--by=ann", f"--endpoints={fake_etcd.endpoint}"]
    assert main(command) == 1
    assert "This host is not registered: there is no" in capsys.readouterr().err
    assert main([*command, "--node=web1"]) == 0
    assert capsys.readouterr().out == "web/web1 is in maintenance: ann\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(capsys: pytest.CaptureFixture[str], command: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"usage: rollcall {command} " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nodez"], "Did you mean 'nodes'? Try 'rollcall --help' [RC-E-USAGE]\n"),
        ([], "required: COMMAND. Try 'rollcall --help' [RC-E-USAGE]\n"),
        (["status", "--jsno"], "unrecognized arguments: --jsno. Try 'rollcall status --help' [RC-E-USAGE]\n"),
        (["nodes", "--health", "fine"], "Try 'rollcall nodes --help' [RC-E-USAGE]\n"),
        (["maintenance"], "required: state. Try 'rollcall maintenance --help' [RC-E-USAGE]\n"),
        (["maintenance", "on", "--for", "2h", "--until", "06:00"], "Try 'rollcall maintenance --help' [RC-E-USAGE]\n"),
    ],
)
def test_a_wrong_command_line_says_where_help_is(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err.endswith(said)
