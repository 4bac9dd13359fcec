# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every example of a module is a task that the module takes, and every module is in the action group."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.rollcall.discovery.plugins.module_utils import _options

ROOT = Path(__file__).parents[2]
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
TABLES = {
    "maintenance": [_options.REGISTRY],
    "node": [_options.REGISTRY],
    "node_info": [_options.REGISTRY, _options.READING, _options.FILTERS],
}


def examples():
    for name in MODULES:
        module = importlib.import_module(f"ansible_collections.rollcall.discovery.plugins.modules.{name}")
        for task in yaml.safe_load(module.EXAMPLES):
            for action, options in task.items():
                if action == f"rollcall.discovery.{name}":
                    spec = {**_options.argument_spec(_options.CONNECTION, *TABLES.get(name, [])), **module.OPTIONS}
                    yield pytest.param(spec, options, id=f"{name}: {task['name']}")


@pytest.mark.parametrize(("spec", "options"), list(examples()))
def test_an_example_is_valid(spec, options):
    filled = {
        name: ([] if spec[name]["type"] == "list" else 1) if re.match(r"\{\{.*\}\}$", str(value)) else value
        for name, value in options.items()
    }
    assert ArgumentSpecValidator(spec).validate(filled).error_messages == []


def test_every_module_is_in_the_action_group():
    assert yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]["etcd"] == MODULES
