# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The template of the role haproxy, through both of its renderings: by Ansible as the role does it, then by ours."""

from __future__ import annotations

import re
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.keystore import KeyTable
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.templates import Template
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.view import View
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.model import (
    CRITICAL,
    Document,
    Node,
    Service,
)
from tests.support.playbook import run_tasks
from tests.support.waiting import wait_for

ROLE = Path(__file__).resolve().parents[3] / "roles/haproxy"


def node(name: str, service: str = "", health: str = "passing", role: str = "web", **more: Any) -> Node:
    """A node, with at most one service."""
    services = (Service(service, 8080, weight=50, health=health),) if service else ()
    document = Document(services=services)
    return Node("", role, name, f"10.0.0.{ord(name[-1])}", health, document, roles=(role,), **more)


@pytest.fixture
def rendered(ansible_bin: Path, haproxy: str, tmp_path: Path) -> Any:
    """Renders `haproxy_services` for nodes."""

    def render(services: list[dict[str, Any]], *nodes: Node, ipv6: bool = True, **options: Any) -> str:
        tasks = yaml.safe_load((ROLE / "tasks/main.yml").read_text())
        (arguments,) = [task["ansible.builtin.template"] for task in tasks if "ansible.builtin.template" in task]
        template = tmp_path / "haproxy.cfg.j2"
        task = {
            "name": "template",
            "ansible.builtin.template": {
                **arguments,
                "src": str(ROLE / "templates/haproxy.cfg.j2"),
                "dest": str(template),
            },
        }
        known = {"__haproxy_ipv6": {"stat": {"exists": ipv6}}}
        files = [str(ROLE / "defaults/main.yml"), str(ROLE / "vars/main.yml")]
        done = run_tasks(
            ansible_bin,
            tmp_path,
            [{**task, "vars": {"haproxy_services": services, **known, **options}}],
            vars_files=files,
        )
        assert done.rc == 0, done.output
        content = Template(str(template)).render(View(1, list(nodes), KeyTable({}), len(nodes), [])).decode()
        config = tmp_path / "haproxy.cfg"
        config.write_text(content)
        checked = subprocess.run([haproxy, "-c", "-f", str(config)], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr + content
        return content

    return render


def servers(content: str) -> list[str]:
    """The server lines, without the word server."""
    return [line.split(None, 1)[1] for line in content.splitlines() if line.strip().startswith("server ")]


def test_the_example_of_the_readme(rendered: Any) -> None:
    example = re.search(r"^```yaml\n(.*?)^```", (ROLE / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    assert example
    services = yaml.safe_load(example[1])[0]["roles"][0]["vars"]["haproxy_services"]
    content = rendered(services, node("web1", "web"), node("db1", "postgres", role="db"), node("ci1", role="jenkins"))
    assert servers(content) == [
        "web1 10.0.0.49:8080 weight 50",
        "db1 10.0.0.49:8080 weight 50",
        "ci1 10.0.0.49:8080 weight 100",
    ]
    backends = content.split("\nbackend ")[1:]
    assert [backend.split()[0] for backend in backends] == ["web", "postgres", "jenkins"]
    assert "option httpchk GET /health" in backends[0]
    assert "mode tcp" in backends[1]


def test_without_nodes_it_is_still_a_configuration(rendered: Any) -> None:
    assert servers(rendered([{"name": "web", "port": 80}])) == []


def test_who_leaves_or_is_drained_gets_nothing_new_and_a_bad_check_does_not_end_the_service(rendered: Any) -> None:
    web = [{"name": "web", "port": 80}]
    leaving, drained = node("web3", "web", "drain"), node("web4", "web", maintenance={"by": "me"})
    critical = node("web2", "web", CRITICAL)
    content = rendered(web, node("web1", "web"), critical, leaving, drained)
    assert [line.rsplit(" ", 1)[1] for line in servers(content)] == ["50", "0", "0", "0"]
    content = rendered(web, critical, leaving, drained)
    assert [line.rsplit(" ", 1)[1] for line in servers(content)] == ["50", "0", "0"]


def test_filters_and_further_lines(rendered: Any) -> None:
    item = {
        "name": "api",
        "port": 8443,
        "bind": "127.0.0.1",
        "service": "web",
        "role": "app",
        "server": "maxconn 100",
        "backend": ["http-request set-header X-Api yes"],
        "frontend": ["maxconn 1000"],
    }
    nodes = (node("app1", "web", role="app"), node("web1", "web"))
    content = rendered([item], *nodes, haproxy_global=["maxconn 5000"], haproxy_defaults=["timeout queue 5s"])
    assert servers(content) == ["app1 10.0.0.49:8080 weight 50 maxconn 100"]
    lines = [line.strip() for line in content.splitlines()]
    assert {"bind 127.0.0.1:8443", *item["backend"], *item["frontend"], "maxconn 5000", "timeout queue 5s"} <= set(
        lines
    )


def test_a_service_without_bind_is_reached_over_ipv4_and_ipv6(rendered: Any, haproxy: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    content = rendered([{"name": "web", "port": port}], node("web1", "web"))
    config = tmp_path / "run.cfg"
    dropped = ("chroot", "user ", "group ", "stats socket", "log ")
    lines = [line for line in content.splitlines() if not line.strip().startswith(dropped)]
    config.write_text("\n".join([*lines, ""]))
    process = subprocess.Popen([haproxy, "-db", "-f", str(config)], stderr=subprocess.DEVNULL)
    try:
        for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            wait_for(lambda f=family, a=address: connects(f, a, port), f"HAProxy to listen on {address}")
    finally:
        process.kill()
        process.wait()
    assert f"bind :{port}" in rendered([{"name": "web", "port": port}], ipv6=False)
    assert "bind :::" not in rendered([{"name": "web", "port": port}], ipv6=False)


def connects(family: int, address: str, port: int) -> bool:
    with socket.socket(family) as sock:
        return sock.connect_ex((address, port)) == 0
