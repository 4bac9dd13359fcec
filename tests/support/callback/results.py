# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: results
type: aggregate
short_description: Write every task's result to a file, for tests
description:
  - One JSON object a line, into the file that E(ROLLCALL_TEST_RESULTS) names.
"""

import json
import os

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    """Keeps results as the controller has them, before anything is made of them for the screen."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "results"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_ok(self, result):
        self._keep(result, failed=False)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._keep(result, failed=True)

    def _keep(self, result, failed):
        with open(os.environ["ROLLCALL_TEST_RESULTS"], "a", encoding="utf-8") as file:
            print(json.dumps({**result.result, "task": result.task.name, "failed": failed}, default=str), file=file)
