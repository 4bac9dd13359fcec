# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role agent restarts daemons of another release, unless the new one would refuse to start."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.registrant import unpack_runtime

VARIABLES = Path(__file__).resolve().parents[3] / "roles/agent/vars/main.yml"
REGISTER = {"name": "web1", "role": "web", "address": "10.0.0.5"}
RENDER = {"name": "lb1", "templates": [{"src": "/etc/a.j2", "dest": "/etc/a"}]}


@pytest.mark.parametrize(
    ("register", "render", "restarted"),
    [
        ({}, {}, ["rollcall-register.service", "rollcall-render.service"]),
        ({"metrics_file": ""}, {}, ["rollcall-render.service"]),
        ({}, {"state_prefix": ""}, ["rollcall-register.service"]),
    ],
)
def test_daemon_is_restarted_only_if_the_new_release_takes_its_configuration(
    tmp_path: Path, register: dict[str, str], render: dict[str, str], restarted: list[str]
) -> None:
    release, programs = unpack_runtime(tmp_path / "release"), tmp_path / "bin"
    (tmp_path / "register.json").write_text(json.dumps({**REGISTER, **register}))
    (tmp_path / "render.json").write_text(json.dumps({**RENDER, **render}))
    programs.mkdir()
    (programs / "systemctl").write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/told\n')
    (programs / "systemctl").chmod(0o755)
    script = yaml.safe_load(VARIABLES.read_text())["__agent_restart"]
    outdated = "echo rollcall-register.service rollcall-render.service"
    ended = subprocess.run(
        ["sh", "-c", script, "sh", outdated, str(release), str(tmp_path)],
        env={"PATH": f"{programs}:{os.environ['PATH']}"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    told = (tmp_path / "told").read_text().splitlines()
    assert told == [f"--no-block restart {unit}" for unit in restarted]
    refused = {**register, **render}
    assert ended.returncode == (1 if refused else 0)
    for key in refused:
        assert f"{key}: expected a value, got an empty one" in ended.stderr
        assert f"Run the role {'register' if key in register else 'render'} on this host" in ended.stderr
