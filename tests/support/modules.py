# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs a module of the collection in this process: the real one, on real sockets, without starting Ansible."""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

Json = dict[str, Any]


class Modules:
    """`modules.etcd_kv(key="/a", value="b")` returns the module's result, also one with `failed`."""

    def __init__(self, capsys: pytest.CaptureFixture[str], **common: Any) -> None:
        self._capsys = capsys
        self._common = common

    def __getattr__(self, name: str) -> Any:
        module = importlib.import_module(f"ansible_collections.rollcall.discovery.plugins.modules.{name}")

        def run(check: bool = False, diff: bool = False, **options: Any) -> Json:
            arguments = {**self._common, **options, "_ansible_check_mode": check, "_ansible_diff": diff}
            with patch_module_args(arguments), pytest.raises(SystemExit):
                module.main()
            result: Json = json.loads(self._capsys.readouterr().out)
            return result

        return run
