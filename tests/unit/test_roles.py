# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a role says of itself: defaults, argument specification and README tell of the same options."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar, trust_as_template

from ansible_collections.rollcall.discovery.plugins.module_utils import _options
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.checking.check_config import TYPES
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.config import ConfigError
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.registering import register_config
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering import render_config
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import InvalidSettings
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.settings import Settings
from ansible_collections.rollcall.discovery.plugins.plugin_utils import _roles

ROLES = sorted(path for path in (Path(__file__).resolve().parents[2] / "roles").iterdir())

Json = dict[str, Any]


@pytest.fixture(params=ROLES, ids=lambda path: path.name)
def role(request: pytest.FixtureRequest) -> Path:
    return request.param


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def spec_of(role: Path) -> Json:
    return load(role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"]


def test_defaults_and_specification_name_the_same_options(role: Path) -> None:
    defaults, spec = load(role / "defaults/main.yml"), spec_of(role)
    assert defaults.keys() == spec.keys()
    assert all(name.startswith(f"{role.name}_") for name in spec)
    told = {name: option["default"] for name, option in spec.items() if "default" in option}
    assert told == {name: defaults[name] for name in told}
    # What is not told is a dictionary of what others have set, and may hold a password.
    assert all(spec[name]["type"] == "dict" for name in spec.keys() - told.keys())


def test_the_readme_tells_of_every_option(role: Path) -> None:
    told = set(re.findall(rf"`({role.name}_[a-z_]+)`", (role / "README.md").read_text()))
    assert told >= spec_of(role).keys()
    assert told <= spec_of(role).keys()


def test_the_example_of_the_readme_is_a_play_with_options_that_there_are(role: Path) -> None:
    example = re.search(r"^```yaml\n(.*?)^```", (role / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    assert example
    (play,) = yaml.safe_load(example[1])
    (used,) = play["roles"]
    assert used["role"] == f"rollcall.discovery.{role.name}"
    own = {name for name in used["vars"] if not name.startswith("rollcall_")}
    assert own <= spec_of(role).keys()


def test_no_secret_is_a_default_of_a_specification(role: Path) -> None:
    """A specification is printed with -vvv."""
    assert "agent_etcd }}" not in (role / "meta/argument_specs.yml").read_text()


def test_a_directory_that_is_missing_ends_no_service(role: Path) -> None:
    """systemd.exec: without a minus before the path the service fails with 226/NAMESPACE."""
    for unit in role.glob("templates/*.service.j2"):
        lines = [line for line in unit.read_text().splitlines() if line.startswith("ReadWritePaths=")]
        assert all(line.startswith("ReadWritePaths=-") for line in lines), unit


@pytest.mark.parametrize(("dest", "protected"), [("/etc/hosts.web", "true"), ("/etc/haproxy/haproxy.cfg", "full")])
def test_the_renderer_may_write_a_file_directly_in_etc(dest: str, protected: str) -> None:
    """systemd drops a writable path that ProtectSystem makes read-only under the same name."""
    (unit,) = [path for role in ROLES for path in role.glob("templates/rollcall-render.service.j2")]
    lines = unit.read_text().splitlines(keepends=True)
    start = next(number for number, line in enumerate(lines) if "set directories" in line)
    end = next(number for number, line in enumerate(lines) if line.startswith("ReadWritePaths=")) + 1
    options = {"render_templates": [{"dest": dest}], "render_added_templates": [], "render_writable_paths": []}
    section = trust_as_template("".join(lines[start:end]))
    rendered = Templar(DataLoader(), variables={**options, "render_state_dir": "/var/lib/rollcall"}).template(section)
    assert f"ProtectSystem={protected}\n" in rendered
    assert f"ReadWritePaths=-{Path(dest).parent} -/var/lib/rollcall" in rendered


def test_the_role_register_has_the_options_of_every_type_of_check(tmp_path: Path) -> None:
    """The agent names all keys that it knows when it meets an unknown one."""
    options = spec_of(next(path for path in ROLES if path.name == "register"))["register_checks"]["options"]
    assert options["type"]["choices"] == sorted(TYPES)
    known = {"name"}
    for kind, needed in NEEDED.items():
        config = {
            "etcd": {"endpoints": ["http://127.0.0.1:2379"]},
            "role": "web",
            "services": {"web": {"port": 80}},
            "checks": {"x": {"type": kind, "unknown": 1, **needed}},
        }
        file = tmp_path / "register.json"
        file.write_text(json.dumps(config))
        with pytest.raises(ConfigError, match="unknown key") as caught:
            register_config.load(str(file))
        known |= set(str(caught.value).partition("known are: ")[2].split(", "))
    assert options.keys() == known


def test_the_role_register_has_every_option_of_the_agent(tmp_path: Path) -> None:
    file = tmp_path / "register.json"
    file.write_text(json.dumps({"etcd": {"endpoints": ["http://a:1"]}, "role": "web", "name": "web1", "unknown": 1}))
    with pytest.raises(ConfigError, match="unknown key") as caught:
        register_config.load(str(file))
    known = set(str(caught.value).partition("known are: ")[2].split(", "))
    options = spec_of(ROLES[0].parent / "register").keys()
    of_agent = {"prefix", "layout", "state_prefix"}
    assert {f"register_{key}" for key in known - of_agent} <= options
    given = {"rollcall_etcd_endpoints": ["http://a:1"], "register_allowed_networks": ["10.0.0.0/8"]}
    assert connections("register", given)["__register_config"]["allowed_networks"] == ["10.0.0.0/8"]


def known_keys(tmp_path: Path, config: Json) -> set[str]:
    """The renderer names all keys that it knows when it meets an unknown one."""
    file = tmp_path / "render.json"
    file.write_text(json.dumps(config))
    with pytest.raises(ConfigError, match="unknown key") as caught:
        render_config.load(str(file))
    return set(str(caught.value).partition("known are: ")[2].split(", "))


def test_the_role_render_has_every_option_of_the_renderer(tmp_path: Path) -> None:
    spec = spec_of(next(path for path in ROLES if path.name == "render"))
    base = {"name": "lb1", "templates": [{"src": "/a", "dest": "/b"}]}
    names = {key.removeprefix("render_") for key in spec} | {"prefix", "layout", "state_prefix"}  # agent_registry
    assert known_keys(tmp_path, {**base, "unknown": 1}) <= names
    for section in ("timing", "intervals"):
        assert known_keys(tmp_path, {**base, section: {"unknown": 1}}) == spec[f"render_{section}"]["options"].keys()
    of_file = known_keys(tmp_path, {**base, "templates": [{"src": "/a", "dest": "/b", "unknown": 1}]})
    assert of_file == spec["render_templates"]["options"].keys()
    written = (ROLES[0].parent / "render/templates/render.json.j2").read_text()
    assert set(re.findall(r'^  "([a-z_]+)":', written, re.MULTILINE)) == known_keys(tmp_path, {**base, "unknown": 1})


# What a check of each type cannot do without.
NEEDED: dict[str, Json] = {
    "alias": {"node": "db1"},
    "http": {"url": "http://127.0.0.1/"},
    "process": {"process": "sshd"},
    "script": {"command": "true"},
    "systemd": {"unit": "ssh.service"},
    "tcp": {"port": 22},
    "ttl": {"file": "/run/x", "ttl": 5},
}


def connections(role: str, variables: Json) -> Json:
    """The way to etcd that the agent, the renderer and etcdctl are given, by the variables of the roles."""
    templar = Templar(DataLoader())
    files = [ROLES[0].parent / name / f"{part}/main.yml" for name in ("agent", role) for part in ("defaults", "vars")]
    known: Json = {}
    for file in files:
        known.update(DataLoader().load_from_file(str(file), trusted_as_template=True))
    templar.available_variables = {**known, **HOST, **variables}
    wanted = {"register": ("__register_config", "__register_environment"), "render": ("__render_connection",)}[role]
    return {name: templar.template(known[name]) for name in (*wanted, "__agent_admin_options")}


HOST = {
    "inventory_hostname": "h",
    "group_names": ["web"],
    "groups": {},
    "hostvars": {"h": {"inventory_dir": "/nowhere"}},
    "ansible_check_mode": False,
    "rollcall_etcd_root_password": "",
}


def test_the_roles_pass_on_every_way_to_etcd_that_plugins_know() -> None:
    agent = next(path for path in ROLES if path.name == "agent")
    ambient = {name for name, option in _options.CONNECTION.items() if option.ambient}
    for option in ("agent_etcd", "agent_admin"):
        assert load(agent / "defaults/main.yml")[option].keys() == ambient
        assert spec_of(agent)[option]["options"].keys() == ambient
    for name in ambient:
        assert f"`{_options.CONNECTION[name].var}`" in (agent / "README.md").read_text()


def test_every_connection_of_a_role_has_the_same_options() -> None:
    shared = spec_of(ROLES[0].parent / "agent")["agent_etcd"]["options"]
    for role in ("register", "render"):
        assert spec_of(ROLES[0].parent / role)[f"{role}_etcd"]["options"] == shared


@pytest.mark.parametrize(("timeout", "shown"), [(5, "5s"), ("5", "5s"), ("2.5", "2.5s"), ("1m30s", "1m30s")])
def test_a_timeout_may_be_a_duration_as_in_the_plugins(timeout: Any, shown: str) -> None:
    found = connections("register", {"rollcall_etcd_endpoints": ["http://a:1"], "rollcall_etcd_timeout": timeout})
    assert found["__register_environment"]["ETCDCTL_COMMAND_TIMEOUT"] == shown
    assert found["__register_config"]["etcd"]["timeout"] == timeout


@pytest.mark.parametrize("user", ["lb:s3cret", {"lb": "s3cret"}, ["lb:s3cret"]])
@pytest.mark.parametrize("option", ["register_etcd", "render_etcd", "agent_etcd"])
def test_no_password_gets_into_a_configuration_beside_its_user(option: str, user: Any) -> None:
    (task,) = DataLoader().load_from_file(str(ROLES[0].parent / "agent/tasks/apart.yml"), trusted_as_template=True)
    known: Json = {}
    for part in ("defaults", "vars"):
        file = ROLES[0].parent / f"agent/{part}/main.yml"
        known.update(DataLoader().load_from_file(str(file), trusted_as_template=True))
    given = {"endpoints": ["http://a:1"]}
    for value, accepted in ((user, False), ("lb", True), ("", True), (None, True)):
        variables = {**known, **HOST, "agent_etcd": given, **task["vars"], option: {**given, "user": value}}
        templar = Templar(DataLoader(), variables=variables)
        holds = [templar.evaluate_conditional(fact) for fact in task["ansible.builtin.assert"]["that"]]
        assert all(holds) is accepted


@pytest.mark.parametrize("insecure", [None, True, "true"])
def test_a_domain_takes_the_place_of_endpoints_in_the_roles(insecure: Any) -> None:
    given = {"rollcall_etcd_discovery_srv": "example.com", "rollcall_etcd_tls_server_name": "etcd"}
    if insecure is not None:
        given["rollcall_etcd_discovery_srv_insecure"] = insecure
    found = connections("register", given)
    for way in (found["__register_config"]["etcd"], connections("render", given)["__render_connection"]):
        assert "endpoints" not in way
        settings = Settings.from_mapping({name: value for name, value in way.items() if name != "password_file"})
        assert (settings.discovery_srv, settings.discovery_srv_insecure) == ("example.com", insecure is not None)
        assert settings.tls.server_name == "etcd"
    assert found["__agent_admin_options"]["discovery_srv_insecure"] is (insecure is not None)
    environment = found["__register_environment"]
    assert (environment["ETCDCTL_ENDPOINTS"], environment["ETCDCTL_DISCOVERY_SRV"]) == ("", "example.com")
    assert environment["ETCDCTL_INSECURE_DISCOVERY"] == ("true" if insecure else "false")


@pytest.mark.parametrize("endpoints", [[], ""])
def test_endpoints_that_are_given_and_empty_never_become_the_hosts_own_etcd(endpoints: Any) -> None:
    given = {"rollcall_etcd_endpoints": endpoints}
    found = connections("register", given)
    rendered = connections("render", given)["__render_connection"]
    for way in (found["__register_config"]["etcd"], rendered, found["__agent_admin_options"]):
        with pytest.raises(InvalidSettings, match="endpoints: expected a value, got an empty one"):
            Settings.from_mapping({name: value for name, value in way.items() if name != "password_file"})


@pytest.mark.parametrize(
    ("sources", "accepted"),
    [
        (["a/web.j2", "a/app.j2"], True),
        (["a/web.j2", "a/web.j2"], True),
        (["a/web.j2", "b/web.j2"], False),
        ([], True),
    ],
)
def test_templates_of_one_file_name_do_not_replace_each_other(sources: list[str], accepted: bool) -> None:
    role = ROLES[0].parent / "render"
    tasks = DataLoader().load_from_file(str(role / "tasks/main.yml"), trusted_as_template=True)
    (task,) = [task for task in tasks if task["name"] == "Check that no two templates have the same file name"]
    variables = {"render_templates": [{"src": src} for src in sources], **task["vars"]}
    templar = Templar(DataLoader(), variables=variables)
    assert templar.evaluate_conditional(task["ansible.builtin.assert"]["that"]) is accepted


def test_without_any_way_to_etcd_a_role_says_which_variables_there_are() -> None:
    with pytest.raises(
        AnsibleError, match="Set rollcall_etcd_endpoints, for all hosts, .* or rollcall_etcd_discovery_srv"
    ):
        connections("register", HOST)


def test_every_shared_variable_that_a_role_reads_is_known() -> None:
    files = [file for role in ROLES for part in ("defaults", "vars", "tasks") for file in role.glob(f"{part}/*.yml")]
    used = {name for file in files for name in re.findall(r"\brollcall_[a-z_]+", file.read_text())}
    assert used <= _roles.shared_variables()
    assert "rollcall_credentials" in used


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("rollcall_credential", "rollcall_credentials"),
        ("rollcall_etcd_endpoint", "rollcall_etcd_endpoints"),
        ("rollcall_etcd_cacert", "rollcall_etcd_ca_cert"),
        ("rollcall_backup_time", ""),
        ("rollcall_meta", ""),
    ],
)
def test_a_misspelt_shared_variable_is_named_with_the_right_one(name: str, meant: str) -> None:
    lookup = lookup_loader.get("rollcall.discovery.unknown_options", templar=Templar(DataLoader()))
    found = lookup.run(["register"], variables={name: 1, "register_role": "web"})
    assert found == ([f"{name} is not a variable of rollcall.discovery; did you mean {meant!r}?"] if meant else [])


def tasks_of(path: Path) -> Iterator[Json]:
    """Every task of a file, also those in blocks."""
    waiting = list(load(path) or [])
    while waiting:
        task = waiting.pop()
        waiting += [inner for part in ("block", "rescue", "always") for inner in task.get(part, [])]
        yield task


def test_roles_install_packages_in_one_place_and_never_trust_the_age_of_the_lists() -> None:
    """A fresh image may come with empty lists that are minutes old."""
    installing = set()
    for path in sorted(
        file for role in ROLES for part in ("tasks", "handlers") for file in role.glob(f"{part}/**/*.yml")
    ):
        for task in tasks_of(path):
            apt = task.get("ansible.builtin.apt", {})
            assert apt.get("update_cache", True) is True, path
            assert "cache_valid_time" not in apt, path
            if "name" in {**apt, **task.get("ansible.builtin.package", {})}:
                installing.add(str(path.relative_to(path.parents[2])))
    assert installing == {"agent/tasks/packages.yml"}


def test_every_role_has_a_molecule_scenario_that_verifies_it(role: Path) -> None:
    scenario = role.parents[1] / "extensions/molecule" / role.name
    (play,) = load(scenario / "converge.yml")
    assert [applied["role"] for applied in play["roles"]] == [f"rollcall.discovery.{role.name}"]
    assert load(scenario / "verify.yml")
