# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS files of a client: replaced while it runs, or on a disk that does not answer.

A named pipe that nobody writes to stands for that disk: whoever opens it waits.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.client import Client
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import InvalidSettings, Unreachable
from tests.support.certs import Authority
from tests.support.fake_etcd import FakeEtcd

Connect = Callable[..., Client]


@pytest.fixture
def ca_file(tmp_path: Path, authority: Authority) -> Path:
    return Path(shutil.copy(authority.ca_cert, tmp_path / "ca.crt"))


def stall(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def release(path: Path) -> None:
    """Let those go on that wait for the file, and see that they are gone."""
    end = time.monotonic() + 10
    while any(thread.name == "TLS files" for thread in threading.enumerate()):
        assert time.monotonic() < end
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:  # nobody waits at the moment
            time.sleep(0.01)


def test_disk_of_tls_files_that_stalls_delays_new_connections_by_a_second_at_most(
    authority: Authority, connect: Connect, ca_file: Path
) -> None:
    pair = authority.server()
    with FakeEtcd(cert=pair.cert, key=pair.key) as fake:
        client, other = (connect(endpoints=[fake.endpoint], ca_cert=str(ca_file), timeout=10) for _ in range(2))
        client.put("/key", "value")
        stall(ca_file)
        begun = time.monotonic()
        for each in (client, other, client, other, client):  # also one for another thread that never connected before
            each.close()
            assert each.get("/key").value == "value"
        assert time.monotonic() - begun < 4
        waiting = [thread for thread in threading.enumerate() if thread.name == "TLS files"]
        assert len(waiting) == 1, "no pile of threads grows"
    release(ca_file)


def test_tls_files_that_were_never_read_are_an_error_within_the_timeout(
    authority: Authority, connect: Connect, ca_file: Path
) -> None:
    pair = authority.server()
    stall(ca_file)
    with FakeEtcd(cert=pair.cert, key=pair.key) as fake:
        client = connect(endpoints=[fake.endpoint], ca_cert=str(ca_file), timeout=1)
        begun = time.monotonic()
        with pytest.raises(InvalidSettings, match=r"Cannot read the TLS files \(.*ca.crt\): the disk does not answer"):
            client.get("/key")
        assert time.monotonic() - begun < 4
        release(ca_file)


def test_ca_that_is_replaced_counts_for_the_next_connection(
    authority: Authority, connect: Connect, ca_file: Path, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path / "stranger")
    pair = authority.server()
    with FakeEtcd(cert=pair.cert, key=pair.key) as fake:
        client = connect(endpoints=[fake.endpoint], ca_cert=str(ca_file), timeout=5)
        client.put("/key", "value")
        os.replace(shutil.copy(stranger.ca_cert, tmp_path / "new"), ca_file)
        client.close()
        with pytest.raises(Unreachable, match="certificate verification failed"):
            client.get("/key")
