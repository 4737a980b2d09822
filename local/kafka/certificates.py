"""Certificates for brokers and clients: an authority for one run, and what it signs."""

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LASTS = dt.timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Authority:
    """Whom brokers and clients trust; ``certificate`` is the file that says so."""

    folder: Path
    certificate: Path
    key: ec.EllipticCurvePrivateKey
    issuer: x509.Name

    def issue(self, name: str) -> Path:
        """A file with a key and its certificate for ``CN=name``, good for 127.0.0.1, as server and as client."""
        key = ec.generate_private_key(ec.SECP256R1())
        addresses = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
        builder = _begin(_name(name), self.issuer, key).add_extension(
            x509.SubjectAlternativeName(addresses), critical=False
        )
        path = self.folder / f"{name}.pem"
        _write_key(path, key)
        with path.open("ab") as file:
            file.write(builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        return path


def make_authority(folder: Path, *, name: str = "authority") -> Authority:
    """A new authority that keeps its files in the folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = _name(name)
    certificate = (
        _begin(issuer, issuer, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.crt"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    _write_key(folder / f"{name}.key", key)
    return Authority(folder, path, key, issuer)


def read_authority(folder: Path, *, name: str = "authority") -> Authority:
    """The authority that keeps its files in the folder."""
    key = serialization.load_pem_private_key((folder / f"{name}.key").read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return Authority(folder, folder / f"{name}.crt", key, _name(name))


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _begin(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + LASTS)
    )
