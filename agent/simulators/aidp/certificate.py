"""The simulator's certificate for HTTPS: self-signed, for 127.0.0.1 and localhost, made here."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from agent.simulators.aidp.identity import private_file

HOST, NAME = "127.0.0.1", "localhost"
HOLDS = timedelta(days=30)


def certify(folder: Path) -> Path:
    """Return a certificate, PEM; its private key lies beside it as `key.pem`.

    One that is there and holds for a day more is kept, so that clients may go on trusting it.
    """
    certificate, key_file = folder / "certificate.pem", folder / "key.pem"
    now = datetime.now(UTC)
    if certificate.is_file() and key_file.is_file():
        known = x509.load_pem_x509_certificate(certificate.read_bytes())
        if known.not_valid_after_utc > now + timedelta(days=1):
            return certificate
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    private_file(key_file, private.decode())
    made = _signed(key, now)
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return certificate


def secured(certificate: Path) -> ssl.SSLContext:
    """Return what a server needs to speak HTTPS with this certificate and the key beside it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    return context


def _signed(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + HOLDS)
    )
    for extension, critical in _extensions(key.public_key()):
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(key, hashes.SHA256())


def _extensions(public: ec.EllipticCurvePublicKey) -> list[tuple[x509.ExtensionType, bool]]:
    """Return what clients look for, and whether one that does not know it must refuse.

    It signs itself: strict clients, such as Python 3.13, want all that an authority has to say.
    """
    mine = x509.SubjectKeyIdentifier.from_public_key(public)
    signs = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    names = [x509.IPAddress(IPv4Address(HOST)), x509.DNSName(NAME)]
    return [
        (x509.SubjectAlternativeName(names), False),
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (signs, True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (mine, False),
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(mine), False),
    ]
