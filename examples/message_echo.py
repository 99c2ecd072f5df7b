"""One text message to an echo server and back, as the WinRT guide's MessageWebSocket program does it.

    python -m syncws echo
    python examples/message_echo.py ws://127.0.0.1:8765/

Both handlers are added before connecting. The message is sent by a DataWriter, which gives the stream back with
detach_stream; the handler reads the answer and closes the socket from within.
"""

import sys

from syncws import (
    DataWriter,
    MessageWebSocket,
    MessageWebSocketMessageReceivedEventArgs,
    SocketMessageType,
    UnicodeEncoding,
    WebSocketClosedEventArgs,
    WebSocketError,
)


def send_message(socket: MessageWebSocket, message: str) -> None:
    """Send one message; the scope of the DataWriter ends after the stream was detached."""
    # Before it is sent: afterwards the handler may be printing at the same time.
    print(f"Sending message using MessageWebSocket: {message}")
    with DataWriter(socket.output_stream) as writer:
        writer.write_string(message)
        writer.store()
        writer.detach_stream()


def message_received(sender: MessageWebSocket, args: MessageWebSocketMessageReceivedEventArgs) -> None:
    """Show the message, then close; a lost connection comes here too, as an error of get_data_reader."""
    try:
        with args.get_data_reader() as reader:
            reader.unicode_encoding = UnicodeEncoding.UTF8
            message = reader.read_string(reader.unconsumed_buffer_length)
        print(f"Message received from MessageWebSocket: {message}")
        sender.close(1000, "")
    except WebSocketError as error:
        print(f"Receiving failed: {WebSocketError.get_status(error.hresult).name}", file=sys.stderr)


def closed(sender: MessageWebSocket, args: WebSocketClosedEventArgs) -> None:
    """Show how the connection ended."""
    print(f'WebSocket_Closed; Code: {args.code}, Reason: "{args.reason}"')


def main(uri: str) -> int:
    """Connect, send, and wait until the handler has closed the socket."""
    socket = MessageWebSocket()
    # A string is sent and received, so the message type is UTF8.
    socket.control.message_type = SocketMessageType.UTF8
    socket.message_received += message_received
    socket.closed += closed
    try:
        socket.connect(uri, timeout=5)
        send_message(socket, "Hello, World!")
        socket.wait_closed(timeout=30)
    except WebSocketError as error:
        print(f"{WebSocketError.get_status(error.hresult).name}: {error}", file=sys.stderr)
        return 1
    finally:
        socket.close()
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} ws://host/path")
    sys.exit(main(sys.argv[1]))
