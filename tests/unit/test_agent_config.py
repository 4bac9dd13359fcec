# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""register.json: what is taken, and what each mistake is called. Every message names the file and the key."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.checking import check_config
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.checking.probe_http import Http
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.checking.probe_systemd import Systemd
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.checking.probe_tcp import Tcp
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.config import ConfigError
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.registering.addresses import Source
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.registering.register_config import (
    RegisterConfig,
    load,
)
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.errors import RegistryError

Json = dict[str, Any]
Load = Callable[..., RegisterConfig]

FULL: Json = {
    "etcd": {"endpoints": ["http://etcd1:2379", "http://etcd2:2379"], "timeout": 4},
    "prefix": "/infrastructure",
    "layout": "{dc}/{role}/{name}",
    "state_prefix": "/state",
    "name": "web1",
    "role": "web",
    "dc": "eu-west-1a",
    "address": "10.0.0.5",
    "ttl": 15,
    "self_check": 30,
    "drain_time": 2.5,
    "services": {"web": {"port": 8080, "weight": 50, "tags": ["blue"], "meta": {"path": "/"}}, "ssh": {"port": 22}},
    "tags": ["edge"],
    "meta": {"rack": 12},
    "checks": {
        "web": {"type": "http", "url": "http://127.0.0.1:8080/", "service": "web", "interval": 5, "rise": 1},
        "ssh": {"type": "tcp", "port": 22, "timeout": 0.5, "fall": 1},
    },
}
LEAST: Json = {"name": "web1", "role": "web", "address": "10.0.0.5"}


@pytest.fixture
def written(tmp_path: Path) -> Load:
    """Writes a configuration, with `changes` over LEAST, and loads it."""

    def write(config: Json | None = None, **changes: Any) -> RegisterConfig:
        path = tmp_path / "register.json"
        path.write_text(json.dumps({**LEAST, **changes} if config is None else config))
        return load(str(path))

    return write


def test_all_of_it(written: Load) -> None:
    config = written(FULL)
    assert [str(endpoint) for endpoint in config.settings.endpoints] == ["http://etcd1:2379", "http://etcd2:2379"]
    me = config.identify()
    assert config.layout.directory(me.who) == "/infrastructure/eu-west-1a/web/web1/"
    assert config.address == Source("given", "10.0.0.5")
    assert (config.ttl, config.self_check, config.drain_time, config.settings.timeout) == (15, 30, 2.5, 4)
    assert [(s.name, s.port, s.weight, s.tags) for s in config.services] == [
        ("ssh", 22, 100, ()),
        ("web", 8080, 50, ("blue",)),
    ]
    assert (me.document.tags, me.document.meta) == (("edge",), {"rack": 12})
    assert len(me.document.id) == 32
    ssh, web = config.checks
    assert (ssh.probe, ssh.service, ssh.timeout, ssh.fall) == (Tcp("127.0.0.1", 22), "", 0.5, 1)
    assert (web.probe, web.service) == (Http("http://127.0.0.1:8080/"), "web")
    assert (web.interval, web.timeout, web.rise, web.fall) == (5, 3, 1, 3)


def test_the_least_of_it(written: Load) -> None:
    config = written()
    assert [str(endpoint) for endpoint in config.settings.endpoints] == ["http://127.0.0.1:2379"]
    assert (config.ttl, config.self_check, config.drain_time, config.checks) == (30, 60, 5, ())
    assert config.identify().document.agent


@pytest.mark.parametrize(
    ("key", "empty"),
    [
        *((key, "") for key in ("prefix", "state_prefix", "layout", "name", "role", "dc", "address", "id_from")),
        ("metrics_file", ""),
        ("roles", []),
        ("allowed_networks", []),
    ],
)
def test_key_that_is_given_and_empty_is_an_error(written: Load, key: str, empty: str | list[str]) -> None:
    with pytest.raises(ConfigError, match=f": {key}: expected a value, got an empty one. Leave the key out"):
        written(**{key: empty})


@pytest.mark.parametrize(
    ("check", "key"),
    [
        ({"type": "http", "url": "http://127.0.0.1/", "method": ""}, "method"),
        ({"type": "http", "url": "http://127.0.0.1/", "body": ""}, "body"),
        ({"type": "http", "url": "http://127.0.0.1/", "status": []}, "status"),
        ({"type": "http", "url": "https://127.0.0.1/", "ca_cert": ""}, "ca_cert"),
        ({"type": "tcp", "port": 1, "service": ""}, "service"),
        ({"type": "tcp", "port": 1, "host": ""}, "host"),
        ({"type": "tcp", "port": 1, "severity": ""}, "severity"),
        ({"type": "process", "pidfile": "/run/a.pid", "process": ""}, "process"),
        ({"type": "alias", "node": "db1", "of_service": ""}, "of_service"),
    ],
)
def test_key_of_a_check_that_is_given_and_empty_is_an_error(written: Load, check: Json, key: str) -> None:
    with pytest.raises(ConfigError, match=f"checks.a.{key}: expected .*, got an empty .*. Leave the key out"):
        written(checks={"a": check})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prefx": "/x"}, "prefx: unknown key; known are: address, allowed_networks, checks,"),
        ({"etcd": {"endpoint": "x"}}, "etcd.endpoint: unknown key; known are: ca_cert,"),
        ({"services": {"web": {"port": 80, "wieght": 1}}}, "services.web.wieght: unknown key; known are: meta, port,"),
        (
            {"checks": {"a": {"type": "tcp", "port": 1, "url": "x"}}},
            "checks.a.url: unknown key; known are: ca_cert,",
        ),
        ({"checks": {"a": {"type": "ftp"}}}, "checks.a.type: expected one of alias, http, process,"),
        ({"checks": {"a": {}}}, "checks.a.type: it is missing"),
        ({"checks": {"a": []}}, "checks.a: a JSON object is wanted, not a list"),
        ({"checks": {"a b": {"type": "tcp", "port": 1}}}, "checks.a b: the check 'a b' is not a valid name"),
        ({"checks": {"a": {"type": "tcp", "port": 0}}}, "checks.a.port: 0 is not a whole number from 1 to 65535"),
        ({"checks": {"a": {"type": "tcp", "port": "22"}}}, "checks.a.port: '22' is not a whole number"),
        (
            {"checks": {"a": {"type": "tcp", "port": 1, "service": "x"}}},
            "checks.a.service: expected a service of",
        ),
        (
            {"checks": {"a": {"type": "tcp", "port": 1, "interval": 0}}},
            "checks.a.interval: 0 is not a number of",
        ),
        ({"checks": {"a": {"type": "http", "url": "ftp://x/"}}}, "checks.a.url: 'ftp://x/' is not a URL as"),
        ({"checks": {"a": {"type": "http", "url": "http://h/a b"}}}, "checks.a.url: 'http://h/a b' is not a URL as"),
        ({"checks": {"a": {"type": "http", "url": "http://h:x/"}}}, "checks.a.url: 'http://h:x/' is not a URL as"),
        ({"checks": {"a": {"type": "http", "url": "http://u:p@h/"}}}, "checks.a.url: "),
        (
            {"checks": {"a": {"type": "http", "url": "http://h/", "status": ["2xx"]}}},
            "checks.a.status: '2xx' is neither",
        ),
        (
            {"checks": {"a": {"type": "http", "url": "http://h/", "status": ["299-200"]}}},
            "checks.a.status: no status is in the range '299-200'; did you mean 200-299?",
        ),
        ({"checks": {"a": {"type": "http", "url": "http://h/", "status": [True]}}}, "checks.a.status: True is neither"),
        ({"checks": {"a": {"type": "http", "url": "http://h/", "matches": "("}}}, "checks.a.matches: '(' is not a reg"),
        (
            {"checks": {"a": {"type": "http", "url": "http://h/", "matches": "a{99999999999}"}}},
            "checks.a.matches: 'a{99999999999}' is not a regular expression: the repetition number is too large",
        ),
        (
            {"checks": {"a": {"type": "process", "cmdline": "(" * 5000}}},
            "is not a regular expression: maximum recursion depth exceeded",
        ),
        ({"checks": {"a": {"type": "http", "url": "http://h/", "method": "GE T"}}}, "checks.a.method: 'GE T' is not a"),
        ({"checks": {"a": {"type": "http", "url": "http://h/", "ca_cert": "/x"}}}, "checks.a.ca_cert: this check does"),
        (
            {"checks": {"a": {"type": "http", "url": "http://h/", "headers": {"a b": "x"}}}},
            "checks.a.headers: 'a b' is",
        ),
        (
            {"checks": {"a": {"type": "http", "url": "http://h/", "headers": {"A": "x\ry"}}}},
            "checks.a.headers.A: its value is not a line of plain text",
        ),
        (
            {"checks": {"a": {"type": "https", "url": "https://h/"}}},
            "expected one of alias, http, process, script, systemd, tcp, ttl, got 'https'",
        ),
        (
            {"checks": {"a": {"type": "http", "url": "https://h/", "client_cert": "/x"}}},
            "checks.a.client_cert: client_cert and client_key belong together",
        ),
        ({"checks": {"a": {"type": "script"}}}, "checks.a.command: it is missing"),
        ({"checks": {"a": {"type": "script", "command": []}}}, "checks.a.command: wanted is a line for the shell, or"),
        ({"checks": {"a": {"type": "script", "command": ["a", 1]}}}, "checks.a.command: wanted is a line for the"),
        ({"checks": {"a": {"type": "script", "command": "a\0b"}}}, "checks.a.command: it has a NUL in it, which no"),
        ({"checks": {"a": {"type": "script", "command": ["a\0b"]}}}, "checks.a.command: it has a NUL in it, which no"),
        ({"checks": {"a": {"type": "tcp", "port": 1, "send": "\ud800"}}}, "checks.a.send: it has half of a surrogate"),
        ({"checks": {"a": {"type": "ttl", "file": "/a\0b", "ttl": 3}}}, "checks.a.file: it has a NUL in it, which no"),
        ({"checks": {"a": {"type": "systemd", "unit": "--all"}}}, "checks.a.unit: expected the name of a unit such as"),
        (
            {"checks": {"a": {"type": "systemd", "unit": "x" * 250}}},
            "checks.a.unit: expected the name of a unit such as",
        ),
        ({"checks": {"a": {"type": "systemd", "unit": "app@"}}}, "checks.a.unit: app@.service is a template, which"),
        (
            {"checks": {"a": {"type": "script", "command": ["", "-v"]}}},
            "checks.a.command: the program, its first word,",
        ),
        ({"checks": {"a": {"type": "process", "process": "/usr/sbin/x"}}}, "checks.a.process: a name has no directory"),
        ({"checks": {"a": {"type": "ttl", "file": "beat", "ttl": 3}}}, "checks.a.file: 'beat' is not an absolute path"),
        ({"checks": {"a": {"type": "ttl", "file": "/beat"}}}, "checks.a.ttl: it is missing"),
        ({"checks": {"a": {"type": "process"}}}, "checks.a: one of process, cmdline and pidfile is wanted"),
        ({"checks": {"a": {"type": "process", "cmdline": "["}}}, "checks.a.cmdline: '[' is not a regular expression"),
        ({"checks": {"a": {"type": "alias"}}}, "checks.a.of_service: on this host itself, an alias takes the health"),
        ({"checks": {"a": {"type": "alias", "node": "b", "dc": "eu"}}}, "checks.a.dc: the layout {role}/{name} has no"),
        (
            {"checks": {"a": {"type": "tcp", "port": 1, "initial": "drain"}}},
            "checks.a.initial: expected one of crit",
        ),
        (
            {"checks": {"a": {"type": "tcp", "port": 1, "severity": "passing"}}},
            "checks.a.severity: expected one of",
        ),
        (
            {"checks": {"a": {"type": "tcp", "port": 1, "severity": "warning", "deregister_after": 60}}},
            "checks.a.deregister_after: a check of severity warning is never critical",
        ),
        ({"checks": {"a": {"type": "alias", "node": "a b"}}}, "checks.a.node: the name 'a b' is not a host name"),
        ({"checks": {"a": {"type": "alias", "node": "db1", "role": "a/b"}}}, "checks.a.role: the role 'a/b' is not"),
        (
            {"checks": {"a": {"type": "tcp", "port": 1, "validate_certs": False}}},
            "checks.a.validate_certs: this check does no TLS",
        ),
        (
            {"address": {"cidr": "10.0.0.0/8"}, "allowed_networks": ["192.168.0.0/16", "fd00::/8"]},
            "address.cidr: no address of 10.0.0.0/8 is in one of the allowed networks",
        ),
        ({"address": {"cidr": "127.0.0.0/8"}}, "address.cidr: other hosts cannot reach the addresses of 127.0.0.0/8"),
        ({"writes": {"per_minute": 0}}, "writes.per_minute: 0 is not a whole number from 1 to 6000"),
        (
            {"services": {"web": {"port": 80, "weight_warning": -1}}},
            "services.web: the weight_warning of service 'web'",
        ),
        ({"services": {"web": {}}}, "services.web.port: it is missing"),
        ({"services": {"web": {"port": 99999}}}, "services.web: the port of service 'web' 99999 is not a number"),
        ({"services": {"a/b": {"port": 1}}}, "services.a/b: the service 'a/b' is not a valid name"),
        ({"name": "localhost"}, "name: the name 'localhost' is reserved"),
        ({"role": "a/b"}, "role: the role 'a/b' is not a valid name"),
        ({"role": None}, "role: either role or roles is wanted"),
        ({"roles": ["api"]}, "role: either role or roles is wanted, not both"),
        ({"role": None, "roles": ["a/b"]}, "roles: the role 'a/b' is not a valid name"),
        ({"role": None, "roles": ["api", "api"]}, "roles: a role is there twice"),
        ({"dc": "eu"}, "dc: the layout {role}/{name} has no data centre"),
        ({"layout": "{dc}/{role}/{name}"}, "dc: the layout {dc}/{role}/{name} needs a data centre"),
        ({"layout": "{name}"}, "got '{name}'"),
        ({"address": "web1.example"}, "address: the address 'web1.example' is not an IP address"),
        ({"address": "127.0.0.1"}, "address: the address 127.0.0.1 is loopback"),
        ({"address": 5}, "address: a JSON object is wanted, not a number"),
        ({"address": {"family": 4}}, "address: one of interface, cidr, route, command is wanted"),
        ({"address": {"interface": "a", "route": "default"}}, "address: one of interface, cidr, route, command is"),
        ({"address": {"interface": "a", "famly": 4}}, "address.famly: unknown key; known are: cidr, command, family,"),
        ({"address": {"interface": "a", "family": 5}}, "address.family: 5 is neither 4 nor 6"),
        ({"address": {"cidr": "10.0.0.1/8"}}, "address.cidr: '10.0.0.1/8' is not a network as 10.0.0.0/8"),
        ({"address": {"route": "etcd1"}}, "address.route: 'etcd1' is not 'default' or an IP address"),
        ({"address": {"route": "::1", "family": 4}}, "address.family: ::1 is of family 6"),
        ({"address": {"command": "ip a"}}, "address.command: a list is wanted, not a text"),
        ({"address": {"route": ""}}, "address.route: expected a value, got an empty one"),
        ({"address": {"command": []}}, "address.command: it is empty"),
        ({"address": {"command": ["a", "b\0"]}}, "address.command: it has a NUL in it, which no program"),
        ({"metrics_file": "/a\0.prom"}, "metrics_file: it has a NUL in it"),
        ({"prefix": "/\udc80"}, "prefix: it has half of a surrogate pair in it, which is no character"),
        ({"ttl": 1}, "ttl: 1 is not a whole number from 2 to 86400"),
        ({"ttl": True}, "ttl: True is not a whole number"),
        ({"self_check": "60"}, "self_check: '60' is not a number of seconds"),
        ({"drain_time": -1}, "drain_time: -1 is not a number of seconds"),
        ({"tags": "edge"}, "tags: a list is wanted, not a text"),
        ({"tags": [1]}, "tags: a list of texts is wanted, not a number"),
        ({"tags": ["a b"]}, "tags: the tag 'a b' is not a valid name"),
        ({"meta": {"x": "y" * 5000}}, "more than the 4096 that a key may have"),
        ({"checks": {f"c{n}": {"type": "tcp", "port": 1} for n in range(62)}}, "checks: it has more than 64 keys"),
        ({"etcd": {"endpoints": ["http://etcd1:port"]}}, "etcd: etcd endpoint: expected http://host:2379"),
        ({"etcd": {"user": "web1"}}, "etcd: user, password: expected both or neither"),
        ({"etcd": {"user": "web1", "password_file": "/nowhere"}}, "etcd.password_file: cannot read /nowhere"),
        ({"etcd": {"validate_certs": "no"}}, "etcd.validate_certs: true or false is wanted, not a text"),
    ],
)
def test_a_mistake_is_called_by_its_key(written: Load, tmp_path: Path, changes: Json, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        written(**changes)
    assert str(error.value).startswith(f"{tmp_path}/register.json: ")
    assert message in str(error.value)


def test_checks_have_the_defaults_of_their_type(written: Load) -> None:
    port, beat = written(
        checks={
            "beat": {"type": "ttl", "file": "/run/beat", "ttl": 30},
            "a-port": {"type": "tcp", "port": 1, "initial": "passing", "deregister_after": 600},
        }
    ).checks
    assert (port.interval, port.timeout, port.rise, port.fall) == (10, 3, 2, 3)
    assert (port.severity, port.initial, port.deregister_after) == ("critical", "passing", 600)
    assert (beat.rise, beat.fall, beat.severity, beat.initial, beat.deregister_after) == (
        1,
        1,
        "critical",
        "critical",
        0,
    )
    assert written().writes == (6, 3, 5, 300)
    assert written(writes={"dwell": 1, "burst": 9}).writes == (6, 9, 1, 300)


def test_what_is_sent_or_looked_for_may_have_a_nul(written: Load) -> None:
    (probe,) = written(
        checks={"postgres": {"type": "tcp", "port": 5432, "send": "\0\0\0\b\4\xd2\26/", "expect": "S"}}
    ).checks
    assert probe.probe == Tcp("127.0.0.1", 5432, send="\0\0\0\b\4\xd2\26/", expect="S")


@pytest.mark.parametrize(
    ("given", "unit"),
    [("web", "web.service"), ("my.app", "my.app.service"), ("web.socket", "web.socket"), ("a@b", "a@b.service")],
)
def test_a_unit_without_a_type_is_a_service(written: Load, given: str, unit: str) -> None:
    (check,) = written(checks={"web": {"type": "systemd", "unit": given}}).checks
    assert check.probe == Systemd(unit)


def test_only_the_types_that_are_configured_are_imported(tmp_path: Path) -> None:
    config = tmp_path / "register.json"
    config.write_text(json.dumps({**LEAST, "checks": {"a": {"type": "tcp", "port": 1}}}))
    program = (
        "import sys;"
        "from ansible_collections.rollcall.discovery.plugins.module_utils._agent.registering import register_config;"
        f"register_config.load({str(config)!r});"
        "print(*sorted(name.rpartition('.')[2] for name in sys.modules if '.probe' in name),"
        " *sorted({'subprocess', 'tempfile'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["probe", "probe_tcp"]


def test_every_type_has_its_file() -> None:
    files = {path.stem for path in Path(check_config.__file__).parent.glob("probe_*.py")}
    assert files == {f"probe_{kind}" for kind in check_config.TYPES}


def test_a_loopback_address_can_be_allowed(written: Load) -> None:
    assert written(address="127.0.0.1", allowed_networks=["127.0.0.0/8"]).address.value == "127.0.0.1"


def test_several_roles(written: Load) -> None:
    config = written(role=None, roles=["web", "api"])
    assert list(map(str, config.identify().identities)) == ["web/web1", "api/web1"]


def test_what_the_host_says_of_itself_is_asked_only_when_it_is_needed(
    written: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a file can be checked where an image is built."""
    monkeypatch.setattr(socket, "gethostname", lambda: "localhost")
    config = written(name=None, address=None)
    assert str(config.address) == "route default"
    with pytest.raises(RegistryError, match="host name 'localhost' as the node's name: the name 'localhost' is"):
        config.identify()
    monkeypatch.setattr(socket, "gethostname", lambda: "web7.example.com")
    assert config.identify().who.name == "web7"


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ({"interface": "eth0"}, Source("interface", "eth0", 0, 5)),
        ({"cidr": "10.0.0.0/8", "interval": 1}, Source("cidr", "10.0.0.0/8", 0, 1)),
        ({"route": "10.0.0.1", "family": 4}, Source("route", "10.0.0.1", 4, 5)),
        ({"command": ["/bin/echo", "a b"]}, Source("command", "/bin/echo 'a b'", 0, 60)),
    ],
)
def test_where_the_address_comes_from(written: Load, address: Json, source: Source) -> None:
    assert written(address=address).address == source


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "this is not JSON: "),
        ("[]", "a JSON object is wanted, not a list"),
        ("\xff", "this is not JSON: "),
        ('{"meta":' * 100_000, "it is nested too deeply"),
        ('{"ttl": 30, "ttl": 60}', "the key ttl is there twice in one object"),
        ('{"meta": {"\\u001b": 1, "\\u001b": 2}}', r"the key \\x1b is there twice in one object"),
        ('{"ttl": ' + "9" * 1_000_000 + "}", "the number 9{40}... has 1000000 digits"),
    ],
)
def test_a_file_that_is_no_configuration(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "register.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=f"{path}: {message}"):
        load(str(path))


def test_a_path_that_leads_to_something_endless() -> None:
    with pytest.raises(ConfigError, match="/dev/zero: it has more than 4 MiB: this is no configuration"):
        load("/dev/zero")


def test_a_password_that_never_ends_is_no_reason_to_run_out_of_memory(written: Load) -> None:
    assert len(written(etcd={"user": "web1", "password_file": "/dev/zero"}).settings.password) == 65536


def test_a_message_is_one_short_line_whatever_the_key_is_called(written: Load) -> None:
    with pytest.raises(ConfigError) as error:
        written(services={"\u2028\x1b[2J" + "x" * 10_000: {"port": 80}})
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 1000


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Cannot read the configuration .*/none.json: No such file"):
        load(str(tmp_path / "none.json"))


def test_the_password_comes_from_the_credential_before_the_file(
    written: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "password"
    file.write_text("from file\n")
    etcd = {"user": "web1", "password_file": str(file)}
    assert written(etcd=etcd).settings.password == "from file"
    (tmp_path / "etcd-password").write_text("from credential\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert written(etcd=etcd).settings.password == "from credential"


def test_no_message_shows_a_secret(written: Load) -> None:
    for password in ("s3cret", ["s3cret"], {"s3cret": 1}):
        with pytest.raises(ConfigError) as error:
            written(etcd={"password": password})
        assert "s3cret" not in str(error.value)
    assert "s3cret" not in repr(written(etcd={"user": "web1", "password": "s3cret"}))
