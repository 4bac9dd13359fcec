# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Templates that ask DNS: what they get, and that they never wait long for it."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.dns_lookups import Lookups
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.keystore import (
    KeyTable,
    TemplateFailed,
)
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.templates import Template
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.view import View
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd import srv


@contextlib.contextmanager
def nameserver(records):
    """A resolver on loopback that answers each question with these SRV records; None: it is silent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        questions = []

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    query, sender = sock.recvfrom(4096)
                    if query == b"stop":
                        return
                    questions.append(query)
                    if records is not None:
                        head = query[:2] + struct.pack(">HHHHH", 0x8180, 1, len(records), 0, 0)
                        sock.sendto(head + query[12:] + b"".join(map(encoded, records)), sender)

        threading.Thread(target=serve, daemon=True).start()
        yield sock.getsockname(), questions
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stop:
            stop.sendto(b"stop", sock.getsockname())


def encoded(record):
    priority, weight, target, port = record
    name = b"".join(bytes([len(label)]) + label.encode() for label in target.split(".")) + b"\0"
    data = struct.pack(">HHH", priority, weight, port) + name
    return b"\xc0\x0c" + struct.pack(">HHIH", 33, 1, 60, len(data)) + data


@pytest.fixture
def render(tmp_path):
    def render(text):
        (tmp_path / "t.j2").write_text(text)
        return Template(str(tmp_path / "t.j2")).render(View(1, [], KeyTable({}), 0, [])).decode()

    return render


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("lookupIP('127.0.0.1')", "['127.0.0.1']"),
        ("'localhost' | lookupIPV4", "['127.0.0.1']"),
        ("lookupIPV6('::1')", "['::1']"),
        ("lookupIPV6('127.0.0.1')", "[]"),
        ("lookupIfaceIPV4('lo')", "127.0.0.1"),
    ],
)
def test_addresses(render, expression, result):
    assert render("{{ " + expression + " }}") == result


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("lookupIP('nowhere.invalid')", "lookupIP: cannot look up nowhere.invalid: "),
        ("lookupIP('x' * 300)", "lookupIP: cannot look up x+"),
        ("lookupIfaceIPV4('nosuch0')", "lookupIfaceIPV4: no interface nosuch0 with an IPv4 address is up"),
    ],
)
def test_a_name_without_an_answer_is_an_error_and_no_empty_list(render, expression, message):
    with pytest.raises(TemplateFailed, match=message):
        render("{{ " + expression + " }}")


def test_services_are_sorted_and_asked_for_once(render, monkeypatch):
    with nameserver([(1, 2, "b.example", 81), (1, 2, "a.example", 80)]) as (address, questions):
        monkeypatch.setattr(srv, "_resolvers", lambda _path: [address])
        text = "{% for each in lookupSRV('web', 'tcp', 'example') %}{{ each.target }}:{{ each.port }} {% endfor %}"
        assert render(text * 2) == "a.example:80 b.example:81 " * 2
        assert len(questions) == 1
        assert b"\x04_web\x04_tcp\x07example" in questions[0]


def test_a_target_that_is_no_host_name_never_reaches_a_file(render, monkeypatch):
    with nameserver([(1, 2, "a\nserver evil", 80)]) as (address, _questions):
        monkeypatch.setattr(srv, "_resolvers", lambda _path: [address])
        with pytest.raises(TemplateFailed, match=r"the target a\\nserver evil is not a host name"):
            render("{{ lookupSRV('web', 'tcp', 'example') }}")


def test_all_lookups_of_a_rendering_share_one_deadline(monkeypatch):
    with nameserver(None) as (address, _questions):
        monkeypatch.setattr(srv, "_resolvers", lambda _path: [address])
        asked, begun = Lookups(0.5), time.monotonic()
        with pytest.raises(TemplateFailed, match="cannot look up _web._tcp.example: "):
            asked.lookup_srv("web", "tcp", "example")
        for name in ("a.example", "b.example", "c.example"):
            with pytest.raises(TemplateFailed, match=f"no time is left to look up {name}"):
                asked.lookup_ip(name)
        assert time.monotonic() - begun < 2
