"""Ten bytes to an echo server and back, as the WinRT guide's StreamWebSocket program does it.

    python -m syncws echo
    python examples/stream_echo.py ws://127.0.0.1:8765/

Reading and writing go on at the same time, each on a thread of its own. Partial makes load() return as soon as there is
something to read; the reader closes the socket when it has it.
"""

import sys
import threading

from syncws import (
    DataReader,
    DataWriter,
    InputStreamOptions,
    StreamWebSocket,
    WebSocketClosedEventArgs,
    WebSocketError,
)

_failures: list[WebSocketError] = []


def receive_message(socket: StreamWebSocket) -> None:
    """Read what comes first, then close."""
    try:
        with DataReader(socket.input_stream) as reader:
            reader.input_stream_options = InputStreamOptions.PARTIAL
            reader.load(256)
            message = bytearray(reader.unconsumed_buffer_length)
            reader.read_bytes(message)
            reader.detach_stream()
        print(f"Data received from StreamWebSocket: {len(message)} bytes")
        socket.close(1000, "")
    except WebSocketError as error:
        _failures.append(error)


def send_message(socket: StreamWebSocket, message: bytes) -> None:
    """Write one message; the writer gives the stream back, so that it can be used again."""
    # Before it is sent: afterwards the other thread may be printing at the same time.
    print(f"Sending data using StreamWebSocket: {len(message)} bytes")
    try:
        with DataWriter(socket.output_stream) as writer:
            writer.write_bytes(message)
            writer.store()
            writer.detach_stream()
    except WebSocketError as error:
        _failures.append(error)


def closed(sender: StreamWebSocket, args: WebSocketClosedEventArgs) -> None:
    """Show how the connection ended."""
    print(f'WebSocket_Closed; Code: {args.code}, Reason: "{args.reason}"')


def main(uri: str) -> int:
    """Connect, then read and write at the same time."""
    with StreamWebSocket() as socket:
        socket.closed += closed
        try:
            socket.connect(uri, timeout=5)
        except WebSocketError as error:
            _failures.append(error)
        else:
            threads = [
                threading.Thread(target=receive_message, args=(socket,)),
                threading.Thread(target=send_message, args=(socket, bytes(range(10)))),
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    for failure in _failures:
        print(f"{WebSocketError.get_status(failure.hresult).name}: {failure}", file=sys.stderr)
    return 1 if _failures else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} ws://host/path")
    sys.exit(main(sys.argv[1]))
