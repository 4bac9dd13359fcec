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
import ipaddress
import re
import typing as t
from pathlib import Path

from ansible_collections.rollcall.discovery.plugins.plugin_utils._credentials import CredentialsDirectory
from ansible_collections.rollcall.discovery.plugins.plugin_utils._errors import PluginError

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

CA_CERT = "ca.crt"

_CA_DAYS = _MAX_DAYS = 3650
_DNS_NAME = re.compile(r"(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]{0,250}[A-Za-z0-9_])?\.?")
_SKEW = datetime.timedelta(hours=1)  # how far behind the clock of a host may be


class CertificateError(PluginError):
    """A certificate or key cannot be made or read."""

    id = "RC-E-CERTIFICATE"


class Paths(t.NamedTuple):
    """The files of a certificate, and the CA that a client has to trust."""

    ca_cert: Path
    cert: Path
    key: Path


class Authority:
    """The CA in a credentials directory: created once, when it is used for the first time."""

    def __init__(self, directory: CredentialsDirectory, create: bool = True) -> None:
        if MISSING:
            raise CertificateError(f"Certificates need the Python library cryptography on the controller: {MISSING}")
        self._directory = directory
        self._create = create

    def ensure(self, name: str, names: t.Sequence[str], days: int, renew_before: int) -> Paths:
        """The files of the certificate `name` for DNS names and IP addresses `names`, made or renewed where needed.

        A certificate is renewed when it is valid for less than `renew_before` days, is for other names or of another
        CA; its key stays, so that a program which reads the two files at any moment finds that they fit together.
        Nothing is written, and no lock is taken, if all is there and valid. Raises AnsibleError.
        """
        _require_days(days, renew_before)
        soon = _now() + datetime.timedelta(days=renew_before)
        if not self._is_complete(name, names, soon):
            with self._directory.lock():
                ca, ca_key = self._authority()
                key = self._key(name) or self._new_key(name)
                if not self._is_complete(name, names, soon):
                    self._directory.replace(f"{name}.crt", _pem(_sign(name, names, days, key, ca, ca_key)))
        path = self._directory.path
        return Paths(path / CA_CERT, path / f"{name}.crt", path / f"{name}.key")

    def _is_complete(self, name: str, names: t.Sequence[str], soon: datetime.datetime) -> bool:
        ca, ca_key, cert, key = self._cert("ca"), self._key("ca"), self._cert(name), self._key(name)
        return bool(ca and ca_key and cert and key) and _serves(cert, ca, key, names, soon)

    def _authority(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        ca, key = self._cert("ca"), self._key("ca")
        path = self._directory.path
        if ca is None and key is None:
            if not self._create:
                raise CertificateError(
                    f"There is no CA in {path}. Copy {CA_CERT} and ca.key there from where they were created"
                )
            key = self._new_key("ca")
            self._directory.create(CA_CERT, _pem(_sign_authority(key)), secret=False)
            ca = self._cert("ca")
        if ca is None or key is None:
            there, missing = (CA_CERT, "ca.key") if ca else ("ca.key", CA_CERT)
            raise CertificateError(
                f"There is {path / there} but no {path / missing}: put it back, from the controller or the vault that "
                "has it. Clients that trust this CA would not trust another one. To begin with a new CA, move both away"
            )
        if ca.public_key() != key.public_key():
            raise CertificateError(
                f"{path / 'ca.key'} is not the key of {path / CA_CERT}: put back the two that belong together"
            )
        return ca, key

    def _cert(self, name: str) -> x509.Certificate | None:
        content = self._directory.read(f"{name}.crt")
        if content is None:
            return None
        try:
            return x509.load_pem_x509_certificate(content)
        except ValueError as exc:
            raise CertificateError(f"Cannot read the certificate {self._directory.path / name}.crt: {exc}") from None

    def _key(self, name: str) -> ec.EllipticCurvePrivateKey | None:
        content = self._directory.read(f"{name}.key")
        return None if content is None else self._load_key(name, content)

    def _new_key(self, name: str) -> ec.EllipticCurvePrivateKey:
        """A key, of which another controller may have created a first one at the same moment."""
        key = ec.generate_private_key(ec.SECP256R1())
        form = serialization.PrivateFormat.PKCS8
        pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        return self._load_key(name, self._directory.create(f"{name}.key", pem))

    def _load_key(self, name: str, content: bytes) -> ec.EllipticCurvePrivateKey:
        path = self._directory.path / f"{name}.key"
        try:
            key = serialization.load_pem_private_key(content, password=None)
        except (ValueError, TypeError) as exc:
            raise CertificateError(f"Cannot read the private key {path}: {exc}") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise CertificateError(
                f"The private key {path} is not a key of an elliptic curve, as this lookup creates them"
            )
        return key


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
    return [_general_name(name) for name in dict.fromkeys(names)]


def _general_name(name: t.Any) -> x509.GeneralName:
    with contextlib.suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(str(name)))
    if not isinstance(name, str) or not _DNS_NAME.fullmatch(name):
        raise CertificateError(
            f"names: expected IP addresses and DNS names, got {name!r}. Write other letters than those of ASCII as "
            "their IDNA form, which begins with xn--"
        )
    return x509.DNSName(name)


def _require_days(days: int, renew_before: int) -> None:
    """A certificate that is no longer valid, or due as soon as it is made, would be made anew by each run."""
    if not 1 <= days <= _MAX_DAYS:
        raise CertificateError(f"days: expected a number from 1 to {_MAX_DAYS}, got {days}")
    if not 0 <= renew_before < days:
        raise CertificateError(f"renew_before: expected a number from 0 to {days - 1} (days - 1), got {renew_before}")


def _pem(cert: x509.Certificate) -> bytes:
    return cert.public_bytes(serialization.Encoding.PEM)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
