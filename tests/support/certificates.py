"""Certificates made for a test: an authority, and what it signs."""

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Issued:
    """A certificate and its key, in PEM; `serial` tells one from another."""

    certificate: bytes
    key: bytes
    serial: int

    def write(self, folder: Path, name: str = "server") -> tuple[Path, Path]:
        """Write both to `folder`; the paths of the certificate and of the key."""
        paths = folder / f"{name}.crt", folder / f"{name}.key"
        paths[0].write_bytes(self.certificate)
        paths[1].write_bytes(self.key)
        return paths


class Authority:
    """Signs certificates; `pem` is its own."""

    def __init__(self, name: str = "Test authority") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = _builder(self._name, self._name, self._key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        self._certificate = builder.sign(self._key, hashes.SHA256())
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM)

    def issue(
        self, *names: str, key: Key | None = None, password: bytes | None = None, email: str = ""
    ) -> Issued:
        """A certificate for names and addresses, 127.0.0.1 if there are none."""
        own_key = key or ec.generate_private_key(ec.SECP256R1())
        alternatives: list[x509.GeneralName] = [_name(name) for name in names or ("127.0.0.1",)]
        if email:
            alternatives = [x509.RFC822Name(email)]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issued")])
        builder = _builder(subject, self._name, own_key.public_key())
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), False)
        certificate = builder.sign(self._key, hashes.SHA256())
        encryption = (
            serialization.BestAvailableEncryption(password)
            if password
            else serialization.NoEncryption()
        )
        return Issued(
            certificate.public_bytes(serialization.Encoding.PEM),
            own_key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
            ),
            certificate.serial_number,
        )


def rsa_key() -> rsa.RSAPrivateKey:
    """A key of another kind."""
    return rsa.generate_private_key(65537, 2048)


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=2))
    )
