# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Foreign text on its way to a terminal, a journal or Ansible's display: no escapes, no forged lines."""

from __future__ import annotations

import ast
import json
import re
import socket
from pathlib import Path

import pytest
from ansible.errors import AnsibleError
from ansible.module_utils.basic import AnsibleModule

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.commands import terminal
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.host import log, streams
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.host.systemd import Notifier
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd import errors
from ansible_collections.rollcall.discovery.plugins.module_utils._module import Module
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.errors import InvalidNode
from ansible_collections.rollcall.discovery.plugins.plugin_utils import _plugin
from tests.support.modules import Modules

PLUGINS = Path(__file__).parents[2] / "plugins"
HOSTILE = "a\x1b]0;owned\x07\x9b2J\u202eb\nFAILED! => forged\r\u2028c"
DANGEROUS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def assert_one_line(text, lines=1):
    assert not DANGEROUS.search(text), ascii(text)
    assert len(text.splitlines()) == lines, text
    assert "\\x1b" in text and "\\u202e" in text


@pytest.mark.parametrize("kind", [errors.EtcdError, errors.Unreachable, errors.Compacted, InvalidNode])
def test_the_text_of_every_error_is_printable(kind):
    assert_one_line(str(kind(f"Reading {HOSTILE} failed")))


def test_an_error_of_etcd_is_printable_whatever_it_quotes():
    body = json.dumps({"message": HOSTILE, "code": 7}).encode()
    assert_one_line(str(errors.error_from_answer(f"Reading {HOSTILE}", "http://etcd1", 403, body)))
    assert_one_line(str(errors.error_from_cancel(f"Watching {HOSTILE}", "http://etcd1", HOSTILE, 0)))


@pytest.mark.parametrize("write", [log.info, streams.complain, terminal.note])
def test_every_line_on_standard_error_is_printable(capsys, write):
    write(HOSTILE)
    assert_one_line(capsys.readouterr().err)


@pytest.mark.parametrize("write", [log.error, log.warning, terminal.warn])
def test_every_warning_on_standard_error_is_printable(capsys, write):
    write(HOSTILE, "RC-E-BUG")
    assert_one_line(capsys.readouterr().err)


def test_cells_and_maintenance_are_printable():
    assert_one_line("".join(terminal.table(["NAME"], [[HOSTILE]])[1:]))
    assert_one_line(terminal.maintenance({"by": HOSTILE, "reason": HOSTILE}))


def test_no_line_of_a_status_is_another_message_to_systemd(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        Notifier().status(f"{HOSTILE}\nMAINPID=1")
        assert_one_line(manager.recv(4096).decode())


@pytest.mark.parametrize("on_error", ["strict", "warn", "ignore"])
def test_every_way_to_ansibles_display_is_printable(monkeypatch, on_error):
    told = []
    for way in ("warning", "v", "vvv", "error"):
        monkeypatch.setattr(_plugin.display, way, told.append)
    try:
        _plugin.report([f"The value of {HOSTILE} cannot be decoded"], on_error)
    except AnsibleError as exc:
        told.append(str(exc))
    _plugin.warn([HOSTILE] * 12, "nodes", "RC-E-KEY")
    with pytest.raises(SystemExit):
        _plugin.stop("No inventory", AnsibleError(HOSTILE))
    assert len(told) > 14
    for text in told:
        assert not DANGEROUS.search(text), ascii(text)
        assert len(text.splitlines()) <= 1


def test_messages_and_warnings_of_modules_are_printable(capsys, monkeypatch):
    warned: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda module, warning: warned.append(warning))
    modules = Modules(capsys, endpoints=["http://127.0.0.1:9"])
    assert_one_line(modules.etcd_txn(compare=[{"key": HOSTILE}])["msg"])
    Module.warn(object.__new__(Module), HOSTILE)
    assert_one_line(warned[0])


def test_headers_of_differences_are_printable(fake_etcd, modules):
    """Ansible prints them as they are; what is below them it prints as JSON."""
    fake_etcd.put(f"/app/{HOSTILE}", "x")
    done = modules.etcd_kv(key="/app/", prefix=True, state="absent", diff=True)
    (shown,) = done["diff"]
    assert_one_line(shown["before_header"])
    assert_one_line(shown["after_header"])


def test_only_one_place_makes_text_printable():
    """Of another one nobody could tell whether it knows every dangerous character."""
    found = set()
    for path in PLUGINS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Attribute) and called.attr == "isprintable":
                found.add(path.relative_to(PLUGINS / "module_utils").as_posix())
    # Checks normalize the output that they register; the configuration of an http check is validated; the key store
    # uses it as a quick test for values without control characters.
    assert found == {
        "_etcd/text.py",
        "_agent/checking/checks.py",
        "_agent/checking/probe_http.py",
        "_agent/rendering/keystore.py",
    }
