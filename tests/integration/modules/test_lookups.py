# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookups under the real ansible-playbook. What they read was written by etcdctl."""

from __future__ import annotations

from tests.support.fake_etcd import FakeEtcd
from tests.support.real_etcd import Cluster

LOOKUPS = 300


def debug(name, expression, **keywords):
    return {"name": name, "ansible.builtin.debug": {"msg": f"{{{{ {expression} }}}}"}, **keywords}


def etcd_lookup(*terms, query=False, **options):
    arguments = [*map(repr, terms), *(f"{name}={value!r}" for name, value in options.items())]
    return f"{'query' if query else 'lookup'}('rollcall.discovery.etcd', {', '.join(arguments)})"


def test_values_come_as_text_as_data_and_as_they_were(play, etcd, connect):
    etcd.ctl("put", "/app/colour", "green")
    etcd.ctl("put", "/app/limits", '{"seconds": 30, "note": "{{ 1 + 1 }}"}')
    then = connect(endpoints=etcd.endpoints).get("/app/limits").mod_revision
    etcd.ctl("put", "/app/colour", "{{ 1 + 1 }}")
    etcd.ctl("put", "/app/empty", "")
    tasks = [
        debug("text", etcd_lookup("/app/colour", **{"return": "value"})),
        debug("one", etcd_lookup("/app/empty", query=True)),
        debug("all", etcd_lookup("/app/", prefix=True, **{"return": "dict"})),
        debug("data", etcd_lookup("/app/limits", decode="json", **{"return": "value"}) + ".note"),
        debug("then", etcd_lookup("/app/colour", revision=then, **{"return": "value"})),
        debug("default", etcd_lookup("/nope", default="blue", **{"return": "value"})),
        debug("missing", etcd_lookup("/nope"), ignore_errors=True),
        debug("no json", etcd_lookup("/app/colour", decode="json"), ignore_errors=True),
        debug("away", etcd_lookup("/a", host="127.0.0.1", port=1, on_error="warn", default="x", **{"return": "value"})),
    ]
    run = play(tasks, vars={"rollcall_etcd_endpoints": etcd.endpoints})
    assert run.rc == 0, run.output
    assert run["text"]["msg"] == "{{ 1 + 1 }}"
    assert run["one"]["msg"] == [{"key": "/app/empty", "value": ""}]
    assert sorted(run["all"]["msg"]) == ["/app/colour", "/app/empty", "/app/limits"]
    assert run["data"]["msg"] == "{{ 1 + 1 }}"
    assert (run["then"]["msg"], run["default"]["msg"], run["away"]["msg"]) == ("green", "blue", "x")
    assert "has no key /nope" in run["missing"]["msg"]
    assert "The value of /app/colour in etcd cannot be decoded as json" in run["no json"]["msg"]
    assert "no etcd endpoint answered" in " ".join(run.output.split())


def test_bytes_that_are_no_text_reach_a_file_as_they_are_and_are_shown_by_modules(play, etcd, connect, tmp_path):
    content = bytes(range(256))
    connect(endpoints=etcd.endpoints).put("/binary", content.decode(errors="surrogateescape"))
    value = etcd_lookup("/binary", **{"return": "value"})
    copy = {"content": f"{{{{ {value} }}}}", "dest": str(tmp_path / "copied"), "mode": "0600"}
    tasks = [
        debug("shown", value),
        {"name": "copy", "ansible.builtin.copy": copy},
        {"name": "info", "rollcall.discovery.etcd_kv_info": {"key": "/binary", "endpoints": etcd.endpoints}},
        {"name": "kv", "rollcall.discovery.etcd_kv": {"key": "/binary", "value": "x", "endpoints": etcd.endpoints}},
    ]
    run = play(tasks, "--diff", vars={"rollcall_etcd_endpoints": etcd.endpoints})
    assert (run.rc, run.changed) == (0, ["copy", "kv"]), run.output
    assert (tmp_path / "copied").read_bytes() == content
    assert run["info"]["kvs"][0]["value"] == run["kv"]["old_value"] == content.decode(errors="backslashreplace")


def test_what_was_read_is_changed_unless_somebody_was_quicker(play, etcd):
    read = etcd_lookup("/app/limits", decode="json", default={}, **{"return": "kv"})
    change = {
        "key": "/app/limits",
        "value": "{{ read.value | combine({'seconds': 60}) }}",
        "mod_revision": "{{ read.mod_revision }}",
        "endpoints": etcd.endpoints,
    }
    tasks = [
        {"name": "read", "ansible.builtin.set_fact": {"read": f"{{{{ {read} }}}}"}},
        {"name": "create", "rollcall.discovery.etcd_kv": change},
        {"name": "stale", "rollcall.discovery.etcd_kv": {**change, "value": {}}, "ignore_errors": True},
        {"name": "read again", "ansible.builtin.set_fact": {"read": f"{{{{ {read} }}}}"}},
        {"name": "change", "rollcall.discovery.etcd_kv": {**change, "value": {"seconds": 30}}},
    ]
    run = play(tasks, vars={"rollcall_etcd_endpoints": etcd.endpoints})
    assert (run.rc, run.changed) == (0, ["create", "change"]), run.output
    assert "Nothing was changed. Read the key again" in run["stale"]["msg"]
    assert etcd.ctl("get", "/app/limits", "--print-value-only") == '{"seconds": 30}\n'


def test_a_key_that_may_not_be_read_takes_no_other_with_it(play, etcd_programs):
    with Cluster(etcd_programs) as etcd:
        etcd.ctl("put", "/app/a", "green")
        etcd.ctl("put", "/secret/b", "hunter2")
        etcd.require_auth(root="pw", reader="sesame")
        etcd.permit("reader", "/app/", "read")
        keys = ("/app/a", "/secret/b")
        tasks = [
            debug("default", etcd_lookup(*keys, query=True, default="x", on_error="warn", **{"return": "value"})),
            debug("strict", etcd_lookup(*keys), ignore_errors=True),
            debug("names", "query('rollcall.discovery.nodes', ['web1', 5])", ignore_errors=True),
        ]
        login = {"endpoints": etcd.endpoints, "user": "reader", "password": "sesame"}
        run = play(tasks, vars={f"rollcall_etcd_{name}": value for name, value in login.items()})
    assert run.rc == 0, run.output
    assert run["default"]["msg"] == ["green", "x"]
    assert "Reading /secret/b failed" in run["strict"]["msg"]
    assert "The name of a node: expected text that is not empty, got 5" in run["names"]["msg"]


def test_a_template_full_of_lookups_connects_and_logs_in_once(play, tmp_path):
    source, target = tmp_path / "lines.j2", tmp_path / "lines"
    lookup = "lookup('rollcall.discovery.etcd', '/n/' ~ n, return='value')"
    source.write_text(f"{{% for n in range({LOOKUPS}) %}}{{{{ {lookup} }}}}\n{{% endfor %}}")
    template = {"src": str(source), "dest": str(target), "mode": "0644"}
    with FakeEtcd() as fake:
        for number in range(LOOKUPS):
            fake.put(f"/n/{number}", f"value {number}")
        fake.require_auth(root="pw")
        login = {
            "rollcall_etcd_endpoints": [fake.endpoint],
            "rollcall_etcd_user": "root",
            "rollcall_etcd_password": "pw",
        }
        run = play([{"name": "Render", "ansible.builtin.template": template}], vars=login)
        assert run.rc == 0, run.output
        assert target.read_text() == "".join(f"value {number}\n" for number in range(LOOKUPS))
        assert (fake.connections, fake.authentications, fake.count("/v3/kv")) == (1, 1, LOOKUPS)


def test_what_was_written_for_community_general_needs_another_name_only(play, etcd):
    host, port = etcd.endpoints[0].removeprefix("http://").split(":")
    where = {"host": host, "port": int(port)}
    lookup = "lookup('rollcall.discovery.etcd', {}, endpoints='" + etcd.endpoints[0] + "', timeout=60{})"
    tasks = [
        {"name": "kv", "rollcall.discovery.etcd_kv": {"key": "foo", "value": "baz3", "state": "present", **where}},
        {"name": "gone", "rollcall.discovery.etcd_kv": {"key": "foo", "value": "baz3", "state": "absent", **where}},
        {"name": "other", "rollcall.discovery.etcd_kv": {"key": "bar", "value": "None", "state": "present", **where}},
        debug("one", lookup.format("'bar'", "") + ".value"),
        debug("all", lookup.format("'b', 'f'", ", prefix=true, wantlist=true")),
    ]
    run = play(tasks)
    assert (run.rc, run.changed) == (0, ["kv", "gone", "other"]), run.output
    assert (run["kv"]["key"], run["kv"]["old_value"], run["gone"]["old_value"]) == ("foo", None, "baz3")
    assert (run["other"]["old_value"], run["one"]["msg"]) == (None, "None")
    assert run["all"]["msg"] == [{"key": "bar", "value": "None"}]
