# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From keys to a file: views, templates, the guard, the snapshot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering import view
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.guard import Guard
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.keystore import TemplateFailed
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.snapshot import Snapshot
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.templates import Template
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.wire import KeyValue
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.errors import InvalidLayout
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.following.mirror import Selector, State
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.layout import Layout

LAYOUT = Layout()
TREE, KEPT, APP = Selector(LAYOUT.prefix), Selector(LAYOUT.maintenance_prefix), Selector("/app/")


def state(values, revision=9):
    """A state of `values`, each written by a lease of its own name."""
    keys = {selector: {} for selector in (TREE, KEPT, APP)}
    for key, value in values.items():
        text = value if isinstance(value, str) else json.dumps(value)
        selector = next(selector for selector in keys if key.startswith(selector.key))
        keys[selector][key] = KeyValue(key, text, 5, 5, 1, 7)
    return State(revision, "c", keys)


def seen(values):
    return view.build(state(values), LAYOUT)


def infrastructure(**nodes):
    """The keys of web nodes, each given as a mapping of its keys (a text is its ip)."""
    keys = {}
    for name, leaves in nodes.items():
        for leaf, value in ({"ip": leaves} if isinstance(leaves, str) else leaves).items():
            keys[f"/infrastructure/web/{name}/{leaf}"] = value
    return keys


@pytest.fixture
def render(tmp_path):
    def render(text, values, prefix=""):
        (tmp_path / "test.j2").write_text(text)
        return Template(str(tmp_path / "test.j2"), prefix).render(seen(values)).decode()

    return render


# The article's templates/haproxy.tmpl, and the same line by line.
CONFD = """\
backend jenkins_backend
  balance roundrobin
  mode http
  option httpchk /index.html
  {{range $name := lsdir "/jenkins"}}
        {{$host := printf "/jenkins/%s/ip" $name}}
        server {{$name}} {{getv $host}}:8080 check maxconn 1000
  {{end}}
"""
OURS = """\
backend jenkins_backend
  balance roundrobin
  mode http
  option httpchk /index.html
  {% for name in lsdir("/jenkins") %}
        {% set host = "/jenkins/%s/ip" % name %}
        server {{ name }} {{ getv(host) }}:8080 check maxconn 1000
  {% endfor %}
"""


def test_the_articles_template_translates_line_by_line(render):
    assert len(CONFD.splitlines()) == len(OURS.splitlines())
    keys = {"/infrastructure/jenkins/j2/ip": "10.0.0.2", "/infrastructure/jenkins/j1/ip": "10.0.0.1"}
    assert render(OURS, keys, prefix="/infrastructure").splitlines()[4:] == [
        "        server j1 10.0.0.1:8080 check maxconn 1000",
        "        server j2 10.0.0.2:8080 check maxconn 1000",
    ]


def test_nodes_with_filters(render):
    keys = infrastructure(
        web1={"ip": "10.0.0.1", "node": {"id": "a", "services": {"http": {"port": 80}}, "meta": {"rack": "r1"}}},
        web2={"ip": "10.0.0.2", "node": {"id": "b", "services": {"http": {"port": 81}}}, "health": "critical"},
        web3="10.0.0.3",
    )
    text = """\
{% for node in nodes(role="web", service="http", health=["passing", "warning"]) %}
{{ node.name }} {{ node.address }}:{{ node.services.http.port }} {{ node.meta.rack }}
{% endfor %}
"""
    assert render(text, keys) == "web1 10.0.0.1:80 r1\n"
    assert render("{{ nodes() | map(attribute='name') | join(' ') }}", keys) == "web1 web2 web3"


def test_macros_of_another_file_have_the_functions_and_are_not_kept(tmp_path):
    (tmp_path / "lib.j2").write_text(
        "{% set names = lsdir('/infrastructure/web') %}{% macro all() %}{{ names }}{% endmacro %}"
    )
    (tmp_path / "test.j2").write_text("{% import 'lib.j2' as lib %}{{ lib.all() }}{% include 'more.j2' %}")
    (tmp_path / "more.j2").write_text("{{ exists('/infrastructure/web/web1/ip') }}")
    template = Template(str(tmp_path / "test.j2"))
    assert template.render(seen(infrastructure(web1="10.0.0.1"))) == b"['web1']True"
    assert template.render(seen(infrastructure(web2="10.0.0.2"))) == b"['web2']False"


def test_a_template_that_is_edited_is_compiled_again(tmp_path):
    source = tmp_path / "test.j2"
    template = Template(str(source))
    for text in ("one", "{{ 1 + 1 }}", "one"):
        source.write_text(text)
        assert [template.render(seen({})) for _again in range(2)] == [(b"2" if "{" in text else b"one")] * 2


def test_no_template_can_change_what_the_next_one_sees(render):
    document = {"services": {"http": {"port": 80, "meta": {"path": ["a"]}}}, "tags": ["blue"]}
    keys = infrastructure(web1={"ip": "10.0.0.1", "node": document})
    for change in (
        "node.update({'name': 'x'})",
        "node.services.http.pop('port')",
        "node.services.http.meta.path.append('b')",
        "node.tags.clear()",
        "node.checks.setdefault('x', 1)",
    ):
        with pytest.raises(TemplateFailed, match="line 1: TypeError: cannot change a node"):
            render("{% for node in nodes() %}{{ " + change + " }}{% endfor %}", keys)
    copy = "{% set mine = dict(nodes()[0], name='x') %}{% set _ = mine.update(role='y') %}"
    reading = "{{ mine.name }} {{ mine.role }} {{ (node.tags + ['red']) | join }} {{ node | to_json | length > 99 }}"
    assert render(f"{copy}{{% set node = nodes()[0] %}}{reading} {{{{ node.meta }}}}", keys) == "x y bluered True {}"


def test_a_field_with_the_name_of_a_method_is_found_as_an_item(render):
    keys = infrastructure(web1={"ip": "10.0.0.1", "node": {"meta": {"items": "field", "copy": 1, "plain": 2}}})
    text = (
        "{% set m = nodes()[0].meta %}{{ m['items'] }} {{ m.items() | length }} {{ m.plain }} {{ m.none | default(3) }}"
    )
    assert render(text, keys) == "field 3 2 3"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\n{{ nosuch }}", "test.j2, line 2: 'nosuch' is undefined"),
        ("a\nb\n{% for %}", "test.j2, line 3: "),
        ("{{ getv('/app/x') }}", "test.j2, line 1: getv: there is no key '/app/x'"),
        ("{{ 1 / 0 }}", "test.j2, line 1: ZeroDivisionError"),
        ("{{ nodes(health='god') }}", "test.j2, line 1: the health 'god' is not one of"),
        ("{{ nodes(rolle='web') }}", "test.j2, line 1: TypeError"),
        ("{% include 'other.j2' %}", "cannot read .*/other.j2"),
    ],
)
def test_an_error_names_file_and_line(render, text, message):
    with pytest.raises(TemplateFailed, match=message):
        render(text, infrastructure(web1="10.0.0.1"))


def test_a_template_that_is_not_there():
    with pytest.raises(TemplateFailed, match="cannot read /nowhere/x.j2"):
        Template("/nowhere/x.j2").render(seen({}))


HOSTILE = {
    "an address with a new line": {"ip": "10.0.0.9\n  server evil 10.6.6.6:80"},
    "a name in the document": {"ip": "10.0.0.9", "node": {"services": {"a\nb": {"port": 1}}}},
    "meta": {"ip": "10.0.0.9", "node": {"meta": {"rack": "r1\n  server evil 10.6.6.6:80"}}},
    "meta, deeper": {"ip": "10.0.0.9", "node": {"meta": {"a": [{"b\n": 1}]}}},
    "meta of a service": {"ip": "10.0.0.9", "node": {"services": {"s": {"port": 1, "meta": {"x": "\r"}}}}},
    "no ip, other keys": {"port": "80\nevil"},
}


@pytest.mark.parametrize("keys", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_node_is_left_out_with_all_its_keys_and_spoils_nothing(render, keys):
    values = infrastructure(web1="10.0.0.1", evil=keys)
    text = """\
{% for name in lsdir("/infrastructure/web") %}
{{ name }} {{ getv("/infrastructure/web/" ~ name ~ "/ip") }}
{% endfor %}
{% for node in nodes() %}
{{ node.name }} {{ node.meta }}
{% endfor %}
"""
    assert render(text, values) == "web1 10.0.0.1\nweb1 {}\n"
    assert seen(values).rejected


def test_free_words_of_checks_and_operators_stay_on_one_line(render):
    check = {"status": "passing", "output": "line\nline"}
    values = infrastructure(web1={"ip": "10.0.0.1", "checks/http": check})
    values["/rollcall/infrastructure/maintenance/web/web1"] = {"reason": "new\ndisk", "by": "me"}
    text = "{% for node in nodes() %}{{ node.checks.http.output }}|{{ node.maintenance.reason }}{% endfor %}"
    assert render(text, values) == "line line|new disk"


def test_keys_above_the_nodes_are_seen():
    assert set(seen({"/infrastructure/version": "3", **infrastructure(web1="10.0.0.1")}).keys.kvs) == {
        "/infrastructure/version",
        "/infrastructure/web/web1/ip",
    }


def test_keys_of_another_layout_are_an_error():
    with pytest.raises(InvalidLayout):
        seen({"/infrastructure/eu/web/web1/ip": "10.0.0.1"})


def test_the_guard_keeps_the_last_node():
    guard = Guard(LAYOUT)
    assert guard.refusal(seen(infrastructure(web1="10.0.0.1", web2="10.0.0.2"))) == ""
    assert guard.refusal(seen(infrastructure(web1="10.0.0.1"))) == ""
    refusal = guard.refusal(seen({"/app/x": "1"}))
    assert "no node is registered under /infrastructure/ at revision 9: there were 1" in refusal
    assert guard.refusal(seen(infrastructure(web1="10.0.0.1"))) == ""


def test_a_registry_of_rejected_nodes_is_empty_too():
    assert Guard(LAYOUT).refusal(seen(infrastructure(web1="127.0.0.1")))


def test_the_guard_refuses_an_empty_start_unless_that_is_allowed():
    assert "set allow_empty" in Guard(LAYOUT).refusal(seen({}))
    assert Guard(LAYOUT, allow_empty=True).refusal(seen({})) == ""


def save(directory, saved):
    save_with(Snapshot(str(directory)), saved)


def save_with(snapshot, saved):
    snapshot.save(saved)
    assert snapshot.flush(10.0)


def test_a_snapshot_is_read_as_it_was_saved(tmp_path):
    saved = state({**infrastructure(web1="10.0.0.1"), "/app/x": "not utf-8: \udcff"})
    save(tmp_path, saved)
    assert Snapshot(str(tmp_path)).load([APP, TREE, KEPT]) == saved
    assert (tmp_path / "snapshot.json").stat().st_mode & 0o777 == 0o600


def test_a_snapshot_of_other_keys_is_not_used(tmp_path):
    save(tmp_path, state(infrastructure(web1="10.0.0.1")))
    assert Snapshot(str(tmp_path)).load([TREE, KEPT]) is None


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"v": 2}', '{"v": 1, "followed": [{"key": 1}]}'])
def test_a_broken_snapshot_is_not_used(tmp_path, content):
    (tmp_path / "snapshot.json").write_text(content)
    assert Snapshot(str(tmp_path)).load([TREE, KEPT, APP]) is None


def test_a_snapshot_is_written_when_a_key_has_changed_only(tmp_path):
    snapshot, path = Snapshot(str(tmp_path)), Path(tmp_path / "snapshot.json")
    first = state(infrastructure(web1="10.0.0.1"))
    save_with(snapshot, first)
    before = path.stat().st_ino
    save_with(snapshot, first._replace(revision=99))
    assert path.stat().st_ino == before
    changed = {key: kv._replace(mod_revision=100) for key, kv in first.keys[TREE].items()}
    save_with(snapshot, first._replace(revision=100, keys={**first.keys, TREE: changed}))
    assert path.stat().st_ino != before
