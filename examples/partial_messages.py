"""A message in fragments to an echo server and back in pieces, as scenario 4 of Microsoft's WebSocket sample has it.

    python -m syncws echo
    python examples/partial_messages.py ws://127.0.0.1:8765/

Each event brings a piece of a message as it arrives, and says whether it is the last. A piece may end inside a
character; PartialTextReader puts such characters together.
"""

import sys

from syncws import (
    DataWriter,
    MessageWebSocket,
    MessageWebSocketMessageReceivedEventArgs,
    MessageWebSocketReceiveMode,
    PartialTextReader,
    SocketMessageType,
    WebSocketError,
)

_texts = PartialTextReader()


def message_received(sender: MessageWebSocket, args: MessageWebSocketMessageReceivedEventArgs) -> None:
    """Show the piece; close after the last one."""
    try:
        text = _texts.read(args)
        print(f"{'Complete' if args.is_message_complete else 'Partial'} {args.message_type.name} message: {text!r}")
        if args.is_message_complete:
            sender.close(1000, "")
    except WebSocketError as error:
        print(f"{WebSocketError.get_status(error.hresult).name}: {error}", file=sys.stderr)


def frame(text: str) -> bytes:
    """Encode one fragment as the sample does, by a DataWriter without a stream."""
    with DataWriter() as writer:
        writer.write_string(text)
        return bytes(writer.detach_buffer())


def main(uri: str) -> int:
    """Send one message in three fragments, and wait until the handler has closed the socket."""
    with MessageWebSocket() as socket:
        socket.control.message_type = SocketMessageType.UTF8
        socket.control.receive_mode = MessageWebSocketReceiveMode.PARTIAL_MESSAGE
        socket.message_received += message_received
        try:
            socket.connect(uri, timeout=5)
            socket.send_nonfinal_frame(frame("Grüße "))
            socket.send_nonfinal_frame(frame("in drei "))
            socket.send_final_frame(frame("Stücken"))
            return 0 if socket.wait_closed(timeout=30) else 1
        except WebSocketError as error:
            print(f"{WebSocketError.get_status(error.hresult).name}: {error}", file=sys.stderr)
            return 1


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} ws://host/path")
    sys.exit(main(sys.argv[1]))
