# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file for cloud-init: rendered by the playbook, carried out in a directory, and the program in it run.

What is done with it here is what cloud-init does with `write_files` and `runcmd`; tests/e2e does it with cloud-init.
"""

from __future__ import annotations

import base64
import functools
import http.server
import json
import os
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.real_etcd import Cluster
from tests.support.registrant import values, wait_for

Json = dict[str, Any]
UNIT = "/etc/systemd/system/rollcall-register.service"


@pytest.fixture
def render(ansible_bin: Path, tmp_path: Path, etcd: Cluster) -> Callable[..., Json]:
    """Runs the playbook with options; returns what cloud-init reads."""

    def run(**options: Any) -> Json:
        options = {"user_data_dest": str(tmp_path / "web.yml"), "register_role": "web", **options}
        options.setdefault("rollcall_etcd_endpoints", etcd.endpoints)
        command = [str(ansible_bin / "ansible-playbook"), "rollcall.discovery.user_data", "-e", json.dumps(options)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        text = (tmp_path / "web.yml").read_text()
        assert text.startswith("#cloud-config\n")
        found: Json = yaml.safe_load(text)
        return found

    return run


def files_of(config: Json) -> dict[str, bytes]:
    """The files that cloud-init writes."""
    return {
        file["path"]: base64.b64decode(file["content"]) if file.get("encoding") == "b64" else file["content"].encode()
        for file in config["write_files"]
    }


def apply(config: Json, root: Path) -> None:
    """Do what cloud-init would do, with every path below `root`; nothing is done with systemd."""
    modes = {file["path"]: int(file["permissions"], 8) for file in config["write_files"]}
    for path, content in files_of(config).items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.replace(b"/opt/", f"{root}/opt/".encode()) if path.startswith("/usr/") else content)
        place.chmod(modes[path])
    for command in config["runcmd"]:
        if command[0] != "systemctl":
            subprocess.run([word.replace("/opt/", f"{root}/opt/") for word in command], check=True)


@pytest.fixture
def booted(tmp_path: Path) -> Iterator[Callable[[Json], Path]]:
    """Carries the file out, and runs what the unit starts."""
    processes: list[subprocess.Popen[bytes]] = []

    def boot(config: Json) -> Path:
        root = tmp_path / "host"
        apply(config, root)
        command = [str(root / "usr/local/bin/rollcall"), "register", f"--config={root}/etc/rollcall/register.json"]
        processes.append(subprocess.Popen([*command, f"--run-dir={root}/run"]))
        return root

    yield boot
    for process in processes:
        process.terminate()
        process.wait(15)


def test_a_host_that_boots_with_it_registers_by_its_own_name(
    render: Callable[..., Json], booted: Callable[[Json], Path], etcd: Cluster
) -> None:
    config = render(register_roles=["web", "api"], register_services={"web": {"port": 8080}}, register_ttl=5)
    assert config["runcmd"][-1] == ["systemctl", "enable", "--now", "rollcall-register.service"]
    assert "ExecStart=/usr/local/bin/rollcall register" in files_of(config)[UNIT].decode()
    said = json.loads(files_of(config)["/etc/rollcall/register.json"])
    assert (said["name"], said["address"], said["roles"]) == ("", "", ["web", "api"])
    booted(config)
    name = os.uname().nodename.split(".")[0]
    wait_for(lambda: values(etcd, f"/infrastructure/web/{name}/"), "the host to be registered")
    assert values(etcd, f"/infrastructure/web/{name}/") == values(etcd, f"/infrastructure/api/{name}/")


def test_the_program_can_be_fetched_and_is_compared(
    render: Callable[..., Json], booted: Callable[[Json], Path], etcd: Cluster, tmp_path: Path
) -> None:
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as mirror:
        threading.Thread(target=mirror.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{mirror.server_port}/runtime.tar.gz"
        config = render(user_data_archive_url=url)
        assert (tmp_path / "web.yml").stat().st_size < 16384, "EC2 takes it"
        (archive,) = tmp_path.glob("rollcall-*.tar.gz")
        archive.rename(tmp_path / "runtime.tar.gz")
        booted(config)
        wait_for(lambda: values(etcd, "/infrastructure/web/"), "the host to be registered")
        (tmp_path / "runtime.tar.gz").write_bytes(b"something else")
        with pytest.raises(subprocess.CalledProcessError, match="tar"):
            apply(config, tmp_path / "other")
        mirror.shutdown()


def test_a_ca_and_a_password_are_in_it(render: Callable[..., Json], tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    config = render(
        rollcall_etcd_endpoints=["https://10.0.0.11:2379"],
        rollcall_etcd_user="web",
        rollcall_etcd_password="s3cret",
        user_data_ca_cert=str(tmp_path / "ca.crt"),
        user_data_archive_url="http://mirror.example/runtime.tar.gz",
    )
    files = files_of(config)
    modes = {file["path"]: file["permissions"] for file in config["write_files"]}
    assert files["/etc/rollcall/ca.crt"] == (tmp_path / "ca.crt").read_bytes()
    assert (files["/etc/rollcall/register.password"], modes["/etc/rollcall/register.password"]) == (b"s3cret", "0600")
    said = json.loads(files["/etc/rollcall/register.json"])["etcd"]
    assert (said["ca_cert"], said["user"], said["password"]) == ("/etc/rollcall/ca.crt", "web", "")
    assert b"LoadCredential=etcd-password:/etc/rollcall/register.password" in files[UNIT]
    assert stat.S_IMODE((tmp_path / "web.yml").stat().st_mode) == 0o600


def test_without_our_agent(render: Callable[..., Json], etcd: Cluster, tmp_path: Path) -> None:
    config = render(register_method="etcdctl", register_address={"route": "10.0.0.1"}, register_ttl=10)
    assert config["packages"] == ["etcd-client"]
    apply(config, tmp_path / "host")
    script = tmp_path / "host/usr/local/sbin/rollcall-etcdctl-register"
    role = Path(__file__).resolve().parents[3] / "roles/register"
    assert script.read_bytes() == (role / "files/etcdctl-register.sh").read_bytes()
    environment = files_of(config)["/etc/rollcall/register.env"].decode()
    for line in (
        f'ETCDCTL_ENDPOINTS="{etcd.endpoints[0]}"',
        'ROLLCALL_PREFIX="/infrastructure/"',
        'ROLLCALL_ROLES="web"',
        'ROLLCALL_ROUTE="10.0.0.1"',
        'ROLLCALL_TTL="10"',
    ):
        assert line in environment.splitlines()
    assert "ROLLCALL_NAME" not in environment, "it is the host's own"
    assert b"ExecStart=/usr/local/sbin/rollcall-etcdctl-register" in files_of(config)[UNIT]
