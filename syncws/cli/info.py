"""`syncws info URL`: all that can be known about a connection, as a table or as JSON, even when it cannot be made.

Runs on the main thread.
"""

import argparse
import json
import sys

from syncws import Certificate, ConnectFailedError, MessageWebSocket, OperationTimedOutError, WebSocketError
from syncws.cli.exits import ExitCode
from syncws.cli.options import Commands, add_command, connect, new_socket
from syncws.cli.screen import printable, shown_uri

__all__ = ["add_to", "run"]

_DESCRIPTION = """\
Connect, show what is known about the server and the way to it, and close. If the connection cannot be made, what is
known by then is shown all the same, and the exit code tells the kind of failure.
"""
_ANSWER = 5.0

# A heading, and what is below it: names and values, of which a float is seconds.
Table = dict[str, dict[str, str | float]]


def add_to(commands: Commands) -> None:
    """Add the command and its options."""
    parser = add_command(commands, "info", "show address, certificate, headers and times of a server", _DESCRIPTION)
    parser.add_argument("--json", action="store_true", help="as JSON, times in seconds")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Show the table; return 0.

    Raises:
        WebSocketError: it cannot be connected to; the table was shown before.
    """
    failure: WebSocketError | None = None
    with new_socket(options, MessageWebSocket) as socket:
        socket.control.discard_unclaimed_messages = True
        try:
            connect(options, socket)
        except ConnectFailedError as error:
            failure = error
        table = _table(options, socket, failure)
    if options.json:
        # In ASCII: what a server sends does nothing to a terminal then, and any encoding of stdout can hold it.
        print(json.dumps(table, indent=2))
    else:
        _show(table)
    if failure is not None:
        raise failure
    return ExitCode.OK


def _table(options: argparse.Namespace, socket: MessageWebSocket, failure: WebSocketError | None) -> Table:
    information = socket.information
    table: Table = {"connection": {"URL": shown_uri(options.url)}}
    connection = table["connection"]
    connection["state"] = "connected" if failure is None else f"failed: {failure.status}"
    for name, value in (
        ("server or proxy at", information.remote_address),
        ("from", information.local_address),
        ("through the proxy", information.proxy),
        ("Unix socket", options.unix),
        ("subprotocol", information.protocol),
        ("extension", information.response_headers.get("Sec-WebSocket-Extensions")),
        ("TLS", " ".join(filter(None, (information.tls_version, information.tls_cipher)))),
    ):
        if value:
            connection[name] = str(value)
    tried: dict[str, str | float] = {
        attempt.address: f"{getattr(attempt.error, 'message', attempt.error)} (after {attempt.seconds:.2f} s)"
        for attempt in (() if failure is None else failure.attempts)
    }
    if tried:
        table["addresses tried"] = tried
    if (certificate := information.server_certificate) is not None:
        table["certificate"] = _certificate(socket, certificate)
    headers = getattr(failure, "headers", information.response_headers)
    if headers:
        table["headers of the answer"] = dict(headers)
    if failure is None:
        table["times"] = _times(socket)
    return table


def _times(socket: MessageWebSocket) -> dict[str, str | float]:
    times = socket.information.connect_times
    phases = {} if times is None else times._asdict()
    # A phase that did not take place has no time.
    told = {name: round(taken, 6) for name, taken in phases.items() if taken is not None}
    return told | {"round trip of a ping": _ping(socket)}


def _certificate(socket: MessageWebSocket, certificate: Certificate) -> dict[str, str | float]:
    information = socket.information
    found: dict[str, str | float] = {"SHA-256": certificate.get_hash_value("SHA256").hex()}
    errors = information.server_certificate_errors
    found["errors"] = ", ".join(error.name.lower() for error in errors) or "none"
    try:
        names = certificate.subject_alternative_name
        found |= {
            "subject": certificate.subject,
            "issuer": certificate.issuer,
            "names": ", ".join(map(str, [*names.dns_name, *names.ip_address])) or "none",
            "valid from": f"{certificate.valid_from:%Y-%m-%d %H:%M} UTC",
            "valid to": f"{certificate.valid_to:%Y-%m-%d %H:%M} UTC",
            "key": certificate.key_algorithm_name,
            "signature": f"{certificate.signature_algorithm_name} {certificate.signature_hash_algorithm_name}".strip(),
        }
    except WebSocketError as error:
        # Without `cryptography`, or a certificate that it cannot read.
        found["fields"] = error.message
    for number, came_with in enumerate(information.server_intermediate_certificates, 1):
        found[f"with it, {number}"] = came_with.get_hash_value("SHA256").hex()
    return found


def _ping(socket: MessageWebSocket) -> str | float:
    try:
        return round(socket.ping(timeout=_ANSWER), 6)
    except OperationTimedOutError:
        return f"no answer in {_ANSWER:g} s"
    except WebSocketError as error:
        return error.message


def _shown(value: str | float) -> str:
    return printable(value) if isinstance(value, str) else f"{value * 1000:.1f} ms"


def _show(table: Table) -> None:
    if not sys.stdout.isatty():
        _show_plain(table)
        return
    try:
        from rich.box import ROUNDED
        from rich.console import Console
        from rich.table import Table as RichTable
        from rich.text import Text
    except ImportError:
        _show_plain(table)
        return
    shown = RichTable(show_header=False, box=ROUNDED)
    shown.add_column(style="cyan")
    shown.add_column(overflow="fold")
    for heading, rows in table.items():
        shown.add_row(Text(heading, "bold"))
        for name, value in rows.items():
            shown.add_row(Text(f"  {printable(name)}"), Text(_shown(value)))
        shown.add_section()
    Console().print(shown)


def _show_plain(table: Table) -> None:
    width = max(len(name) for rows in table.values() for name in rows) + 2
    for heading, rows in table.items():
        print(heading)
        for name, value in rows.items():
            print(f"  {printable(name):<{width}}{_shown(value)}")
