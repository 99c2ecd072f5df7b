"""Scenario 1 of Microsoft's WebSocket sample, UTF-8 text messages: connect, send, show what comes back, disconnect.

    python -m syncws echo --tls
    python examples/windows_sample/scenario1_utf8.py wss://127.0.0.1:8766/ "Hello, World!" "Grüße"

One DataWriter sends all messages and is detached at the end. For wss the certificate may be of an authority that nobody
trusts and for another name, as in a test set-up; --issuer names who must have signed it.
"""

import argparse
import queue
import sys

from sample_configuration import append_output_line, build_web_socket_error, take_test_certificates, try_get_uri

from syncws import (
    DataWriter,
    MessageWebSocket,
    MessageWebSocketMessageReceivedEventArgs,
    SocketMessageType,
    UnicodeEncoding,
    Uri,
    WebSocketClosedEventArgs,
    WebSocketError,
)

# True for each answer, False when there are no more to come.
_answers: "queue.Queue[bool]" = queue.Queue()


def message_received(_: MessageWebSocket, args: MessageWebSocketMessageReceivedEventArgs) -> None:
    """Show a message; a lost connection comes here too, as an error of get_data_reader."""
    try:
        with args.get_data_reader() as reader:
            reader.unicode_encoding = UnicodeEncoding.UTF8
            text = reader.read_string(reader.unconsumed_buffer_length)
        append_output_line(f"Message Received; Type: {args.message_type.name}\n{text}")
        _answers.put(True)
    except WebSocketError as error:
        append_output_line(f"{build_web_socket_error(error)}\n{error.message}")


def closed(_: MessageWebSocket, args: WebSocketClosedEventArgs) -> None:
    """Show how the connection ended, whoever ended it."""
    append_output_line(f"Closed; Code: {args.code}, Reason: {args.reason}")
    _answers.put(False)


def connect(socket: MessageWebSocket, server: Uri, issuer: str) -> None:
    """Connect, with settings and handlers made before."""
    socket.control.message_type = SocketMessageType.UTF8
    socket.message_received += message_received
    socket.closed += closed
    if server.scheme_name == "wss":
        take_test_certificates(socket, issuer)
    append_output_line(f"Connecting to {server}...")
    socket.connect(server, timeout=10)
    certificate = socket.information.server_certificate
    append_output_line("Connected")
    if certificate is not None:
        append_output_line(f"The server is {certificate.subject}, says {certificate.issuer}")


def exchange(socket: MessageWebSocket, messages: list[str]) -> bool:
    """Send each message and wait for what the server answers; return False when the connection ends before."""
    with DataWriter(socket.output_stream) as writer:
        for message in messages:
            append_output_line(f"Sending Message: {message}")
            writer.write_string(message)
            writer.store()
            if not _answers.get():
                return False
        # Without this the stream would be closed at the end of the block.
        writer.detach_stream()
    return True


def main(address: str, messages: list[str], issuer: str) -> int:
    """Run the scenario."""
    server = try_get_uri(address)
    if server is None:
        return 1
    with MessageWebSocket() as socket:
        try:
            connect(socket, server, issuer)
            if not exchange(socket, messages):
                return 1
            socket.close(1000, "Closed due to user request.")
            # The event comes last of all, on the connection's own thread.
            socket.wait_closed(timeout=10)
        except WebSocketError as error:
            append_output_line(f"{build_web_socket_error(error)}\n{error.message}")
            return 1
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("uri")
    parser.add_argument("message", nargs="+")
    parser.add_argument("--issuer", default="syncws echo", help="part of the name of the certificate's issuer")
    options = parser.parse_args()
    sys.exit(main(options.uri, options.message, options.issuer))
