# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules under the real ansible-playbook, against a real etcd.

Witnesses are etcdctl and the Python library etcd3.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import ansible.release
import etcd3
import pytest

from tests.support.real_etcd import Cluster, Tls

SECRET = "s3ntinel-p4ssword"
MODULES = sorted(path.stem for path in (Path(__file__).parents[3] / "plugins/modules").glob("[a-z]*.py"))


def task(name, module, /, **options):
    return {"name": name, f"rollcall.discovery.{module}": options}


def connected(endpoints, **options):
    """The play's keyword that gives the connection once, for the whole action group."""
    return {"group/rollcall.discovery.etcd": {"endpoints": endpoints, **options}}


NODES = [
    {"name": "db1", "role": "database", "address": "10.0.0.40", "services": {"pg": {"port": 5432}}, "tags": ["ssd"]},
    {"name": "db2", "role": "database", "address": "10.0.0.41", "health": "drain"},
]

PRESENT = [
    task("text", "etcd_kv", key="/w/text", value="grün"),
    task("data", "etcd_kv", key="/w/data", value={"b": [1, 2.5, None], "a": True}),
    task("lease", "etcd_lease", lease=4711, ttl=600),
    task("leased", "etcd_kv", key="/w/leased", value="x", lease=4711),
    task(
        "items", "etcd_kv", items=[{"key": "/w/item1", "value": 1}, {"key": "/w/item2", "value": "two", "lease": 4711}]
    ),
    task("nodes", "node", nodes=NODES, ttl=600),
]
READ = [
    task("keys", "etcd_kv_info", key="/w/", prefix=True),
    task("roll call", "node_info", allow_empty=True),
]
ABSENT = [
    task("nodes", "node", nodes=[{"name": node["name"], "role": node["role"]} for node in NODES], state="absent"),
    task("lease", "etcd_lease", lease=4711, state="absent"),
    task("prefix", "etcd_kv", key="/w/", prefix=True, state="absent"),
]


def oldest_python():
    """The oldest interpreter on this machine that the ansible-core under test supports on a target."""
    lowest = 8 if ansible.release.__version__.startswith("2.19.") else 9
    for minor in range(lowest, sys.version_info.minor):
        for path in sorted((Path.home() / ".pyenv" / "versions").glob(f"3.{minor}.*/bin/python3")):
            return str(path)
        for path in (Path(f"/usr/bin/python3.{minor}"), Path(f"/usr/local/bin/python3.{minor}")):
            if path.exists():
                return str(path)
    return sys.executable


def tree(etcd, prefix=""):
    """Keys and values as etcdctl sees them."""
    lines = etcd.ctl("get", prefix, "--prefix").split("\n")[:-1]
    return dict(zip(lines[::2], lines[1::2], strict=True))


def test_the_modules_make_keep_and_remove_what_they_are_told(play, etcd):
    # As the article's scripts register: a full member of the roll call.
    lease = etcd.ctl("lease", "grant", "600").split()[1]
    etcd.ctl("put", "/infrastructure/web/web1/ip", "10.0.0.5", f"--lease={lease}")
    before = tree(etcd)
    everything = {"module_defaults": connected(etcd.endpoints)}

    trial = play(PRESENT, "--check", "--diff", **everything)
    assert (trial.rc, trial.changed) == (0, [step["name"] for step in PRESENT]), trial.output
    assert tree(etcd) == before
    assert "+++ after: database/db1" in trial.output

    first = play(PRESENT + READ, "--diff", python=oldest_python(), **everything)
    assert (first.rc, first.changed) == (0, [step["name"] for step in PRESENT]), first.output
    for step in PRESENT:
        assert trial[step["name"]]["diff"] == first[step["name"]]["diff"]
    assert [kv["key"] for kv in first["keys"]["kvs"]] == [
        f"/w/{name}" for name in ("data", "item1", "item2", "leased", "text")
    ]
    assert [node["name"] for node in first["roll call"]["nodes"]] == ["db1", "db2", "web1"]
    assert_witnesses(etcd, first)

    second = play(PRESENT + READ, "--diff", **everything)
    assert (second.rc, second.changed) == (0, []), second.output
    assert second["keys"]["revision"] == first["keys"]["revision"]

    gone = play(ABSENT, "--diff", **everything)
    assert (gone.rc, gone.changed) == (0, [step["name"] for step in ABSENT]), gone.output
    left = tree(etcd)
    assert {key for key in left if "/roster/" not in key} == set(before)
    assert json.loads(left["/rollcall/infrastructure/roster/database/db1"])["state"] == "left"


def assert_witnesses(etcd, run):
    """What was written, seen by etcdctl and by the Python library etcd3."""
    found = tree(etcd, "/w/")
    assert json.loads(found.pop("/w/data")) == {"b": [1, 2.5, None], "a": True}
    assert found == {"/w/leased": "x", "/w/text": "grün", "/w/item1": "1", "/w/item2": "two"}
    host, port = etcd.endpoints[0].removeprefix("http://").split(":")
    library = etcd3.client(host=host, port=int(port))
    value, about = library.get("/w/leased")
    assert (value, about.lease_id, about.mod_revision) == (b"x", 4711, run["leased"]["mod_revision"])
    for node in run["nodes"]["nodes"]:
        keys = list(library.get_prefix(f"/infrastructure/database/{node['name']}/"))
        assert [about.key.rpartition(b"/")[2] for _value, about in keys] == [b"health", b"ip", b"node"]
        assert {about.lease_id for _value, about in keys} == {node["lease"]}
        assert library.get_lease_info(node["lease"]).grantedTTL == 600
    library.close()


def test_what_cannot_work_is_one_clear_message(play, etcd):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}"
        tasks = [
            task("malformed", "etcd_kv_info", key="/a", endpoints=["http://etcd1:port"]),
            task("unreachable", "etcd_kv", key="/a", value="x", endpoints=[nobody]),
            task("unknown option", "etcd_kv", key="/a", value="x", valeu="y"),
            task("empty", "node_info", prefix="/nowhere"),
            task("bad node", "node", name="localhost", role="web", address="10.0.0.1", ttl=60),
        ]
        for step in tasks:
            step["ignore_errors"] = True
        tasks[-1]["ignore_errors"] = False
        run = play(tasks, module_defaults=connected(etcd.endpoints))
    assert run.rc == 2
    assert not run.changed
    for name, *words in [
        ("malformed", "etcd endpoint: expected http://host:2379", "got 'http://etcd1:port'"),
        ("unreachable", "Reading /a failed", nobody, "connection refused"),
        ("unknown option", "Unsupported parameters", "valeu"),
        ("empty", "No node is registered under /nowhere/", etcd.endpoints[0], "allow_empty"),
        ("bad node", "web/localhost", "reserved"),
    ]:
        message = run[name]["msg"]
        assert "\n" not in message
        for part in words:
            assert part in message
    assert "Traceback" not in run.output


def test_tls_and_password_work_and_are_never_shown(play, etcd_programs, authority, tmp_path):
    other = tmp_path / "other-ca.pem"
    certificate = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=other", "-days", "1"]
    subprocess.run([*certificate, "-keyout", "/dev/null", "-out", str(other)], check=True, capture_output=True)
    tasks = [
        task("right", "etcd_kv", key="/a", value="x"),
        task("as in etcdctl", "etcd_kv_info", key="/a", user=f"root:{SECRET}", password=None),
        task("wrong password", "etcd_kv", key="/a", value="x", password=SECRET + "!"),
        task("no password", "etcd_kv", key="/a", value="x", user=None, password=None),
        task("wrong CA", "etcd_kv", key="/a", value="x", ca_cert=str(other)),
        task("plain HTTP", "etcd_kv", key="/a", value="x"),
    ]
    for step in tasks[2:]:
        step["ignore_errors"] = True
    with Cluster(etcd_programs, tls=Tls(authority.ca_cert, authority.server())) as etcd:
        etcd.require_auth(root=SECRET)
        tasks[-1]["rollcall.discovery.etcd_kv"]["endpoints"] = [etcd.endpoints[0].replace("https", "http")]
        options = connected(etcd.endpoints, ca_cert=str(authority.ca_cert), user="root", password=SECRET)
        run = play(tasks, "-vvvvvv", module_defaults=options)
        assert etcd.ctl("get", "/a", user=f"root:{SECRET}") == "/a\nx\n"
    assert run.changed == ["right"], run.output
    assert run["as in etcdctl"]["kvs"][0]["value"] == "x"
    assert "Check user and password" in run["wrong password"]["msg"]
    assert "set user and password" in run["no password"]["msg"]
    assert "certificate verification failed" in run["wrong CA"]["msg"]
    assert "plain HTTP" in [result["task"] for result in run.results if result.get("failed")]
    assert SECRET not in run.output
    assert SECRET not in json.dumps(run.results)


@pytest.fixture
def inheritable():
    """Ansible inside the process takes the standard streams away from all programs that the process starts later."""
    was = [os.get_inheritable(stream) for stream in range(3)]
    yield
    for stream, value in enumerate(was):
        os.set_inheritable(stream, value)


def test_pytest_ansible_runs_a_module_too(inheritable, ansible_adhoc, etcd, tmp_path):
    inventory = tmp_path / "hosts"
    inventory.write_text(f"localhost ansible_connection=local ansible_python_interpreter={sys.executable}\n")
    module = getattr(ansible_adhoc(inventory=str(inventory)).localhost, "rollcall.discovery.etcd_kv")
    result = module(endpoints=etcd.endpoints, key="/a", value="x").contacted["localhost"]
    assert (result["changed"], result["value"]) == (True, "x"), result
    assert etcd.ctl("get", "/a", "--print-value-only") == "x\n"


@pytest.fixture(scope="module")
def documented(ansible_bin):
    """What ansible-doc says of every module, by its name."""
    names = [f"rollcall.discovery.{name}" for name in MODULES]
    command = [str(ansible_bin / "ansible-doc"), "--json", *names]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize("name", MODULES)
def test_every_module_is_documented_with_the_shared_options(documented, name):
    about = documented[f"rollcall.discovery.{name}"]
    assert {"endpoints", "ca_cert", "password", "timeout"} <= about["doc"]["options"].keys()
    attributes = about["doc"]["attributes"]
    assert attributes["check_mode"]["support"] == "full"
    assert attributes["diff_mode"]["support"] == ("N/A" if name.endswith("_info") else "full")
    assert attributes["action_group"]["membership"] == ["rollcall.discovery.etcd"]
    assert "idempotent" in attributes
    assert about["return"]
    assert f"rollcall.discovery.{name}:" in about["examples"]
