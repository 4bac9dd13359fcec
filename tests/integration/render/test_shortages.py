# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`rollcall render` under limits that leave it no descriptor."""

from __future__ import annotations

import subprocess

import pytest


def limit(renderer, descriptors):
    """Change the limit of the running process; None: as much as it likes."""
    limits = f"{descriptors or 1024}:1024"
    subprocess.run(["prlimit", f"--pid={renderer._process.pid}", f"--nofile={limits}"], check=True)


@pytest.mark.parametrize("descriptors", [3, 5, 7])
def test_a_renderer_goes_on_without_descriptors(etcd, renderer, put, descriptors):
    put(web1="10.0.0.1")
    renderer.started()
    renderer.wait(lambda: renderer.names() == ["web1"], "the first file")
    limit(renderer, descriptors)
    put(web2="10.0.0.2")
    renderer.wait(lambda: "Too many open files" in renderer.log.read_text(), "to be told")
    etcd.members[0].kill()
    etcd.members[0].start()
    etcd.wait_healthy()
    assert renderer.names() in (["web1"], ["web1", "web2"]), "the file is whole"
    assert renderer._process.poll() is None
    limit(renderer, None)
    renderer.wait(lambda: renderer.names() == ["web1", "web2"], "the newest file", 20)
    renderer.wait(lambda: not renderer.status()["cut_off"], "etcd to be followed again")
    assert "Traceback" not in renderer.log.read_text()
    assert renderer.stop() == 0


@pytest.mark.parametrize("descriptors", [5, 8, 12])
def test_a_renderer_that_starts_without_descriptors_waits_for_them(etcd, renderer, put, descriptors):
    put(web1="10.0.0.1")
    command = renderer.command
    renderer.command = lambda *arguments: ["prlimit", f"--nofile={descriptors}:1024", *command(*arguments)]
    renderer.start()
    renderer.wait(lambda: renderer.log.exists() and renderer.log.read_text(), "a word of it")
    limit(renderer, None)
    renderer.wait(lambda: renderer.names() == ["web1"], "the file", 20)
    assert "Traceback" not in renderer.log.read_text()
