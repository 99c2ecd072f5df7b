"""Scenario 4 of Microsoft's WebSocket sample, partial and complete messages: fragments in both directions.

    python -m syncws echo --tls
    python examples/windows_sample/scenario4_partial_read_write.py wss://127.0.0.1:8766/ "one, " "two, " "three"

Each argument is one fragment of one message. What comes is shown as it comes: a piece may end inside a character, so
these are put together by a PartialTextReader.
"""

import argparse
import queue
import sys

from sample_configuration import append_output_line, build_web_socket_error, take_test_certificates, try_get_uri

from syncws import (
    Buffer,
    DataWriter,
    MessageWebSocket,
    MessageWebSocketMessageReceivedEventArgs,
    MessageWebSocketReceiveMode,
    PartialTextReader,
    SocketMessageType,
    WebSocketClosedEventArgs,
    WebSocketError,
)

_texts = PartialTextReader()
# True for each message that has ended, False when there are no more to come.
_ends: "queue.Queue[bool]" = queue.Queue()


def message_received(_: MessageWebSocket, args: MessageWebSocketMessageReceivedEventArgs) -> None:
    """Show a piece of a message; a lost connection comes here too, as an error."""
    try:
        text = _texts.read(args)
        kind = "Complete" if args.is_message_complete else "Partial"
        append_output_line(
            f"{kind} message received; Type: {args.message_type.name}, Bytes: {len(args.data)}, Text: {text}"
        )
        if args.is_message_complete:
            _ends.put(True)
    except WebSocketError as error:
        append_output_line(f"{build_web_socket_error(error)}\n{error.message}")


def closed(_: MessageWebSocket, args: WebSocketClosedEventArgs) -> None:
    """Show how the connection ended, whoever ended it."""
    append_output_line(f"Closed; Code: {args.code}, Reason: {args.reason}")
    _ends.put(False)


def fragment(text: str) -> Buffer:
    """Encode a fragment by a DataWriter without a stream."""
    with DataWriter() as writer:
        writer.write_string(text)
        return writer.detach_buffer()


def exchange(socket: MessageWebSocket, parts: list[str]) -> bool:
    """Send one message in fragments and wait for the end of the one that comes back; return False when none comes."""
    for part in parts[:-1]:
        append_output_line(f"Sending Partial: {part}")
        socket.send_nonfinal_frame(fragment(part))
    append_output_line(f"Sending Final: {parts[-1]}")
    socket.send_final_frame(fragment(parts[-1]))
    return _ends.get()


def main(address: str, parts: list[str], issuer: str) -> int:
    """Run the scenario."""
    server = try_get_uri(address)
    if server is None:
        return 1
    with MessageWebSocket() as socket:
        socket.control.message_type = SocketMessageType.UTF8
        socket.control.receive_mode = MessageWebSocketReceiveMode.PARTIAL_MESSAGE
        socket.message_received += message_received
        socket.closed += closed
        if server.scheme_name == "wss":
            take_test_certificates(socket, issuer)
        append_output_line(f"Connecting to {server}...")
        try:
            socket.connect(server, timeout=10)
            append_output_line("Connected")
            if not exchange(socket, parts):
                return 1
            socket.close(1000, "Closed due to user request.")
            socket.wait_closed(timeout=10)
        except WebSocketError as error:
            append_output_line(f"{build_web_socket_error(error)}\n{error.message}")
            return 1
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("uri")
    parser.add_argument("fragment", nargs="+")
    parser.add_argument("--issuer", default="syncws echo", help="part of the name of the certificate's issuer")
    options = parser.parse_args()
    sys.exit(main(options.uri, options.fragment, options.issuer))
