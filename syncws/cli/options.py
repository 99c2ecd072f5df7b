"""What all commands that connect have in common: their options, and the socket made from them.

Runs on the main thread, as does the check of a pinned certificate while it connects.
"""

import argparse
import contextlib
import math
import socket as socket_module
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from syncws import (
    Certificate,
    CertificateError,
    ChainValidationResult,
    HResult,
    InvalidArgumentError,
    MessageWebSocket,
    MessageWebSocketControl,
    PasswordCredential,
    StreamWebSocket,
    WebSocketServerCustomValidationRequestedEventArgs,
)
from syncws.cli.exits import EXIT_CODES_HELP, CommandError, ExitCode
from syncws.cli.passwords import read_secret

__all__ = [
    "Commands",
    "add_advice",
    "add_command",
    "connect",
    "headers",
    "new_socket",
    "pin_check",
    "seconds",
    "settings",
    "whole",
]

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

_Check: TypeAlias = Callable[[object, WebSocketServerCustomValidationRequestedEventArgs], None]

_Socket = TypeVar("_Socket", MessageWebSocket, StreamWebSocket)

_TIMEOUT = 30.0
_SECRET_HEADERS = ("authorization", "proxy-authorization", "cookie")
# Without REVOCATION_FAILURE, which never passes.
_MAY_PASS = {
    result.name.lower(): result
    for result in (
        ChainValidationResult.UNTRUSTED,
        ChainValidationResult.EXPIRED,
        ChainValidationResult.INCOMPLETE_CHAIN,
        ChainValidationResult.WRONG_USAGE,
        ChainValidationResult.INVALID_NAME,
        ChainValidationResult.REVOCATION_INFORMATION_MISSING,
    )
}


def add_command(commands: Commands, name: str, text: str, description: str) -> argparse.ArgumentParser:
    """Add a command that connects to a URL, with the options that all of them have; return its parser."""
    parser = commands.add_parser(
        name,
        help=text,
        description=description,
        epilog=EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("url", metavar="URL", help="ws:// or wss://")
    _add_request(parser.add_argument_group("the request"))
    _add_way(parser.add_argument_group("the way to the server"))
    _add_tls(parser.add_argument_group("TLS"))
    _add_times(parser.add_argument_group("time limits, in seconds; inf means for ever"))
    parser.add_argument("-v", "--verbose", action="store_true", help="show handshakes and frames on stderr")
    return parser


def _add_request(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-H",
        "--header",
        action="append",
        default=[],
        type=_header,
        metavar="'NAME: VALUE'",
        help="a header to add; @FILE reads headers from a file, one a line; may be repeated",
    )
    group.add_argument("--origin", metavar="ORIGIN", help="the header Origin")
    group.add_argument(
        "--user-agent",
        type=lambda text: text or None,
        default=argparse.SUPPRESS,
        metavar="TEXT",
        help="the header User-Agent; empty sends none",
    )
    group.add_argument(
        "-s",
        "--subprotocol",
        action="append",
        dest="supported_protocols",
        default=[],
        metavar="NAME",
        help="offer it; may be repeated, best first",
    )
    group.add_argument(
        "-u",
        "--user",
        metavar="NAME",
        help="user name for the server; the password comes from SYNCWS_PASSWORD or a prompt",
    )
    group.add_argument(
        "--bearer", action="store_true", help="send a bearer token, from SYNCWS_TOKEN or a prompt (Authorization)"
    )
    group.add_argument(
        "-z", "--compress", action="store_true", dest="compression", help="offer to compress (permessage-deflate)"
    )
    group.add_argument(
        "-L",
        "--redirects",
        dest="max_redirects",
        type=whole(0, 100),
        default=0,
        metavar="N",
        help="redirects to follow (default: none)",
    )


def _add_way(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--proxy", metavar="URL", help='http, https or socks; "" for none (default: the environment\'s)')
    group.add_argument(
        "--proxy-user",
        metavar="NAME",
        help="user name for the proxy; the password comes from SYNCWS_PROXY_PASSWORD or a prompt",
    )
    group.add_argument("--unix", type=Path, metavar="PATH", help="connect to a Unix socket; the URL is what to request")


def _add_tls(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--ca-file", metavar="FILE", help="authorities to trust in addition to the system's, PEM")
    group.add_argument(
        "--only-ca-file",
        action="store_false",
        dest="trusts_system_authorities",
        help="do not trust the system's authorities",
    )
    group.add_argument("--cert", metavar="FILE", help="a client certificate: PEM, or PKCS #12 as .p12 or .pfx")
    group.add_argument(
        "--key",
        metavar="FILE",
        help="its key, if in a file of its own; a password comes from SYNCWS_KEY_PASSWORD or a prompt",
    )
    group.add_argument(
        "--pin",
        action="append",
        default=[],
        type=_pin,
        metavar="SHA256",
        help="accept only this certificate, which must pass all checks too; may be repeated",
    )
    group.add_argument(
        "--ignore",
        action="extend",
        dest="ignorable_server_certificate_errors",
        default=[],
        type=_errors,
        metavar="LIST",
        help=f"errors of the certificate to let pass, separated by commas: {', '.join(_MAY_PASS)}",
    )


def _add_times(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--timeout", type=seconds, default=_TIMEOUT, metavar="T", help="for all of connecting (default: %(default)g)"
    )
    for option, name, text in (
        ("--send-timeout", "send_timeout", "for a send in which the server takes nothing (default: 30)"),
        ("--close-timeout", "close_timeout", "for closing (default: 10)"),
        ("--keep-alive", "keep_alive_interval", "after which a silent server is pinged; 0 for no pings (default: 20)"),
    ):
        # Left out when it is not given: None is for ever.
        group.add_argument(option, dest=name, type=seconds, default=argparse.SUPPRESS, metavar="T", help=text)


def new_socket(options: argparse.Namespace, kind: type[_Socket]) -> _Socket:
    """Return a socket with the settings that the options ask for, not connected yet.

    Raises:
        CommandError: options that do not go together, or a file that is not what it should be.
        InvalidArgumentError: a value that the library does not take.
        OSError: a file cannot be read.
    """
    socket = kind()
    socket.control.update(**settings(options))
    for name, value in headers(options):
        socket.set_request_header(name, value)
    check = pin_check(options)
    if check is not None:
        socket.server_custom_validation_requested += check
    return socket


def connect(options: argparse.Namespace, socket: MessageWebSocket | StreamWebSocket) -> None:
    """Connect a socket of new_socket().

    Raises:
        CommandError: nobody accepts at the path of --unix.
        WebSocketError: as connect() of the socket.
    """
    timeout = options.timeout
    over = None if options.unix is None else _unix_socket(options.unix, timeout)
    try:
        socket.connect(options.url, timeout=timeout, socket=over)
    except CertificateError as error:
        add_advice(error, socket)
        raise
    finally:
        # The library's from here on, unless it has refused the arguments.
        if over is not None and not socket.is_open:
            over.close()


def add_advice(error: BaseException, socket: MessageWebSocket | StreamWebSocket) -> None:
    """Add to an error about a certificate what can be done, with the hash of the one that `socket` was shown."""
    certificate = socket.information.server_certificate
    if isinstance(error, CertificateError) and certificate is not None:
        error.add_note(f"its SHA-256 is {certificate.get_hash_value('SHA256').hex()}")
        is_pin = error.hresult == HResult.INET_E_SECURITY_PROBLEM
        error.add_note("--pin names another certificate" if is_pin else "see --ca-file, --ignore and --pin")


def seconds(text: str) -> float | None:
    """Read a number of seconds; None for inf, and for more than the system can wait."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isnan(value) or value < 0:
        raise argparse.ArgumentTypeError(f"must be seconds, or inf, not {text}")
    return None if value > threading.TIMEOUT_MAX else value


def whole(lowest: int, highest: int | None = None) -> Callable[[str], int]:
    """Return a function that reads a whole number in that range."""
    allowed = f"at least {lowest}" if highest is None else f"from {lowest} to {highest}"

    def read(text: str) -> int:
        # Python reads no integers of thousands of digits.
        is_number = text.isascii() and text.isdecimal() and len(text) <= 20
        if not is_number or int(text) < lowest or (highest is not None and int(text) > highest):
            raise argparse.ArgumentTypeError(f"must be {allowed}, not {text}")
        return int(text)

    return read


def headers(options: argparse.Namespace) -> list[tuple[str, str]]:
    """Return the headers that the options add to the request; asks for a bearer token.

    Raises:
        CommandError: there is nobody to ask.
    """
    found = [header for some in options.header for header in some]
    if options.origin is not None:
        found.append(("Origin", options.origin))
    if options.bearer:
        found.append(("Authorization", f"Bearer {read_secret('SYNCWS_TOKEN', 'bearer token')}"))
    return found


def settings(options: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that the options ask for; asks for passwords.

    Where the value of an option is that of a setting, argparse knows it by the setting's name (`dest`).

    Raises: as new_socket().
    """
    found = {name: value for name, value in vars(options).items() if hasattr(MessageWebSocketControl, name)}
    if options.user is not None:
        found["server_credential"] = _credential(options.user, "SYNCWS_PASSWORD", "password")
    if options.proxy_user is not None:
        found["proxy_credential"] = _credential(options.proxy_user, "SYNCWS_PROXY_PASSWORD", "proxy's password")
    if options.proxy and "@" in options.proxy:
        raise CommandError(
            "a password in --proxy is seen by everybody on this machine: use --proxy-user", ExitCode.USAGE
        )
    if options.ca_file is None and not options.trusts_system_authorities:
        raise CommandError("--only-ca-file needs --ca-file", ExitCode.USAGE)
    if options.cert is not None:
        found["client_certificate"] = _client_certificate(options.cert, options.key)
    elif options.key is not None:
        raise CommandError("--key needs --cert", ExitCode.USAGE)
    return found


def pin_check(options: argparse.Namespace) -> _Check | None:
    """Return a handler of server_custom_validation_requested that accepts only what --pin names; None without it.

    Raises:
        CommandError: the URL does not begin with wss.
    """
    if not options.pin:
        return None
    if not options.url.lower().startswith("wss:"):
        raise CommandError("--pin needs a wss:// URL", ExitCode.USAGE)

    def look(_: object, args: WebSocketServerCustomValidationRequestedEventArgs) -> None:
        if args.server_certificate.get_hash_value("SHA256") not in options.pin:
            args.reject()

    return look


def _credential(user: str, variable: str, what: str) -> PasswordCredential:
    return PasswordCredential("", user, read_secret(variable, what))


def _client_certificate(path: str, key: str | None) -> Certificate:
    is_pkcs12 = path.lower().endswith((".p12", ".pfx"))
    if is_pkcs12 and key is not None:
        raise CommandError("--key is not for PKCS #12, which holds the key", ExitCode.USAGE)

    def load(password: str | None) -> Certificate:
        return Certificate.from_pkcs12(path, password) if is_pkcs12 else Certificate.from_pem(path, key, password)

    try:
        return load(None)
    except InvalidArgumentError as error:
        # Only of an encrypted key is it about the password.
        if "password" not in error.message:
            raise
    return load(read_secret("SYNCWS_KEY_PASSWORD", f"password of the key in {key or path}"))


def _unix_socket(path: Path, timeout: float | None) -> socket_module.socket:
    if not hasattr(socket_module, "AF_UNIX"):
        raise CommandError("this system has no Unix sockets: leave out --unix", ExitCode.USAGE)
    with contextlib.ExitStack() as stack:
        connected = stack.enter_context(socket_module.socket(socket_module.AF_UNIX))
        try:
            connected.settimeout(timeout)
            connected.connect(str(path))
        except OSError as error:
            raise CommandError(f"nobody accepts at {path}: {error.strerror or error}", ExitCode.CONNECT) from None
        # It is the caller's from now on.
        stack.pop_all()
        return connected


def _header(text: str) -> list[tuple[str, str]]:
    if text.startswith("@"):
        try:
            # Notepad and PowerShell begin a file with a byte order mark.
            lines = Path(text[1:]).read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise argparse.ArgumentTypeError(f"{text[1:]} cannot be read: {error}") from None
        return [_name_and_value(line) for line in lines if line.strip()]
    name, value = _name_and_value(text)
    if name.lower() in _SECRET_HEADERS:
        raise argparse.ArgumentTypeError(
            f"{name} on the command line can be seen by everybody on this machine: use @FILE, --user or --bearer"
        )
    return [(name, value)]


def _name_and_value(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise argparse.ArgumentTypeError(f"must be NAME: VALUE, not {line!r}")
    return name.strip(), value.strip()


def _pin(text: str) -> bytes:
    try:
        pin = bytes.fromhex(text.replace(":", ""))
    except ValueError:
        pin = b""
    if len(pin) != 32:
        raise argparse.ArgumentTypeError(f"must be the 64 hexadecimal digits of a SHA-256, not {text}")
    return pin


def _errors(text: str) -> list[ChainValidationResult]:
    found: list[ChainValidationResult] = []
    for name in text.split(","):
        result = _MAY_PASS.get(name.strip().lower().replace("-", "_"))
        if result is None:
            raise argparse.ArgumentTypeError(f"must be among {', '.join(_MAY_PASS)}, not {name.strip()}")
        found.append(result)
    return found
