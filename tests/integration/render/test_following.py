# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files follow the registry, and nothing that works is changed by a bad day of etcd."""

from __future__ import annotations

import json
import signal
import time

import pytest

from tests.support.real_etcd import Cluster

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


def test_the_articles_template_with_what_the_articles_commands_write(etcd, renderer):
    lease = etcd.ctl("lease", "grant", "121").split()[1]
    etcd.ctl("put", "/infrastructure/jenkins/ci1/ip", "10.0.0.8", f"--lease={lease}")
    renderer.template.write_text(OURS)
    renderer.file["prefix"] = "/infrastructure"
    del renderer.file["keys"]
    renderer.started()
    assert renderer.content() == OURS.split("  {%")[0] + "        server ci1 10.0.0.8:8080 check maxconn 1000\n"


def test_a_node_joins_and_leaves(etcd, renderer, put):
    put(web1="10.0.0.1")
    renderer.started()
    assert renderer.read() == ["# nodes\nweb1 10.0.0.1\n"]
    started = time.monotonic()
    put(web2="10.0.0.2")
    renderer.wait(lambda: len(renderer.read()) == 2, "the reload")
    assert time.monotonic() - started < 1.0
    assert renderer.read()[1] == renderer.content() == "# nodes\nweb1 10.0.0.1\nweb2 10.0.0.2\n"
    etcd.ctl("del", "--prefix", "/infrastructure/web/web1/")
    renderer.wait(lambda: len(renderer.read()) == 3, "the reload")
    assert renderer.names() == ["web2"]


def test_maintenance_and_keys_of_the_template_are_followed(etcd, renderer, put):
    put(web1="10.0.0.1")
    renderer.template.write_text(
        "{{ getv('/app/color', 'none') }} {{ nodes(maintenance=true) | map(attribute='name') | list }}\n"
    )
    renderer.started()
    assert renderer.content() == "none []\n"
    etcd.ctl("put", "/app/color", "blue")
    renderer.wait(lambda: renderer.content() == "blue []\n", "the key")
    etcd.ctl("put", "/rollcall/infrastructure/maintenance/web/web1", '{"by": "me"}')
    renderer.wait(lambda: renderer.content() == "blue ['web1']\n", "maintenance")


def test_maintenance_ends_by_itself_also_while_etcd_is_away(etcd, renderer, put):
    put(web1="10.0.0.1")
    renderer.template.write_text("{{ nodes(maintenance=true) | map(attribute='name') | list }}\n")
    renderer.started()
    until = json.dumps({"by": "me", "until": int(time.time()) + 4})
    etcd.ctl("put", "/rollcall/infrastructure/maintenance/web/web1", until)
    renderer.wait(lambda: renderer.content() == "['web1']\n", "maintenance")
    etcd.members[0].kill()
    renderer.wait(lambda: renderer.content() == "[]\n", "its end")


def test_what_changes_nothing_in_the_file_reloads_nothing(etcd, renderer, put):
    put(web1="10.0.0.1")
    renderer.started()
    before = renderer.dest.stat()
    etcd.ctl("put", "/app/unused", "1")
    revision = json.loads(etcd.ctl("get", "/app/unused", "-w", "json"))["kvs"][0]["mod_revision"]
    renderer.wait(lambda: renderer.status()["revision"] >= revision, "the revision")
    assert renderer.dest.stat() == before
    assert len(renderer.read()) == 1


def test_fifty_flapping_changes_are_a_few_reloads(etcd, renderer, put, connect):
    put(web1="10.0.0.1")
    renderer.started()
    client = connect(endpoints=etcd.endpoints)
    lease, _seconds = client.lease_grant(600)
    started = time.monotonic()
    for number in range(50):
        client.put("/infrastructure/web/web2/ip", f"10.0.1.{number}", lease)
        client.delete("/infrastructure/web/web2/ip")
    client.put("/infrastructure/web/web2/ip", "10.0.0.2", lease)
    lasted = time.monotonic() - started
    renderer.wait(lambda: "web2 10.0.0.2\n" in renderer.content(), "the last change")
    assert len(renderer.read()) <= 3 + lasted / 0.5


def test_a_hostile_value_leaves_out_its_node_only(etcd, renderer, put):
    put(web1="10.0.0.1", evil="10.0.0.9\n  server evil 10.6.6.6:80")
    meta = json.dumps({"meta": {"rack": "r1\n  server evil 10.6.6.6:80"}})
    put(worse="10.0.0.8")
    etcd.ctl("put", "/infrastructure/web/worse/node", meta)
    renderer.template.write_text(
        "{% for name in lsdir('/infrastructure/web') %}\n{{ name }}\n{% endfor %}\n" + "# all\n"
    )
    renderer.started()
    assert renderer.content() == "web1\n# all\n"
    assert len(renderer.status()["left_out"]) == 2
    assert "Rejected: 'web/evil': the address" in renderer.log.read_text()


def test_etcd_is_killed_and_comes_back_with_changes_made_meanwhile(etcd, renderer, put, connect):
    put(web1="10.0.0.1")
    renderer.started()
    etcd.members[0].kill()
    renderer.wait(lambda: renderer.status()["cut_off"], "the failure")
    assert renderer.names() == ["web1"]
    renderer.send(signal.SIGSTOP)
    etcd.mend()
    put(web2="10.0.0.2")
    etcd.ctl("del", "/infrastructure/web/web1/ip")
    renderer.send(signal.SIGCONT)
    renderer.wait(lambda: renderer.names() == ["web2"], "what changed meanwhile")
    renderer.wait(lambda: not renderer.status()["cut_off"], "the end of the failure")


def test_a_compaction_during_a_gap(etcd, renderer, put):
    put(web1="10.0.0.1")
    renderer.started()
    renderer.send(signal.SIGSTOP)
    etcd.members[0].kill()
    etcd.mend()
    put(web2="10.0.0.2", web3="10.0.0.3")
    etcd.ctl("del", "/infrastructure/web/web1/ip")
    revision = json.loads(etcd.ctl("get", "/x", "-w", "json"))["header"]["revision"]
    etcd.ctl("compact", str(revision))
    renderer.send(signal.SIGCONT)
    renderer.wait(lambda: renderer.names() == ["web2", "web3"], "what changed meanwhile")
    put(web4="10.0.0.4")
    renderer.wait(lambda: renderer.names() == ["web2", "web3", "web4"], "the watch")


def test_a_prefix_that_is_deleted_changes_nothing_and_raises_an_alarm(etcd, renderer, put):
    put(web1="10.0.0.1", web2="10.0.0.2")
    renderer.started()
    etcd.ctl("del", "--prefix", "/infrastructure/")
    renderer.wait(lambda: renderer.status()["held"], "the alarm")
    assert renderer.names() == ["web1", "web2"]
    assert (
        "ALARM: the last good state is kept: no node is registered under /infrastructure/" in renderer.log.read_text()
    )
    renderer.stop()
    renderer.start()
    renderer.wait(lambda: renderer.log.read_text().count("ALARM") == 2, "the alarm after a restart")
    assert renderer.names() == ["web1", "web2"]
    assert len(renderer.read()) == 1
    put(web3="10.0.0.3")
    renderer.wait(lambda: renderer.names() == ["web3"], "a registry that is good again")
    renderer.wait(lambda: renderer.status()["held"] == "", "the end of the alarm")


def test_empty_where_that_is_allowed(etcd, renderer, put):
    put(web1="10.0.0.1")
    renderer.config["allow_empty"] = True
    renderer.started()
    etcd.ctl("del", "--prefix", "/infrastructure/")
    renderer.wait(lambda: renderer.content() == "# nodes\n", "the empty file")


def test_nothing_is_rendered_from_a_registry_that_was_never_filled(renderer, put):
    renderer.dest.write_text("as it was\n")
    renderer.start()
    renderer.wait(lambda: renderer.status().get("held"), "the alarm")
    assert renderer.content() == "as it was\n"
    put(web1="10.0.0.1")
    renderer.wait(lambda: renderer.names() == ["web1"], "the first node")


def test_keys_of_another_layout_change_nothing(etcd, renderer, put):
    put(web1="10.0.0.1")
    renderer.started()
    etcd.put("/infrastructure/eu/web/web1/ip", "10.0.0.1")
    etcd.ctl("del", "/infrastructure/web/web1/ip")
    renderer.wait(lambda: "but {dc}/{role}/{name} (such as" in renderer.status()["held"], "the alarm")
    assert renderer.names() == ["web1"]


def test_renders_from_the_snapshot_where_etcd_is_away_at_the_start(etcd, renderer, put):
    put(web1="10.0.0.1")
    renderer.started()
    assert renderer.stop() == 0
    etcd.members[0].kill()
    renderer.dest.unlink()
    renderer.start()
    renderer.wait(lambda: renderer.names() == ["web1"], "the file from the snapshot")
    renderer.wait(lambda: renderer.status()["cut_off"], "the failure")
    etcd.mend()
    put(web2="10.0.0.2")
    renderer.wait(lambda: renderer.names() == ["web1", "web2"], "the registry")


def test_a_file_that_somebody_changed_is_put_right_by_the_next_resync(renderer, put):
    put(web1="10.0.0.1")
    renderer.started()
    renderer.dest.write_text("by hand\n")
    renderer.send(signal.SIGHUP)
    renderer.wait(lambda: renderer.names() == ["web1"] and len(renderer.read()) == 2, "the file and its reload")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_at_once_though_etcd_is_silent(etcd, renderer, put, how):
    put(web1="10.0.0.1")
    renderer.started()
    etcd.members[0].freeze()
    started = time.monotonic()
    assert renderer.stop(how) == 0
    assert time.monotonic() - started < 5


def test_a_member_that_hangs_is_left_for_another(etcd_cluster: Cluster, renderer):
    watched, other = etcd_cluster.members[0], etcd_cluster.members[1]
    etcd_cluster.put("/infrastructure/web/web1/ip", "10.0.0.1")
    renderer.config["etcd"]["endpoints"] = [watched.endpoint, other.endpoint]
    renderer.started()
    watched.freeze()
    etcd_cluster.wait(lambda: other.is_healthy(), "a leader among the others", 10)
    lease = other.post("/v3/lease/grant", {"TTL": 600})[1]["ID"]
    put = {"key": "L2luZnJhc3RydWN0dXJlL3dlYi93ZWIyL2lw", "value": "MTAuMC4wLjI=", "lease": lease}
    other.post("/v3/kv/put", put)
    renderer.wait(lambda: renderer.names() == ["web1", "web2"], "what the open watch did not bring", within=15)
