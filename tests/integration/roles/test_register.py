# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role register, played on this machine with directories and a systemd that are not its own; tests/e2e has hosts.

What is proved here is what the role does to files. The service does not run: its systemctl says that all is well.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.played_host import Host

UNIT = "/etc/systemd/system/rollcall-register.service"
METRICS = "/var/lib/of metrics/rollcall.prom"


@pytest.fixture
def host(tmp_path: Path, ansible_bin: Path) -> Iterator[Host]:
    """A host that has never seen the role."""
    made = Host(tmp_path, ansible_bin)
    yield made
    made.end()


def test_the_directory_of_the_metrics_is_made_and_one_that_is_there_is_left_alone(host: Host) -> None:
    played = host.play(register_metrics_file=METRICS)
    assert played.rc == 0, played.output
    assert host.asked[-1] == "restart rollcall-register.service"
    directory = host.path(METRICS).parent
    assert stat.S_IMODE(directory.stat().st_mode) == 0o755

    directory.chmod(0o2770)
    os.chown(directory, 65534, 65534)
    again = host.play(register_metrics_file=METRICS)
    assert (again.rc, again.changed) == (0, []), again.output
    assert host.asked == ["daemon-reload"]
    assert stat.S_IMODE(directory.stat().st_mode) == 0o2770
    assert (directory.stat().st_uid, directory.stat().st_gid) == (65534, 65534)

    directory.rmdir()
    back = host.play(register_metrics_file=METRICS)
    assert back.rc == 0, back.output
    assert host.asked[-1] == "restart rollcall-register.service", "the running service sees the directory that is gone"


def test_a_new_release_restarts_also_the_daemon_whose_role_is_not_played(host: Host, tmp_path: Path) -> None:
    assert host.play().rc == 0
    releases = host.path("/opt/rollcall")
    new = (releases / "current").readlink().name
    shutil.copytree(releases / new, releases / "rollcall-0.0.1-former")
    (releases / "current").unlink()
    (releases / "current").symlink_to("rollcall-0.0.1-former")
    config = tmp_path / "register.json"
    config.write_text(
        json.dumps({"etcd": {"endpoints": ["http://127.0.0.1:1"]}, "name": "a", "role": "b", "address": "10.0.0.5"})
    )
    render = {"name": "lb1", "templates": [{"src": "/etc/a.j2", "dest": "/etc/a"}]}  # the new release takes it
    host.path("/etc/rollcall/render.json").write_text(json.dumps(render))
    daemon = host.start_renderer("register", f"--config={config}", f"--run-dir={tmp_path / 'run'}")
    try:
        assert daemon.stderr is not None
        assert b"connection refused" in daemon.stderr.readline()
        shown = Path(f"/proc/{daemon.pid}/cmdline").read_bytes().split(b"\0")
        assert b"/opt/rollcall/rollcall-0.0.1-former" in shown
        assert host.asked

        (releases / new / "VERSION").unlink()  # so that it counts as one that is still to be unpacked
        played = host.play(agent_keep=1)
        assert played.rc == 0, played.output
        assert host.asked == ["daemon-reload", "--no-block restart rollcall-render.service"]
        assert (releases / "current").readlink().name == new
        assert (releases / "rollcall-0.0.1-former").is_dir(), "a process may still import from it"
    finally:
        daemon.kill()
        daemon.communicate()
    daemon = host.start_renderer("register", f"--config={config}", f"--run-dir={tmp_path / 'run'}")
    try:
        assert daemon.stderr is not None
        daemon.stderr.readline()
        (releases / new / "VERSION").unlink()
        again = host.play(agent_keep=1)
        assert (again.rc, host.asked) == (0, ["daemon-reload"]), again.output
        assert not (releases / "rollcall-0.0.1-former").exists()
    finally:
        daemon.kill()
        daemon.communicate()


def test_the_unit_is_one_that_systemd_takes_without_the_directory(host: Host, tmp_path: Path) -> None:
    assert host.play(register_metrics_file=METRICS, register_start=False).rc == 0
    unit = tmp_path / "rollcall-register.service"
    unit.write_text(host.path(UNIT).read_text().replace("/usr/local/bin/rollcall", "/bin/true"))
    (paths,) = [line for line in unit.read_text().splitlines() if line.startswith("ReadWritePaths=")]
    assert paths == f'ReadWritePaths=-"{Path(METRICS).parent}"'
    verified = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert str(unit.name) not in verified.stderr


@pytest.mark.parametrize(
    ("method", "option", "value", "words"),
    [
        ("agent", "register_name", "web/1", "the name 'web/1' is not a host name"),
        ("etcdctl", "register_name", "web/1", "the name 'web/1' is not a host name"),
        ("etcdctl", "register_roles", ["web", "a b"], "the role 'a b' is not a valid name"),
        ("etcdctl", "register_dc", "eu/x", "has no data centre"),
    ],
)
def test_what_cannot_be_registered_is_refused_before_anything_is_written(
    host: Host, method: str, option: str, value: Any, words: str
) -> None:
    (host.path("/etc") / "rollcall").mkdir()
    login = {"endpoints": ["http://127.0.0.1:1"], "user": "u", "password": "p"}
    played = host.play(**{"register_method": method, "register_etcd": login, option: value})
    assert played.rc == 2
    assert words in played["Check the registration"]["stderr"]
    assert sorted(path.name for path in host.path("/etc/rollcall").iterdir()) == ["templates"]
    assert not host.path(UNIT).exists()
    assert host.asked == []


@pytest.mark.parametrize("method", ["agent", "etcdctl"])
def test_the_password_is_where_only_root_can_read_it(host: Host, method: str) -> None:
    secured = {"endpoints": ["http://127.0.0.1:1"], "user": "web", "password": "s3cret"}
    played = host.play("-vvv", "--diff", register_method=method, register_etcd=secured)
    assert played.rc == 0, played.output
    assert "s3cret" not in played.output
    password = host.path("/etc/rollcall/register.password")
    assert (password.read_text(), stat.S_IMODE(password.stat().st_mode)) == ("s3cret", 0o600)
    others = [path for path in host.path("/etc/rollcall").iterdir() if path.is_file() and path != password]
    assert others
    assert not any("s3cret" in path.read_text() for path in [*others, host.path(UNIT)])


def test_check_mode_does_not_wait_for_what_it_does_not_start(host: Host) -> None:
    assert host.play().rc == 0
    host.say("ActiveState=inactive")
    played = host.play("--check")
    assert (played.rc, played.changed) == (0, ["Run the service"]), played.output
    host.say("ActiveState=active", "StatusText=Duplicate: web/web1 is already registered by another holder")
    played = host.play("--check")
    assert played.rc == 2
    assert "Duplicate: web/web1 is already registered by another holder" in played.output


def test_the_program_loads_nothing_from_where_its_user_is(host: Host, tmp_path: Path) -> None:
    played = host.play("-e", "agent_keep=1", "-e", "register_start=false")  # both are text, coming from there
    assert played.rc == 0, played.output
    (tmp_path / "argparse.py").write_text("raise SystemExit('this is not the standard library')\n")
    program = [
        "nsenter",
        f"--mount={host.root.parent}/ns/mnt",
        f"--wd={tmp_path}",
        "/usr/local/bin/rollcall",
        "--version",
    ]
    said = subprocess.run(program, capture_output=True, text=True, check=False)
    assert said.stdout.startswith("rollcall "), said.stderr


CHECKS = [{"name": "web", "type": "tcp", "port": 22, "service": "web"}]
SERVICES = [{"name": "web", "port": 80}]


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("register_service", SERVICES, "register_service is not an option of the role register; did you mean"),
        ("register_checks", [{"name": "web", "type": "htp"}], "value of type must be one of: alias, http"),
        ("register_checks", {"web": {"type": "htp"}}, "expected one of alias, http"),
        ("register_checks", [{"name": "web", "type": "tcp", "prot": 80}], "prot"),
        ("register_checks", [{"name": "web", "type": "http", "url": "nowhere"}], "'nowhere' is not a URL"),
        ("register_checks", [{"type": "tcp", "port": 80}], "missing required arguments: name"),
        ("register_checks", CHECKS * 2, "two entries have the same name"),
        ("register_services", [{"name": "web", "port": "eighty"}], "register_services"),
        ("register_services", "web", "register_services"),
    ],
)
def test_bad_options_are_refused_in_check_mode_on_a_host_that_never_saw_the_role(
    host: Host, option: str, value: Any, message: str
) -> None:
    options = {"register_services": SERVICES, option: value}
    played = host.play("--check", **options)
    assert played.rc == 2, played.output
    assert message in played.output.replace("\\", "")
    assert host.asked == []


def test_lists_and_dictionaries_of_services_and_checks_give_the_same_configuration(host: Host) -> None:
    assert host.play(register_services=SERVICES, register_checks=CHECKS).rc == 0
    listed = host.path("/etc/rollcall/register.json").read_text()
    assert '"service": "web"' in listed
    services = {"web": {"port": 80}}
    checks = {"web": {"type": "tcp", "port": 22, "service": "web"}}
    again = host.play(register_services=services, register_checks=checks)
    assert (again.rc, again.changed) == (0, []), again.output
    assert host.path("/etc/rollcall/register.json").read_text() == listed


def test_variables_of_others_that_begin_like_options_are_listed(host: Host) -> None:
    played = host.play("--check", register_backup_time="4:00", rollcall_foreign_variables=["register_backup_*"])
    assert played.rc == 0, played.output
