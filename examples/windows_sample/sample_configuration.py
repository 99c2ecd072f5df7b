"""What the four scenarios share: checking a URI that a person typed, reporting an error, judging a
certificate, printing.

Microsoft's sample has the same in its SampleConfiguration. See scenario1_utf8.py for how to run one.
"""

import sys
import threading
from collections.abc import Callable, Sequence

from syncws import (
    Certificate,
    ChainValidationResult,
    HResult,
    InvalidArgumentError,
    MessageWebSocket,
    StreamWebSocket,
    Uri,
    WebErrorStatus,
    WebSocketError,
    WebSocketServerCustomValidationRequestedEventArgs,
)


def append_output_line(text: str) -> None:
    """Print a line in one step: several threads have something to say."""
    sys.stdout.write(f"{text}\n")


def try_get_uri(text: str) -> Uri | None:
    """Return the URI that somebody typed; None, with a message, when it is not one for a WebSocket."""
    try:
        return Uri(text.strip())
    except InvalidArgumentError as error:
        append_output_line(f"Error: {error.message}")
        return None


def build_web_socket_error(error: WebSocketError) -> str:
    """Report an error by its HRESULT and WebErrorStatus, as a program does that acts on them."""
    if error.hresult == HResult.INET_E_SECURITY_PROBLEM:
        return "Custom validation has rejected the server's certificate."
    status = WebSocketError.get_status(error.hresult)
    if status in (WebErrorStatus.CANNOT_CONNECT, WebErrorStatus.NOT_FOUND, WebErrorStatus.REQUEST_TIMEOUT):
        return "Cannot connect to the server. Please make sure that it runs: python -m syncws echo"
    if status is WebErrorStatus.UNKNOWN:
        return f"Unknown error: 0x{error.hresult & 0xFFFFFFFF:08X}"
    return f"Error: {status.name}"


def is_chain_valid(certificate: Certificate, intermediates: Sequence[Certificate], issuer: str) -> bool:
    """Judge the server's certificate and those that came with it, by the issuer's name alone.

    A name proves nothing about a certificate whose signature was let pass: a real program compares its hash, as
    certificate_pinning.py does, or trusts the authority.
    """
    for other in intermediates:
        append_output_line(f"Intermediate certificate: {other.subject}, by {other.issuer}")
    names = certificate.subject_alternative_name
    append_output_line(
        f"Server certificate: for {', '.join([*names.dns_name, *names.ip_address])}, by {certificate.issuer}"
    )
    return issuer in certificate.issuer


def take_test_certificates(socket: MessageWebSocket | StreamWebSocket, issuer: str) -> None:
    """Let the certificate of a test set-up pass, if `issuer` is part of its issuer's name.

    Only test programs let errors pass: the connection is secret then, but the server is not known.
    """
    socket.control.ignorable_server_certificate_errors.extend(
        [ChainValidationResult.UNTRUSTED, ChainValidationResult.INVALID_NAME]
    )
    socket.add_server_custom_validation_requested(_custom_validation(issuer))


def _custom_validation(issuer: str) -> Callable[[object, WebSocketServerCustomValidationRequestedEventArgs], None]:
    """Return a handler for server_custom_validation_requested that accepts the certificates of one issuer.

    It judges on a thread of its own and puts the end of the event off for it, as a program does that asks elsewhere.
    connect() waits for the deferral meanwhile.
    """

    def requested(_: object, args: WebSocketServerCustomValidationRequestedEventArgs) -> None:
        deferral = args.get_deferral()

        def judge() -> None:
            is_valid = False
            # The deferral is completed however this ends, and what was not found valid was rejected before.
            with deferral:
                try:
                    is_valid = is_chain_valid(args.server_certificate, args.server_intermediate_certificates, issuer)
                finally:
                    if not is_valid:
                        args.reject()
                append_output_line(
                    f"Custom validation of the server's certificate {'passed' if is_valid else 'failed'}."
                )

        threading.Thread(target=judge).start()

    return requested
