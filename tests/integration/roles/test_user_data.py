# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file for cloud-init: rendered by the playbook, carried out in a directory, and the program in it run.

What is done with it here is what cloud-init does with `write_files` and `runcmd`; tests/e2e does it with cloud-init.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.support.certs import Authority
from tests.support.real_etcd import Cluster, Tls
from tests.support.registrant import values, wait_for
from tests.support.waiting import has

Json = dict[str, Any]

ROLE = Path(__file__).resolve().parents[3] / "roles/register"
UNIT = "/etc/systemd/system/rollcall-register.service"
INSTALL = "/opt/rollcall/install"
FETCH = "/opt/rollcall/fetch.py"
METRICS = "/var/lib/prometheus/node-exporter/rollcall.prom"
NAME = os.uname().nodename.split(".")[0]
PAUSE = b"PAUSE = 2.0 "  # of the script that fetches

# Directories of the host that is played here, which lie in one of ours.
PLACES = re.compile(rb"(?<![\w/.])/(opt|etc/rollcall|var/lib)/")
# For a host whose systemd is not ours.
SYSTEMCTL = """\
#!/bin/sh
echo "$@" >>"$(dirname "$0")/asked"
"""


class Rendered(NamedTuple):
    """What came of the playbook. `config` is what cloud-init reads; where the playbook failed there is none."""

    rc: int
    output: str
    config: Json


@pytest.fixture
def play(ansible_bin: Path, tmp_path: Path) -> Callable[..., Rendered]:
    """Runs the playbook with options, and with arguments for ansible-playbook."""

    def run(*arguments: str, **options: Any) -> Rendered:
        options = {"user_data_dest": "web.yml", "register_role": "web", **options}
        (tmp_path / "options.json").write_text(json.dumps(options))  # -vvv shows the command line
        command = [str(ansible_bin / "ansible-playbook"), "rollcall.discovery.user_data", "-e", "@options.json"]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, cwd=tmp_path, check=False)
        file = tmp_path / "web.yml"
        text = file.read_text() if file.exists() else "#cloud-config\n{}"
        assert text.startswith("#cloud-config\n")
        return Rendered(done.returncode, done.stdout + done.stderr, yaml.safe_load(text))

    return run


@pytest.fixture
def render(play: Callable[..., Rendered], etcd: Cluster) -> Callable[..., Json]:
    """Runs the playbook, which must succeed; returns what cloud-init reads."""

    def run(**options: Any) -> Json:
        played = play(**{"rollcall_etcd_endpoints": etcd.endpoints, **options})
        assert played.rc == 0, played.output
        return played.config

    return run


def files_of(config: Json) -> dict[str, bytes]:
    """The files that cloud-init writes."""
    return {
        file["path"]: base64.b64decode(file["content"]) if file.get("encoding") == "b64" else file["content"].encode()
        for file in config["write_files"]
    }


def modes_of(config: Json) -> dict[str, str]:
    """The permissions that they get."""
    return {file["path"]: file["permissions"] for file in config["write_files"]}


class Host:
    """A host that boots with the file: every path below `root`, and systemctl only asked. `install` runs it again."""

    def __init__(self, config: Json, root: Path) -> None:
        self.root = root
        (root / "bin").mkdir(parents=True)
        (root / "bin/systemctl").write_text(SYSTEMCTL)
        (root / "bin/systemctl").chmod(0o755)
        self._commands = [[self._here(word.encode()).decode() for word in command] for command in config["runcmd"]]
        packed = {file["path"] for file in config["write_files"] if file.get("encoding") == "b64"}
        modes = modes_of(config)
        for path, content in files_of(config).items():
            place = root / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content if path in packed else self._here(content).replace(PAUSE, b"PAUSE = 0.01 "))
            place.chmod(int(modes[path], 8))
        self.status, self.output = 0, ""
        self.install()

    def _here(self, content: bytes) -> bytes:
        return PLACES.sub(lambda found: f"{self.root}".encode() + found[0], content)

    def install(self) -> None:
        """What cloud-init does with `runcmd`: it makes a script of it, whose last command decides."""
        script = "\n".join(map(shlex.join, self._commands))
        environment = {**os.environ, "PATH": f"{self.root}/bin:{os.environ['PATH']}"}
        done = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, check=False)
        self.status, self.output = done.returncode, done.stdout + done.stderr

    @property
    def asked(self) -> list[str]:
        """What systemctl was asked for."""
        file = self.root / "bin/asked"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def secured(etcd_programs: Path, authority: Authority) -> Iterator[Cluster]:
    """An etcd that wants a client certificate, and a password of the user web, who may do what README says."""
    tls = Tls(authority.ca_cert, authority.server(), authority.client())
    with Cluster(etcd_programs, 1, tls, ["--bcrypt-cost=4"]) as cluster:
        cluster.require_auth(root="r", web="s3cret-of-web")
        cluster.permit("web", "/infrastructure/web/")
        cluster.permit("web", "/rollcall/infrastructure/roster/web/")
        cluster.permit("web", "/rollcall/infrastructure/maintenance/web/")
        yield cluster


@pytest.fixture
def booted(tmp_path: Path) -> Iterator[Callable[[Json], Host]]:
    """Carries the file out, and runs what the unit starts."""
    processes: list[subprocess.Popen[bytes]] = []

    def boot(config: Json) -> Host:
        host = Host(config, tmp_path / "host")
        assert host.status == 0, host.output
        assert host.asked == ["daemon-reload", "enable --now rollcall-register.service"]
        root = host.root
        command = [str(root / "usr/local/bin/rollcall"), "register", f"--config={root}/etc/rollcall/register.json"]
        processes.append(subprocess.Popen([*command, f"--run-dir={root}/run"]))
        return host

    yield boot
    for process in processes:
        process.terminate()
        process.wait(15)


def archive_of(directory: Path) -> bytes:
    """What the playbook has left beside the file, to be uploaded."""
    (archive,) = directory.glob("rollcall-*.tar.gz")
    return archive.read_bytes()


def test_a_host_that_boots_with_it_registers_by_its_own_name(
    render: Callable[..., Json], booted: Callable[[Json], Host], etcd: Cluster
) -> None:
    config = render(register_roles=["web", "api"], register_services={"web": {"port": 8080}}, register_ttl=5)
    assert "ExecStart=/usr/local/bin/rollcall register" in files_of(config)[UNIT].decode()
    said = json.loads(files_of(config)["/etc/rollcall/register.json"])
    assert said["roles"] == ["web", "api"]
    assert not {"name", "address"} & said.keys(), "the host finds them out"
    host = booted(config)
    wait_for(lambda: values(etcd, f"/infrastructure/web/{NAME}/"), "the host to be registered")
    assert values(etcd, f"/infrastructure/web/{NAME}/") == values(etcd, f"/infrastructure/api/{NAME}/")
    assert sorted(path.name for path in (host.root / "opt/rollcall").iterdir() if path.is_file()) == ["install"]


def test_the_program_is_fetched_from_a_server_that_fails_at_first(
    render: Callable[..., Json], booted: Callable[[Json], Host], etcd: Cluster, tmp_path: Path, mirror: Any
) -> None:
    config = render(user_data_archive_url=mirror.url)
    assert (tmp_path / "web.yml").stat().st_size < 16384, "EC2 takes it"
    assert PAUSE in files_of(config)[FETCH]
    assert modes_of(config)[INSTALL] == "0700", "the URL is a signed one"
    mirror.answers = [mirror.busy, mirror.content(b"another release"), mirror.content(archive_of(tmp_path))]
    host = booted(config)
    assert mirror.asked == 3
    assert "s3cret" not in host.output
    wait_for(lambda: values(etcd, f"/infrastructure/web/{NAME}/"), "the host to be registered")


def test_where_it_cannot_be_fetched_nothing_is_started_until_it_can(
    render: Callable[..., Json], tmp_path: Path, mirror: Any
) -> None:
    config = render(user_data_archive_url=mirror.url)
    mirror.answers = [mirror.content(b"another release")]
    host = Host(config, tmp_path / "host")
    assert (host.status, host.asked, mirror.asked) == (1, [], 10)
    assert host.output.splitlines()[-1].startswith("So this host is not registered. ")
    assert not (host.root / "opt/rollcall/current").is_symlink()
    mirror.answers = [mirror.content(archive_of(tmp_path))]
    host.install()
    assert host.status == 0, host.output
    assert host.asked[-1] == "enable --now rollcall-register.service"
    assert (host.root / "opt/rollcall/current/VERSION").is_file()


def test_a_host_with_tls_a_password_and_metrics(
    secured: Cluster,
    play: Callable[..., Rendered],
    booted: Callable[[Json], Host],
    authority: Authority,
    tmp_path: Path,
    mirror: Any,
) -> None:
    client = authority.client()
    played = play(
        "-vvv",
        "--diff",
        rollcall_etcd_endpoints=secured.endpoints,
        rollcall_etcd_user="web",
        rollcall_etcd_password="s3cret-of-web",
        rollcall_etcd_root_password="r",
        user_data_ca_cert=str(authority.ca_cert),
        user_data_client_cert=str(client.cert),
        user_data_client_key=str(client.key),
        user_data_archive_url=mirror.url,
        register_metrics_file=METRICS,
    )
    assert played.rc == 0, played.output
    assert "s3cret-of-web" not in played.output
    assert client.key.read_text().splitlines()[1] not in played.output
    assert stat.S_IMODE((tmp_path / "web.yml").stat().st_mode) == 0o600
    assert (tmp_path / "web.yml").stat().st_size < 16384, "EC2 takes it"

    files, modes = files_of(played.config), modes_of(played.config)
    assert files["/etc/rollcall/ca.crt"] == authority.ca_cert.read_bytes()
    assert files["/etc/rollcall/client.crt"] == client.cert.read_bytes()
    assert files["/etc/rollcall/client.key"] == client.key.read_bytes()
    assert files["/etc/rollcall/register.password"] == b"s3cret-of-web"
    assert modes["/etc/rollcall/client.key"] == modes["/etc/rollcall/register.password"] == "0600"
    assert b"s3cret-of-web" not in files["/etc/rollcall/register.json"]
    assert b"LoadCredential=etcd-password:/etc/rollcall/register.password" in files[UNIT]
    assert f'ReadWritePaths=-"{Path(METRICS).parent}"' in files[UNIT].decode()

    mirror.answers = [mirror.content(archive_of(tmp_path))]
    host = booted(played.config)
    wait_for(lambda: values(secured, f"/infrastructure/web/{NAME}/", user="root:r"), "the host to be registered")
    metrics = host.root / METRICS.lstrip("/")
    wait_for(lambda: has(metrics, 'phase="registered"} 1'), "the metrics to say so")


def test_a_key_alone_is_not_shown_either(play: Callable[..., Rendered], authority: Authority) -> None:
    """The files are those of the controller where the variables of all roles say so, and stay where these say."""
    client = authority.client()
    played = play(
        "-vvv",
        "--diff",
        rollcall_etcd_endpoints=["https://10.0.0.11:2379"],
        rollcall_etcd_client_cert=str(client.cert),
        rollcall_etcd_client_key=str(client.key),
        rollcall_etcd_root_password="r",  # etcdctl is known to etcd by its certificate
        register_method="etcdctl",
    )
    assert played.rc == 0, played.output
    assert f'ETCDCTL_KEY="{client.key}"' in files_of(played.config)["/etc/rollcall/register.env"].decode()
    assert files_of(played.config)[str(client.key)] == client.key.read_bytes()
    assert modes_of(played.config)[str(client.key)] == "0600"
    assert client.key.read_text().splitlines()[1] not in played.output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"rollcall_etcd_client_cert": "/no/c.crt", "rollcall_etcd_client_key": "/no/c.key"},
            "no file /no/c.crt on the",
        ),
        ({"user_data_ca_cert": "/no/ca.crt", "rollcall_etcd_password": "p"}, "user_data_ca_cert is not to be had"),
        ({"user_data_archive_url": "mirror/runtime.tar.gz"}, "begins with http"),
        ({"user_data_archiveurl": "https://mirror/runtime.tar.gz"}, "Unknown variables: user_data_archiveurl."),
        ({"rollcall_etcd_root_password": "r"}, "rollcall_etcd_user and rollcall_etcd_password"),
        ({"rollcall_etcd_user": "web:s3cret"}, "is no name, or has a colon in it"),
        ({"register_role": "we b"}, "the role 'we b' is not a valid name"),
        ({"register_checks": {"web": {"type": "htpp"}}}, "htpp"),
        ({"register_method": "etcdctl", "register_role": "web/api"}, "the role 'web/api' is not a valid name"),
        ({"register_method": "etcdctl", "register_address": "10.0.0.5 x"}, "is not an IP address"),
        ({"register_method": "etcdctl", "register_services": {"web": {"port": 80}}}, "nothing else"),
    ],
)
def test_what_would_boot_into_an_error_is_not_made(
    play: Callable[..., Rendered], tmp_path: Path, options: Json, words: str
) -> None:
    played = play(**{"rollcall_etcd_endpoints": ["https://10.0.0.11:2379"], **options})
    assert played.rc == 2
    assert words in " ".join(played.output.split())
    assert not (tmp_path / "web.yml").exists()


def test_options_from_a_command_line_are_text(play: Callable[..., Rendered]) -> None:
    words = (
        "register_ttl=20",
        "register_self_check=1.5",
        "register_drain_time=0",
        "rollcall_etcd_validate_certs=false",
    )
    arguments = [argument for word in words for argument in ("-e", word)]
    played = play(*arguments, rollcall_etcd_endpoints=["https://10.0.0.11:2379"])
    assert played.rc == 0, played.output
    said = json.loads(files_of(played.config)["/etc/rollcall/register.json"])
    assert (said["ttl"], said["self_check"], said["drain_time"]) == (20, 1.5, 0)
    assert said["etcd"]["validate_certs"] is False


def test_without_our_agent(render: Callable[..., Json], etcd: Cluster, tmp_path: Path) -> None:
    config = render(
        register_method="etcdctl", register_address={"route": "10.0.0.1"}, register_ttl=10, register_self_check=0.5
    )
    assert config["packages"] == ["etcd-client"]
    host = Host(config, tmp_path / "host")
    assert (host.status, host.asked) == (0, ["daemon-reload", "enable --now rollcall-register.service"])
    script = tmp_path / "host/usr/local/sbin/rollcall-etcdctl-register"
    assert script.read_bytes() == (ROLE / "files/etcdctl-register.sh").read_bytes()
    environment = files_of(config)["/etc/rollcall/register.env"].decode()
    for line in (
        f'ETCDCTL_ENDPOINTS="{etcd.endpoints[0]}"',
        'ROLLCALL_PREFIX="/infrastructure/"',
        'ROLLCALL_ROLES="web"',
        'ROLLCALL_ROUTE="10.0.0.1"',
        'ROLLCALL_TTL="10"',
        'ROLLCALL_LOOK="1"',
    ):
        assert line in environment.splitlines()
    assert "ROLLCALL_NAME" not in environment, "it is the host's own"
    assert b"ExecStart=/usr/local/sbin/rollcall-etcdctl-register" in files_of(config)[UNIT]


def test_what_etcdctl_reads_is_quoted(render: Callable[..., Json], tmp_path: Path) -> None:
    """In double quotes systemd and the shell take away the same backslashes (systemd.exec, EnvironmentFile)."""
    user = 'DOM\\web"$HOME`x`'
    config = render(register_method="etcdctl", rollcall_etcd_user=user, rollcall_etcd_password="p")
    file = tmp_path / "register.env"
    file.write_bytes(files_of(config)["/etc/rollcall/register.env"])
    read = subprocess.run(
        ["sh", "-c", '. "$0" && printf %s "$ETCDCTL_USER"', str(file)], capture_output=True, text=True, check=True
    )
    assert read.stdout == user
