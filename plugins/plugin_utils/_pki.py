# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A certificate authority in a directory of the controller, for the members of an etcd cluster.

Internal to the collection: no promise is made to other users of this file.

The library `cryptography` is there wherever ansible-core is, which depends on it. Subjects carry no CN: etcd takes a
client that shows a certificate without CN, and no token, for the user named by the CN of the server's certificate.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import ipaddress
import os
import typing as t
from pathlib import Path

from ansible.errors import AnsibleError

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError as exc:
    MISSING: str | None = str(exc)
else:
    MISSING = None

_CA_DAYS = 3650
_SKEW = datetime.timedelta(hours=1)  # how far behind the clock of a host may be


class Paths(t.NamedTuple):
    """The files of a certificate, and the CA that a client has to trust."""

    ca_cert: Path
    cert: Path
    key: Path


class Authority:
    """The CA in `directory`: made when it is used for the first time, and afterwards never again."""

    def __init__(self, directory: Path) -> None:
        if MISSING:
            raise AnsibleError(f"Certificates need the Python library cryptography on the controller: {MISSING}")
        self._directory = directory
        self._ca_cert, self._ca_key = directory / "ca.crt", directory / "ca.key"

    def ensure(self, name: str, names: t.Sequence[str], days: int, renew_before: int) -> Paths:
        """The files of the certificate `name` for DNS names and IP addresses `names`, made or renewed where needed.

        A certificate is renewed when it is valid for less than `renew_before` days, is for other names or of another
        CA; its key stays, so that a program which reads the two files at any moment finds that they fit together.
        Raises AnsibleError.
        """
        paths = Paths(self._ca_cert, self._directory / f"{name}.crt", self._directory / f"{name}.key")
        with self._lock():
            ca, ca_key = self._authority()
            key = _load_key(paths.key) if paths.key.exists() else _new_key(paths.key)
            soon = _now() + datetime.timedelta(days=renew_before)
            if not paths.cert.exists() or not _serves(_load(paths.cert), ca, key, names, soon):
                _write(paths.cert, _pem(_sign(name, names, days, key, ca, ca_key)), 0o644)
        return paths

    @contextlib.contextmanager
    def _lock(self) -> t.Iterator[None]:
        """One process at a time: Ansible asks for the certificates of several hosts at once."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._directory / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _authority(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        if self._ca_cert.exists() != self._ca_key.exists():
            there, missing = sorted((self._ca_cert, self._ca_key), key=Path.exists, reverse=True)
            raise AnsibleError(
                f"There is {there} but no {missing}: put it back. Another CA would not be trusted by those who have "
                "this one; to begin with a new one, move both away"
            )
        if not self._ca_key.exists():
            key = _new_key(self._ca_key)
            _write(self._ca_cert, _pem(_sign_authority(key)), 0o644)
        return _load(self._ca_cert), _load_key(self._ca_key)


def _serves(
    cert: x509.Certificate,
    ca: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    names: t.Sequence[str],
    at: datetime.datetime,
) -> bool:
    """Whether a certificate is of this CA, for this key and these names, and valid for longer than until `at`."""
    try:
        cert.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return (
        cert.public_key() == key.public_key()
        and cert.not_valid_after_utc > at
        and _alternatives(cert) == set(_general_names(names))
    )


def _alternatives(cert: x509.Certificate) -> set[x509.GeneralName]:
    try:
        return set(cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return set()


def _sign_authority(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    subject = _subject("certificate authority")
    usage = _usage(key_cert_sign=True, crl_sign=True)
    builder = _builder(subject, subject, key, _CA_DAYS, key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return builder.add_extension(usage, critical=True).sign(key, hashes.SHA256())


def _sign(
    name: str,
    names: t.Sequence[str],
    days: int,
    key: ec.EllipticCurvePrivateKey,
    ca: x509.Certificate,
    ca_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    # A member is a client, too: of the other members, and etcd's JSON gateway of its own server.
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = _builder(_subject(name), ca.subject, key, days, ca_key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(digital_signature=True), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(_general_names(names)), critical=False)
    return builder.sign(ca_key, hashes.SHA256())


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    days: int,
    issuer_key: ec.EllipticCurvePublicKey,
) -> x509.CertificateBuilder:
    """With the key identifiers that a strict verifier asks for (RFC 5280; Python 3.13 does)."""
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    issuers = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_now() - _SKEW)
        .not_valid_after(_now() + datetime.timedelta(days=days))
        .add_extension(own, critical=False)
        .add_extension(issuers, critical=False)
    )


def _subject(name: str) -> x509.Name:
    attributes = {NameOID.ORGANIZATION_NAME: "rollcall.discovery", NameOID.ORGANIZATIONAL_UNIT_NAME: name[:64]}
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes.items()])


def _usage(**given: bool) -> x509.KeyUsage:
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    rest = ("key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: given.get(name, False) for name in (*names, *rest)})


def _general_names(names: t.Iterable[str]) -> list[x509.GeneralName]:
    """Each name once. Raises AnsibleError where one is neither an IP address nor a DNS name."""
    found: list[x509.GeneralName] = []
    for name in dict.fromkeys(names):
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            try:
                found.append(x509.DNSName(name))
            except ValueError as exc:
                raise AnsibleError(f"{name!r} is neither an IP address nor a DNS name: {exc}") from None
    return found


def _new_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write(path, pem, 0o600)
    return key


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as exc:
        raise AnsibleError(f"Cannot read the private key {path}: {exc}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise AnsibleError(f"The private key {path} is none of an elliptic curve, as this lookup makes them")
    return key


def _load(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as exc:
        raise AnsibleError(f"Cannot read the certificate {path}: {exc}") from None


def _pem(cert: x509.Certificate) -> bytes:
    return cert.public_bytes(serialization.Encoding.PEM)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Replace a file in one step; nobody else ever sees the half of it, or a key with wider permissions."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    draft.replace(path)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
