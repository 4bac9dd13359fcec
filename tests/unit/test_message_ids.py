# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each error and warning ends with an id, and the troubleshooting guide has an entry for each id."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ansible_collections.rollcall.discovery.plugins import module_utils
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import RollcallError, Unreachable
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.text import with_id
from ansible_collections.rollcall.discovery.plugins.plugin_utils import _errors

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs/docsite/rst/guide_troubleshooting.rst"
ID = re.compile(r"RC-E-[A-Z0-9]+(?:-[A-Z0-9]+)*")
ENDS_WITH_ID = re.compile(r"\[RC-E-[A-Z0-9-]+\]\s*$")
SHELL = ROOT / "roles/register/files/etcdctl-register.sh"


def sources() -> Iterator[Path]:
    for folder in ("plugins", "roles", "playbooks"):
        yield from (path for path in (ROOT / folder).rglob("*") if path.suffix in {".py", ".yml", ".sh", ".j2"})


def used() -> set[str]:
    found = {match for path in sources() for match in ID.findall(path.read_text())}
    words = re.findall(r'^ *say ".*" ([A-Z-]+)$', SHELL.read_text(), re.MULTILINE)
    return found | {f"RC-E-{word}" for word in words}


def test_the_guide_has_an_entry_for_each_id_and_for_no_other() -> None:
    entries = re.findall(r"^(RC-E-\S+)\n~+$", GUIDE.read_text(), re.MULTILINE)
    assert sorted(entries) == sorted(set(entries)), "an entry for each, once"
    assert set(entries) == used()


def test_each_entry_says_what_it_means_what_causes_it_and_what_to_do() -> None:
    entries = re.split(r"^RC-E-\S+\n~+\n", GUIDE.read_text(), flags=re.MULTILINE)[1:]
    for entry in entries:
        assert re.match(r"\n\S.+\n\n:Cause: .+\n:Do: .+\n", entry), entry[:200]


def kinds(kind: type[RollcallError]) -> Iterator[type[RollcallError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from kinds(below)


def test_each_kind_of_error_has_an_id_of_its_own() -> None:
    for module in pkgutil.walk_packages(module_utils.__path__, f"{module_utils.__name__}."):
        importlib.import_module(module.name)
    found = [kind for kind in kinds(RollcallError) if kind.__module__.startswith("ansible_collections.rollcall")]
    assert len(found) > 30
    for kind in found:
        assert "id" in vars(kind), f"{kind.__name__} has the id of its parent"
        assert ID.fullmatch(kind.id)


def calls(name: str) -> Iterator[tuple[Path, ast.Call]]:
    """Each call of a function or method `name` in the plugins."""
    for path in (ROOT / "plugins").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == name:
                yield path, node


def test_no_plugin_raises_an_error_without_an_id() -> None:
    for path, _call in calls("AnsibleError"):
        pytest.fail(f"{path} raises AnsibleError instead of PluginError")


def test_each_warning_of_a_module_and_of_the_display_has_an_id() -> None:
    found = 0
    for path, call in [*calls("warn"), *calls("warning")]:
        if not isinstance(call.func, ast.Attribute) or isinstance(call.func.value, ast.Call):  # super().warn
            continue
        if getattr(call.func.value, "id", "") == "advisories":  # the text of one
            continue
        named = [word for word in call.keywords if word.arg == "message_id"]
        holds = any(isinstance(each, ast.Call) and getattr(each.func, "id", "") == "with_id" for each in call.args)
        assert len(call.args) > 1 or named or holds, f"{path}:{call.lineno} warns without an id"
        found += 1
    assert found > 30


def messages(tasks: object) -> Iterator[str]:
    """The message of each task in `tasks` that can fail on purpose, in blocks, too."""
    for task in tasks if isinstance(tasks, list) else []:
        for block in ("block", "rescue", "always", "tasks", "pre_tasks", "post_tasks"):
            yield from messages(task.get(block))
        if "ansible.builtin.fail" in task:
            yield task["ansible.builtin.fail"]["msg"]
        if "ansible.builtin.assert" in task:
            yield task["ansible.builtin.assert"].get("fail_msg", f"no fail_msg: {task['name']}")


def test_each_message_of_a_role_ends_with_an_id() -> None:
    files = [
        *ROOT.glob("roles/*/tasks/**/*.yml"),
        *ROOT.glob("roles/*/handlers/*.yml"),
        *ROOT.glob("playbooks/**/*.yml"),
    ]
    found = [message for file in files for message in messages(yaml.safe_load(file.read_text()))]
    assert len(found) > 30
    for message in found:
        assert ENDS_WITH_ID.search(message), message


def test_an_id_comes_last_and_once() -> None:
    inner = Unreachable("Cannot read /a")
    assert str(inner) == "Cannot read /a"
    assert inner.message == "Cannot read /a [RC-E-UNREACHABLE]"
    assert with_id(inner.message, "RC-E-ETCD") == inner.message
    assert str(_errors.PluginError.of(inner)) == inner.message
    assert _errors.reason(_errors.PluginError.of(inner)) == "Cannot read /a"
    assert _errors.id_of(ValueError("x")) == "RC-E-BUG"
