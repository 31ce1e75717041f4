"""A certificate authority and server certificates for 127.0.0.1, as PEM files, made anew for each broker."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CertificateKind = Literal["good", "expired", "untrusted"]
"""good; expired yesterday; or signed by an authority that is not the one the clients are told to trust."""

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class CertificateFiles:
    """Paths of what a broker and its clients need.

    Attributes
    ----------
    ca : pathlib.Path
        The authority clients are told to trust (PEM).
    server : pathlib.Path
        The server's private key, then its certificate chain (PEM, 0600), as `ssl.keystore.type=PEM` wants.
    """

    ca: Path
    server: Path


@dataclass(frozen=True)
class _Authority:
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


def make_certificates(directory: Path, kind: CertificateKind = "good") -> CertificateFiles:
    """Write an authority and a server certificate for 127.0.0.1 and localhost into `directory`."""
    trusted = _make_authority("tests' authority")
    signer = _make_authority("somebody else's authority") if kind == "untrusted" else trusted
    now = datetime.now(UTC)
    not_after = now - _DAY if kind == "expired" else now + 2 * _DAY
    key, certificate = _make_server_certificate(signer, not_before=now - 10 * _DAY, not_after=not_after)

    files = CertificateFiles(ca=directory / "ca.pem", server=directory / "server.pem")
    files.ca.write_bytes(_pem(trusted.certificate))
    files.server.touch(mode=0o600)
    files.server.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + _pem(certificate)
        + _pem(signer.certificate)
    )
    return files


def _make_authority(name: str) -> _Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 20 * _DAY)
        .not_valid_after(now + 2 * _DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _Authority(key, certificate)


def _make_server_certificate(
    signer: _Authority, *, not_before: datetime, not_after: datetime
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]))
        .issuer_name(signer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), critical=False
        )
        .sign(signer.key, hashes.SHA256())
    )
    return key, certificate


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
