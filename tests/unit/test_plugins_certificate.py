# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The CA on the controller. OpenSSL is the witness, and Python's strictest verification a judge."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.plugins.loader import lookup_loader

from ansible_collections.rollcall.discovery.plugins.plugin_utils._credentials import CredentialsDirectory
from ansible_collections.rollcall.discovery.plugins.plugin_utils._pki import Authority, Paths

NAMES = ["127.0.0.1", "::1", "etcd1"]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "credentials" / "tls"


def ensure(directory: Path, name: str = "etcd1", names: list[Any] = NAMES, days: int = 365, before: int = 30) -> Paths:
    return Authority(CredentialsDirectory(directory)).ensure(name, names, days, before)


def openssl(*arguments: object) -> str:
    return subprocess.run(
        ["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=30, check=True
    ).stdout


def greet(paths: Paths, client: ssl.SSLContext, name: str) -> None:
    """A handshake with a server that has this certificate. Raises ssl.SSLError."""
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(paths.cert, paths.key)
    here, there = socket.socketpair()

    def serve() -> None:
        try:
            server.wrap_socket(there, server_side=True).close()
        except OSError:
            there.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        client.wrap_socket(here, server_hostname=name).close()
    finally:
        here.close()
        thread.join()


@pytest.mark.parametrize("name", NAMES)
def test_a_strict_client_trusts_it(directory: Path, name: str) -> None:
    paths = ensure(directory)
    client = ssl.create_default_context(cafile=str(paths.ca_cert))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    greet(paths, client, name)


def test_a_client_trusts_it_for_no_other_name(directory: Path) -> None:
    paths = ensure(directory)
    with pytest.raises(ssl.SSLCertVerificationError, match="etcd2"):
        greet(paths, ssl.create_default_context(cafile=str(paths.ca_cert)), "etcd2")


def test_openssl_finds_both_usages_and_no_common_name(directory: Path) -> None:
    paths = ensure(directory)
    for purpose in ("sslserver", "sslclient"):
        openssl("verify", "-x509_strict", "-purpose", purpose, "-CAfile", paths.ca_cert, paths.cert)
    assert "CN" not in openssl("x509", "-in", paths.cert, "-noout", "-subject")


def test_only_the_owner_may_look(directory: Path) -> None:
    paths = ensure(directory)
    assert directory.stat().st_mode & 0o777 == 0o700
    for key in (paths.key, directory / "ca.key"):
        assert key.stat().st_mode & 0o777 == 0o600


def test_what_is_there_stays(directory: Path) -> None:
    paths = ensure(directory)
    before = {path: path.read_bytes() for path in directory.iterdir()}
    assert ensure(directory, names=list(reversed(NAMES))) == paths
    assert {path: path.read_bytes() for path in directory.iterdir()} == before


def test_one_that_ends_soon_is_renewed_and_keeps_its_key(directory: Path) -> None:
    paths = ensure(directory, days=20, before=10)
    cert, key = paths.cert.read_bytes(), paths.key.read_bytes()
    ensure(directory, before=19)
    assert paths.cert.read_bytes() == cert
    ensure(directory, before=21)
    assert paths.cert.read_bytes() != cert
    assert paths.key.read_bytes() == key
    openssl("verify", "-CAfile", paths.ca_cert, paths.cert)


def test_one_for_other_names_is_renewed(directory: Path) -> None:
    paths = ensure(directory)
    ensure(directory, names=[*NAMES, "etcd1.example.com"])
    assert "DNS:etcd1.example.com" in openssl("x509", "-in", paths.cert, "-noout", "-ext", "subjectAltName")


def test_another_authority_means_another_certificate(directory: Path) -> None:
    paths = ensure(directory)
    for name in ("ca.crt", "ca.key"):
        (directory / name).unlink()
    ensure(directory)
    openssl("verify", "-CAfile", paths.ca_cert, paths.cert)


@pytest.mark.parametrize("lost", ["ca.crt", "ca.key"])
def test_half_an_authority_is_refused(directory: Path, lost: str) -> None:
    ensure(directory)
    (directory / lost).unlink()
    with pytest.raises(AnsibleError, match=f"no .*/{lost}: put it back"):
        ensure(directory)


def test_many_at_once_make_one_authority(directory: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: ensure(directory, f"etcd{number}"), range(8)))
    for paths in found:
        openssl("verify", "-CAfile", paths.ca_cert, paths.cert)


@pytest.mark.parametrize("name", ["étcd", "a b", "", "-a", None, 5, "a/b", "x" * 300])
def test_a_name_that_is_none_is_refused(directory: Path, name: Any) -> None:
    with pytest.raises(AnsibleError, match="names: expected IP addresses and DNS names, got"):
        ensure(directory, names=[name])


@pytest.mark.parametrize(("days", "before"), [(0, 0), (-1, 0), (10**9, 30), (30, 30), (30, -1), (365, 10**9)])
def test_a_certificate_that_each_run_would_make_anew_is_refused(directory: Path, days: int, before: int) -> None:
    with pytest.raises(AnsibleError, match=r"^(days|renew_before): expected a number from"):
        ensure(directory, days=days, before=before)


def test_the_lookup_returns_paths_and_refuses_names_that_lead_elsewhere(directory: Path) -> None:
    lookup = lookup_loader.get("rollcall.discovery.certificate")
    (found,) = lookup.run(["etcd1"], {}, directory=str(directory), names=NAMES)
    assert found == {
        "ca_cert": f"{directory}/ca.crt",
        "cert": f"{directory}/etcd1.crt",
        "key": f"{directory}/etcd1.key",
    }
    for name in ("../etcd1", "ca", ".lock", ""):
        with pytest.raises(AnsibleError, match="cannot have that name"):
            lookup.run([name], {}, directory=str(directory))


def test_a_list_of_names_stands_for_its_items(directory: Path) -> None:
    lookup = lookup_loader.get("rollcall.discovery.certificate")
    found = lookup.run([["etcd1", "etcd2"], "etcd3"], {}, directory=str(directory), names=NAMES)
    assert [Path(paths["cert"]).stem for paths in found] == ["etcd1", "etcd2", "etcd3"]
    with pytest.raises(AnsibleError, match="The name of a certificate: expected text, got 5"):
        lookup.run([5], {}, directory=str(directory))
