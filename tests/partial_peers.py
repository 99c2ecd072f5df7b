"""What the tests of receive_mode PARTIAL_MESSAGE share: a handler that notes pieces, scripts, and the connection."""

import threading

from scripts import connected, on_message, read_until_close
from support import LIMIT, handshake

from syncws import MessageWebSocketReceiveMode, SocketMessageType

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


def connected_for_pieces(script, *handlers, mode=PARTIAL, limit=None, tls=(None, None)):
    """Give a socket that is connected to a scripted server and receives pieces."""
    settings = {} if limit is None else {"max_message_size": limit}
    return connected(script, on_message(*handlers), tls=tls, receive_mode=mode, **settings)
