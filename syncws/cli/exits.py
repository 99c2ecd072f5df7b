"""How a command ends: its exit code by kind of failure, and what it says on stderr.

Plain values and functions; runs on the main thread.
"""

import enum
import re
import sys

from syncws import (
    CloseCause,
    ConnectFailedError,
    ConnectionOverError,
    HandshakeError,
    HostNameNotResolvedError,
    HttpStatusError,
    MessageWebSocket,
    ObjectClosedError,
    OperationTimedOutError,
    ProxyError,
    StreamWebSocket,
    TlsError,
    WebSocketError,
)
from syncws.cli.screen import printable

__all__ = [
    "EXIT_CODES_HELP",
    "LOOK_SECONDS",
    "CommandError",
    "ExitCode",
    "check_close_code",
    "check_how_it_ended",
    "exit_code_of",
    "print_error",
]

LOOK_SECONDS = 0.5
"""The longest that the main thread waits at a time: Windows has it notice Ctrl-C only between two waits."""


class ExitCode(enum.IntEnum):
    """What the process returns."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NAME = 3
    CONNECT = 4
    PROXY = 5
    TLS = 6
    HANDSHAKE = 7
    TIME = 8
    LOST = 9
    CLOSED = 10
    INTERRUPTED = 130
    BROKEN_PIPE = 141


EXIT_CODES_HELP = """\
exit codes:
  0    success
  1    something failed: a step of the demo, a ping without an answer, a file that cannot be read or written
  2    wrong arguments, or an extra is missing
  3    the host name was not found
  4    nobody accepted the connection
  5    the proxy cannot be reached, or refuses
  6    TLS failed, or the certificate did not pass
  7    the server refused the handshake, or answered wrongly
  8    a time limit was reached
  9    the connection was lost, or the server broke the protocol
  10   the server closed it with a code other than 1000 and 1001, or while something was still to be sent
  130  Ctrl-C
  141  nobody reads the output any more
"""

# An error may be of several of these kinds; the first in this order says most.
_KINDS: tuple[tuple[type[WebSocketError], ExitCode], ...] = (
    (HostNameNotResolvedError, ExitCode.NAME),
    (ProxyError, ExitCode.PROXY),
    (OperationTimedOutError, ExitCode.TIME),
    (TlsError, ExitCode.TLS),
    (HandshakeError, ExitCode.HANDSHAKE),
    (ConnectFailedError, ExitCode.CONNECT),
)

# What is an option here, of the settings that errors name.
_OPTIONS = {
    "ca_file": "--ca-file",
    "client_certificate": "--cert",
    "compression": "--compress",
    "ignorable_server_certificate_errors": "--ignore",
    "max_message_size": "--max-size",
    "max_redirects": "--redirects",
    "proxy": "--proxy",
    "proxy_credential": "--proxy-user",
    "send_timeout": "--send-timeout",
    "server_credential": "--user",
    "supported_protocols": "--subprotocol",
}

_MAX_SHOWN_OF_ANSWER = 200

# No code (1005) counts as 1000: a server that says nothing found nothing wrong.
_ORDERLY_CODES = (1000, 1001, 1005)


class CommandError(Exception):
    """A command cannot go on; people see its text, without a traceback."""

    def __init__(self, message: str, code: ExitCode) -> None:
        super().__init__(message)
        self.code = code


def exit_code_of(error: WebSocketError) -> ExitCode:
    """Return the exit code for an error of the library."""
    if isinstance(error, ConnectionOverError | ObjectClosedError) and not isinstance(error, ConnectFailedError):
        cause = getattr(error, "close_cause", CloseCause.NONE)
        return ExitCode.CLOSED if cause is CloseCause.PEER else ExitCode.LOST
    if isinstance(error, HttpStatusError) and error.is_from_proxy:
        return ExitCode.PROXY
    # That leaves an argument that the library does not take, or an extra that it needs.
    return next((code for kind, code in _KINDS if isinstance(error, kind)), ExitCode.USAGE)


def print_error(error: Exception) -> None:
    """Say on stderr what went wrong, with what happened to each address, what the answer says, and what may help."""
    print(f"syncws: {error}", file=sys.stderr)
    attempts = getattr(error, "attempts", ())
    # A single one is in the text already.
    for attempt in attempts if len(attempts) > 1 else ():
        print(f"  {attempt.address}: {attempt.error} (after {attempt.seconds:.2f} s)", file=sys.stderr)
    answer = " ".join(getattr(error, "body", b"").decode(errors="replace").split())
    if answer:
        more = " …" if len(answer) > _MAX_SHOWN_OF_ANSWER else ""
        print(f"  its answer: {printable(answer[:_MAX_SHOWN_OF_ANSWER].rstrip())}{more}", file=sys.stderr)
    for note in getattr(error, "__notes__", None) or _advice(str(error)):
        print(f"  {note}", file=sys.stderr)


def _advice(text: str) -> list[str]:
    named = dict.fromkeys(re.findall(r"control\.(\w+)", text))
    options = [_OPTIONS[setting] for setting in named if setting in _OPTIONS]
    if "Authorization" in text:
        options.append("--bearer")
    return [f"see {' and '.join(options)}"] if options else []


def check_how_it_ended(socket: MessageWebSocket | StreamWebSocket) -> None:
    """Check that a server that has closed the connection had nothing to complain of.

    Raises:
        CommandError: it closed with a code that is not an orderly end.
    """
    if socket.information.close_cause is CloseCause.PEER:
        check_close_code(socket)


def check_close_code(socket: MessageWebSocket | StreamWebSocket) -> None:
    """Check the code of the server's Close frame, also where it answers one of this side or crosses it.

    Raises:
        CommandError: it is not that of an orderly end.
    """
    information = socket.information
    if information.close_code not in _ORDERLY_CODES:
        reason = f" {printable(information.close_reason)}" if information.close_reason else ""
        raise CommandError(f"the server closed the connection: {information.close_code}{reason}", ExitCode.CLOSED)
