# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A certificate authority for tests, on the `openssl` command line."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

_DAYS = "2"


class Pair(NamedTuple):
    """PEM files: a certificate and its private key."""

    cert: Path
    key: Path


class Authority:
    """A CA in `directory`, which issues server and client certificates into it."""

    def __init__(self, directory: Path, name: str = "rollcall tests") -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._ca = Pair(directory / "ca.crt", directory / "ca.key")
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(self._ca.key)]
        # Python 3.13 verifies strictly by RFC 5280: a CA says what its key is for, a certificate whose key signed it.
        usage = ["-addext", "keyUsage = critical, keyCertSign, cRLSign"]
        _openssl("req", "-x509", *key, *usage, "-out", str(self._ca.cert), "-days", _DAYS, "-subj", f"/CN={name}")

    @property
    def ca_cert(self) -> Path:
        """What a client must trust."""
        return self._ca.cert

    def server(self, name: str = "server", client_auth: bool = True, common_name: str = "") -> Pair:
        """A server certificate for the loopback addresses.

        With `client_auth` it has that extended usage, too: under --client-cert-auth the JSON gateway presents the
        server's certificate to the server itself.
        """
        usage = "serverAuth, clientAuth" if client_auth else "serverAuth"
        return self._issue(name, common_name, usage, "subjectAltName = IP:127.0.0.1, IP:::1, DNS:localhost")

    def client(self, name: str = "client", common_name: str = "") -> Pair:
        """A client certificate; without `common_name` it has only an organisation, as etcd's gateway wants it."""
        return self._issue(name, common_name, "clientAuth")

    def _issue(self, name: str, common_name: str, usage: str, *extensions: str) -> Pair:
        pair = Pair(self._directory / f"{name}.crt", self._directory / f"{name}.key")
        request, config = self._directory / f"{name}.csr", self._directory / f"{name}.ext"
        lines = [f"extendedKeyUsage = {usage}", "authorityKeyIdentifier = keyid", *extensions, ""]
        config.write_text("\n".join(lines))
        subject = f"/CN={common_name}" if common_name else "/O=rollcall"
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(pair.key)]
        _openssl("req", *key, "-out", str(request), "-subj", subject)
        signer = ["-CA", str(self._ca.cert), "-CAkey", str(self._ca.key), "-CAcreateserial"]
        out = ["-out", str(pair.cert), "-days", _DAYS, "-extfile", str(config)]
        _openssl("x509", "-req", "-in", str(request), *signer, *out)
        return pair


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"openssl {' '.join(arguments)} failed: {done.stderr}")
