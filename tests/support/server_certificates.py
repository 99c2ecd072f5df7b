"""Servers' certificates for tests, made with `cryptography`: good ones and each way of being bad."""

import ipaddress
import ssl
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from support import certificates
from support.certificates import DAY, NOW

LONG_AGO = (NOW - 9 * DAY, NOW - DAY)
LATER = (NOW + DAY, NOW + 9 * DAY)
SERVER, CLIENT, CODE = (
    ExtendedKeyUsageOID.SERVER_AUTH,
    ExtendedKeyUsageOID.CLIENT_AUTH,
    ExtendedKeyUsageOID.CODE_SIGNING,
)

_KEYS = {
    "ec": lambda: ec.generate_private_key(ec.SECP256R1()),
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}


class Made(certificates.Made):
    """A certificate with its key and the way to its authority.

    Attributes:
        issuer: who signed it; None when it did so itself.
    """

    def __init__(self, certificate, key, issuer):
        super().__init__(certificate, key)
        self.issuer = issuer

    @property
    def chain(self):
        """This certificate and those of the authorities above it, without the root."""
        above = self.issuer
        found = [self]
        while above is not None and above.issuer is not None:
            found.append(above)
            above = above.issuer
        return found

    def server_context(self, chain=None):
        """Return a server's TLS settings that show this certificate and the rest of `chain`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        shown = self.chain if chain is None else chain
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "shown.pem"
            file.write_bytes(b"".join(made.pem for made in shown) + self.key_pem())
            context.load_cert_chain(file)
        return context

    def trusted_by(self, context):
        """Have a client's context trust this certificate; return the context."""
        context.load_verify_locations(cadata=self.der)
        return context


def make(
    name="localhost",
    issuer=None,
    *,
    is_authority=False,
    dates=(NOW - DAY, NOW + DAY),
    names=("localhost", "127.0.0.1"),
    usages=(SERVER,),
    path_length=None,
    permitted=None,
    extensions=(),
    key="ec",
    signer=None,
):
    """Make a certificate.

    Args:
        name: common name.
        issuer: the Made that signs; None for a certificate that signs itself.
        is_authority: whether it may sign others.
        dates: from when to when it is valid.
        names: DNS names and IP addresses that it is for; none leaves the extension out.
        usages: OIDs of the extended key usage; none leaves the extension out.
        path_length: of an authority, how many authorities may be below it.
        permitted: of an authority, the only DNS name that it may issue for.
        extensions: further pairs of an extension and whether it is critical.
        key: "ec", "rsa" or "ed25519".
        signer: the Made whose key really signs, when that is not the issuer's.
    """
    own_key = _KEYS[key]()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    authority = subject if issuer is None else issuer.certificate.subject
    signing_key = (signer or issuer).key if issuer is not None else own_key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(authority)
        .public_key(own_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(dates[0])
        .not_valid_after(dates[1])
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own_key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(
                own_key.public_key() if issuer is None else issuer.key.public_key()
            ),
            critical=False,
        )
    )
    if is_authority:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        builder = builder.add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
    else:
        if names:
            alternatives = x509.SubjectAlternativeName([_general_name(text) for text in names])
            builder = builder.add_extension(alternatives, critical=False)
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    if permitted is not None:
        constraints = x509.NameConstraints([x509.DNSName(permitted)], None)
        builder = builder.add_extension(constraints, critical=True)
    for extension, is_critical in extensions:
        builder = builder.add_extension(extension, critical=is_critical)
    algorithm = None if isinstance(signing_key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return Made(builder.sign(signing_key, algorithm), own_key, issuer)


def make_authority(name="authority", issuer=None, **options):
    """Make an authority's certificate; see make."""
    return make(name, issuer, is_authority=True, **options)


def make_revocation_list(authority, *revoked, dates=(NOW - DAY, NOW + DAY)):
    """Return an authority's list of revoked certificates, as PEM."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(dates[0])
        .next_update(dates[1])
    )
    for made in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(made.certificate.serial_number).revocation_date(dates[0])
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _usage(**granted):
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: granted.get(name, False) for name in names})


def _general_name(text):
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
