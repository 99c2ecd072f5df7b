"""`python -m syncws echo`: a server to try a client against, until Ctrl-C, SIGTERM or SIGHUP.

Runs on the main thread, which waits; the server has threads of its own. The first line printed is the URI.
"""

import argparse
import contextlib
import ipaddress
import signal
import ssl
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from syncws.cli.echo_server import echo, file_sender, running_server
from syncws.cli.exits import LOOK_SECONDS
from syncws.cli.options import Commands, whole

__all__ = ["add_to", "run"]

_PORT, _TLS_PORT = 8765, 8766
# The second comes when the terminal is closed; Windows has none.
_ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def add_to(commands: Commands) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "echo",
        help="run a server on this machine that sends back what it gets; needs the extra demo",
        description="Run a WebSocket server that sends back every message, until Ctrl-C. It prints its URL first.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=whole(0, 65535), help=f"0 for any free one (default: {_PORT}, with --tls {_TLS_PORT})"
    )
    parser.add_argument(
        "--tls",
        action="store_true",
        help="wss, with a certificate made for this run; the second line names the file of the authority to trust",
    )
    parser.add_argument(
        "--client-certificate",
        action="store_true",
        help="with --tls: insist on a client certificate; the third line names a file with one and its key",
    )
    parser.add_argument(
        "--subprotocol", action="append", default=[], metavar="NAME", help="a subprotocol to speak; may be repeated"
    )
    parser.add_argument(
        "--send", type=Path, metavar="FILE", help="send this file to each client as one message, instead of echoing"
    )
    parser.set_defaults(run=run, extra="demo", refuse=parser.error)


def run(options: argparse.Namespace) -> int:
    """Serve until a signal ends it; return 0, or 1 when it cannot listen.

    Raises:
        ImportError: the extra `demo` is not installed.
    """
    if options.client_certificate and not options.tls:
        options.refuse("--client-certificate needs --tls")
    if options.send is not None and not options.send.is_file():
        options.refuse(f"--send: there is no file {options.send}")
    try:
        with _ended_by_signals():
            return _serve(options)
    except UnicodeError as error:
        # It cannot be looked up, or has no place in a certificate.
        options.refuse(f"argument --host: must be a host name or an IP address, not {options.host}: {error}")
    return 0


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """End the block by these signals as by Ctrl-C: with clients told, and the files of --tls gone."""
    # Not where the program that started this one has them ignored, as nohup does.
    ending = [number for number in _ENDING if signal.getsignal(number) is signal.SIG_DFL]
    try:
        for number in ending:
            signal.signal(number, signal.default_int_handler)
        yield
    except KeyboardInterrupt:
        pass
    finally:
        for number in ending:
            signal.signal(number, signal.SIG_DFL)


def _serve(options: argparse.Namespace) -> int:
    default = _TLS_PORT if options.tls else _PORT
    port = default if options.port is None else options.port
    handler = echo if options.send is None else file_sender(options.send)
    with contextlib.ExitStack() as stack:
        context, lines = stack.enter_context(_tls(options)) if options.tls else (None, [])
        try:
            port = stack.enter_context(
                running_server(options.host, port, handler, ssl_context=context, subprotocols=options.subprotocol)
            )
        except OSError as exc:
            print(f"cannot listen on {options.host}, port {port}: {exc.strerror}; see --host, --port", file=sys.stderr)
            return 1
        scheme = "ws" if context is None else "wss"
        print(f"{scheme}://{_in_uri(options.host)}:{port}/", *lines, sep="\n", flush=True)
        while True:
            threading.Event().wait(LOOK_SECONDS)


@contextlib.contextmanager
def _tls(options: argparse.Namespace) -> Iterator[tuple[ssl.SSLContext, list[str]]]:
    """Make certificates and write what a client needs into a folder that only the user can open, until the end."""
    import trustme

    authority = trustme.CA(organization_name="syncws echo")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    names = dict.fromkeys([options.host, "localhost", "127.0.0.1", "::1"])
    authority.issue_cert(*names, common_name="syncws echo server").configure_cert(context)
    with tempfile.TemporaryDirectory(prefix="syncws-echo-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "authority.pem"
        authority.cert_pem.write_to_path(str(path))
        lines = [f"authority: {path}"]
        if options.client_certificate:
            context.verify_mode = ssl.CERT_REQUIRED
            authority.configure_trust(context)
            path = Path(folder) / "client.pem"
            client = authority.issue_cert("client@example.org", common_name="A client")
            client.private_key_and_cert_chain_pem.write_to_path(str(path))
            lines.append(f"client certificate: {path}")
        yield context, lines


def _in_uri(host: str) -> str:
    try:
        return f"[{host}]" if ipaddress.ip_address(host).version == 6 else host
    except ValueError:
        return host
