"""What the tests of receive_mode PARTIAL_MESSAGE share: a handler that notes pieces, scripts, and the connection."""

import contextlib
import threading

from support import LIMIT, handshake, read_frame, scripted_server, server_frame

from syncws import MessageWebSocket, MessageWebSocketReceiveMode, SocketMessageType

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
UTF8_TYPE, BINARY_TYPE = SocketMessageType.UTF8, SocketMessageType.BINARY
FULL, PARTIAL = MessageWebSocketReceiveMode.FULL_MESSAGE, MessageWebSocketReceiveMode.PARTIAL_MESSAGE


class Pieces:
    """A handler that notes what each event brings: bytes, whether it is the last, and the type; or the error."""

    def __init__(self):
        self.entries = []
        self.came = threading.Semaphore(0)
        # Set when the script has seen all it waits for.
        self.are_complete = threading.Event()

    def __call__(self, sender, args):
        try:
            with args.get_data_reader() as reader:
                data = reader.read_bytes(reader.unconsumed_buffer_length)
            self.entries.append((data, args.is_message_complete, args.message_type))
        except OSError as exc:
            self.entries.append(exc)
        self.came.release()

    def wait(self):
        assert self.came.acquire(timeout=LIMIT), "the piece did not come"


def read_until_close(connection):
    """Read the client's frames up to its Close, and answer that; return the opcodes and payloads."""
    frames = []
    while not frames or frames[-1][0] != CLOSE:
        first, payload = read_frame(connection)
        frames.append((first & 0x0F, payload))
    connection.sendall(server_frame(CLOSE, frames[-1][1]))
    return frames


def sends(*frames):
    """Return a script that sends frames, then waits for the client's Close."""

    def script(connection):
        handshake(connection)
        connection.sendall(b"".join(frames))
        read_until_close(connection)

    return script


def sends_and_ends(*frames):
    """Return a script that sends frames and ends TCP."""

    def script(connection):
        handshake(connection)
        connection.sendall(b"".join(frames))

    return script


def sends_one_by_one(pieces, *parts):
    """Return a script that sends a part only when the one before it has come to the handler."""

    def script(connection):
        handshake(connection)
        for part in parts:
            connection.sendall(part)
            pieces.wait()
        pieces.are_complete.set()
        read_until_close(connection)

    return script


@contextlib.contextmanager
def connected(script, *handlers, mode=PARTIAL, limit=None, tls=(None, None)):
    """Give a socket that is connected to a scripted server and receives pieces."""
    server_context, client_context = tls
    with scripted_server(script, ssl_context=server_context) as uri, MessageWebSocket() as socket:
        socket.control.ssl_context = client_context
        socket.control.receive_mode = mode
        if limit is not None:
            socket.control.max_message_size = limit
        for handler in handlers:
            socket.add_message_received(handler)
        socket.connect(uri)
        yield socket
