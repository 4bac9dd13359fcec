# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Traffic through a real HAProxy follows the registry, and goes on when the registry does not."""

from __future__ import annotations

import http.server
import json
import socket
import subprocess
import threading
import urllib.request

import pytest

TEMPLATE = """\
global
  hard-stop-after 5s
defaults
  mode http
  timeout connect 1s
  timeout client 5s
  timeout server 5s
  retries 3
  option redispatch 1
frontend web
  bind 127.0.0.1:%d
  default_backend web
backend web
  balance roundrobin
  option httpchk GET /
  {%% for node in nodes(role="web", service="http", health=["passing", "warning"], maintenance=false) %%}
  server {{ node.name }} {{ node.address }}:{{ node.services.http.port }} check inter 200ms
  {%% endfor %%}
"""


class Backend:
    """A web server that answers with its name."""

    def __init__(self, name):
        class Handler(http.server.BaseHTTPRequestHandler):
            wbufsize = -1  # one write for the whole answer: a health check hangs up after the first

            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", str(len(name)))
                self.end_headers()
                self.wfile.write(name.encode())

            def log_message(self, *_arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.document = json.dumps({"services": {"http": {"port": self.server.server_port}}})
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def backends():
    made = {name: Backend(name) for name in ("web1", "web2")}
    yield made
    for backend in made.values():
        backend.server.shutdown()
        backend.server.server_close()


@pytest.fixture
def register(etcd, backends):
    def register(name):
        etcd.put(f"/infrastructure/web/{name}/node", backends[name].document)
        etcd.put(f"/infrastructure/web/{name}/ip", "127.0.0.1")

    return register


@pytest.fixture
def balancer(renderer, register, haproxy, tmp_path):
    """HAProxy with what the renderer has written; gives the names that answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    pid = tmp_path / "haproxy.pid"
    renderer.template.write_text(TEMPLATE % port)
    renderer.config["allowed_networks"] = ["127.0.0.0/8"]
    renderer.file["check_cmd"] = f"{haproxy} -c -f {{src}}"
    renderer.file["reload_cmd"] = f"test ! -e {pid} || kill -USR2 $(cat {pid})"
    register("web1")
    done = renderer.once("--once")
    assert done.returncode == 0, done.stderr
    with (tmp_path / "haproxy.log").open("wb") as log:
        process = subprocess.Popen([haproxy, "-W", "-f", str(renderer.dest), "-p", str(pid)], stdout=log, stderr=log)
    renderer.wait(pid.exists, "HAProxy's process id")

    def answering(count=6):
        names = set()
        for _ in range(count):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                names.add(answer.read().decode())
        return names

    def serving():
        try:
            return answering(1)
        except OSError:
            return None

    renderer.wait(serving, "the first answer")
    yield answering
    process.terminate()
    process.wait(10)


def test_traffic_follows_nodes_that_join_and_leave(etcd, renderer, register, balancer):
    renderer.started()
    assert balancer() == {"web1"}
    register("web2")
    renderer.wait(lambda: balancer() == {"web1", "web2"}, "both")
    etcd.put("/infrastructure/web/web2/health", "critical")
    renderer.wait(lambda: balancer() == {"web1"}, "the healthy one")
    etcd.put("/infrastructure/web/web2/health", "passing")
    renderer.wait(lambda: balancer() == {"web1", "web2"}, "both again")
    etcd.ctl("del", "--prefix", "/infrastructure/web/web1/")
    renderer.wait(lambda: balancer() == {"web2"}, "the other one")


def test_a_configuration_that_haproxy_refuses_stops_no_traffic(etcd, renderer, register, balancer):
    renderer.started()
    renderer.template.write_text(renderer.template.read_text() + "  nonsense on\n")
    register("web2")
    renderer.wait(lambda: "The check refused it" in renderer.status()["files"][0]["error"], "the refusal")
    assert balancer() == {"web1"}
    output = (renderer.state / "failed" / renderer.dest.relative_to("/")).with_name("app.cfg.output").read_text()
    assert "unknown keyword 'nonsense'" in output


def test_traffic_goes_on_without_registry_and_renderer(etcd, renderer, register, balancer):
    register("web2")
    renderer.started()
    renderer.wait(lambda: balancer() == {"web1", "web2"}, "both")
    etcd.ctl("del", "--prefix", "/")
    renderer.wait(lambda: renderer.status()["held"], "the alarm")
    assert balancer() == {"web1", "web2"}
    etcd.members[0].kill()
    renderer.stop()
    renderer.start()
    renderer.wait(lambda: renderer.status()["cut_off"], "the start without etcd")
    assert balancer() == {"web1", "web2"}
