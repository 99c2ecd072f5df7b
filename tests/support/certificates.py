"""Certificates of every kind, made with `cryptography`, and TLS servers that ask for one."""

import datetime as dt
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)
PASSWORD = "correct horse ß"


class Made:
    """A certificate with its key.

    Attributes:
        certificate, key: the objects of `cryptography`.
        der, pem: the certificate's bytes.
    """

    def __init__(self, certificate, key):
        self.certificate, self.key = certificate, key
        self.der = certificate.public_bytes(serialization.Encoding.DER)
        self.pem = certificate.public_bytes(serialization.Encoding.PEM)

    def key_pem(self, password=None, form=serialization.PrivateFormat.PKCS8):
        """Return the key as PEM, encrypted when there is a password."""
        return self.key.private_bytes(serialization.Encoding.PEM, form, encryption(password))

    def bundle(self, *others, password=None, name=b"The Client"):
        """Return PKCS #12 data with the key and further certificates."""
        chain = [other.certificate for other in others]
        return pkcs12.serialize_key_and_certificates(name, self.key, self.certificate, chain, encryption(password))


def encryption(password):
    """Return what `cryptography` wants to know about a password."""
    if password is None:
        return serialization.NoEncryption()
    return serialization.BestAvailableEncryption(password.encode())


def make(name="client", issuer=None, key=None, extensions=(), function=None, *, dates=(NOW - DAY, NOW + DAY), **sign):
    """Make a certificate; signed by itself without an issuer.

    Args:
        name: the subject's common name.
        issuer: another Made.
        key: its private key; an elliptic one when not given.
        extensions: to add, none of them critical.
        function: the hash function of the signature.
        dates: the first and the last moment of its validity.
        sign: further arguments of the signature.
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(
        subject_name=subject,
        issuer_name=issuer.certificate.subject if issuer else subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=dates[0],
        not_valid_after=dates[1],
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    signer = issuer.key if issuer else key
    if function is None and not isinstance(signer, ed25519.Ed25519PrivateKey):
        function = hashes.SHA256()
    return Made(builder.sign(signer, function, **sign), key)


def make_authority(name="An Authority", issuer=None):
    """Make the certificate of an authority."""
    usage = dict.fromkeys(
        ["content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"], False
    )
    usage |= {"digital_signature": True, "key_cert_sign": True, "crl_sign": True, "decipher_only": False}
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    return make(name, issuer, extensions=[constraints, x509.KeyUsage(**usage)])


def asking_context(server_tls_chain, trusted, version=None):
    """Return a server's context that insists on a client certificate of one of the trusted authorities."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_tls_chain.configure_cert(context)
    context.verify_mode = ssl.CERT_REQUIRED
    for made in trusted:
        context.load_verify_locations(cadata=made.pem.decode())
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context
