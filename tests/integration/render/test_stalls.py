# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`rollcall render` while the disk of its state stalls, or nobody reads its log."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time

import pytest

CONSUMER = "/rollcall/infrastructure/consumers/lb1"


@pytest.fixture
def freeze(tmp_path):
    """The state directory on a file system of its own; the function freezes it and lets it go on. Needs root."""
    disk, image = tmp_path / "state", tmp_path / "image"
    disk.mkdir()
    with image.open("wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(disk)], check=True)
    frozen = []

    def freeze(on):
        subprocess.run(["fsfreeze", "--freeze" if on else "--unfreeze", str(disk)], check=True)
        frozen[:] = [on]

    yield freeze
    if frozen == [True]:
        freeze(False)
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def see_published(etcd, seconds):
    """See that the consumer key never goes."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert etcd.ctl("get", CONSUMER)
        time.sleep(0.1)


def test_a_state_directory_that_stalls_does_not_cost_the_consumers_lease(etcd, renderer, put, freeze):
    put(web1="10.0.0.1")
    renderer.state.mkdir(exist_ok=True)
    renderer.started()
    renderer.wait(lambda: etcd.ctl("get", CONSUMER), "the consumer key")
    freeze(True)
    put(web2="10.0.0.2")
    see_published(etcd, 3 * renderer.config["consumer_ttl"])
    freeze(False)
    renderer.wait(lambda: renderer.names() == ["web1", "web2"], "the newest file")
    assert renderer.stop() == 0


def test_state_directory_that_stalls_delays_no_rendering(etcd, renderer, put, freeze):
    put(web1="10.0.0.1")
    renderer.state.mkdir(exist_ok=True)
    renderer.started()
    freeze(True)
    for number in range(2, 5):
        put(**{f"web{number}": f"10.0.0.{number}"})
        names = [f"web{each}" for each in range(1, number + 1)]
        renderer.wait(lambda names=names: renderer.names() == names, f"{names} while the disk stalls")
    renderer.wait(lambda: "Going on without the state directory" in renderer.log.read_text(), "the warning")
    assert not renderer.status()["files"][0]["dirty"], "the service was reloaded"
    freeze(False)
    put(web5="10.0.0.5")
    snapshot = renderer.state / "snapshot.json"
    renderer.wait(lambda: "10.0.0.5" in snapshot.read_text(), "the newest snapshot")
    assert renderer.stop() == 0


def test_file_on_a_disk_that_stalls_holds_up_no_other_file(etcd, renderer, put, freeze):
    put(web1="10.0.0.1")
    other = {**renderer.file, "dest": str(renderer.state / "other.cfg"), "reload_cmd": "true"}
    renderer.config.update(templates=[other, renderer.file], state_dir=str(renderer.etc / "state"))
    renderer.started()
    freeze(True)
    for number in range(2, 5):
        put(**{f"web{number}": f"10.0.0.{number}"})
        names = [f"web{each}" for each in range(1, number + 1)]
        renderer.wait(lambda names=names: renderer.names() == names, f"{names} while the disk stalls", 20)
    assert "its disk does not answer" in renderer.status()["files"][0]["error"]
    assert not renderer.status()["files"][1]["error"]
    freeze(False)
    renderer.wait(lambda: not renderer.status()["files"][0]["error"], "the other file", 20)
    assert "10.0.0.4" in (renderer.state / "other.cfg").read_text()
    assert renderer.stop() == 0


def test_a_log_that_nobody_reads_holds_up_no_file(etcd, renderer, put):
    put(web1="10.0.0.1")
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 512)
    os.set_blocking(writer, True)
    renderer._process = subprocess.Popen(renderer.command(), env=renderer._environment, stdout=writer, stderr=writer)
    os.close(writer)
    renderer.wait(lambda: renderer.names() == ["web1"], "the file")
    put(web2="10.0.0.2")
    renderer.wait(lambda: renderer.names() == ["web1", "web2"], "the newest file")
    os.close(reader)
    assert renderer.stop() == 0
