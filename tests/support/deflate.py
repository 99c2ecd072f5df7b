"""permessage-deflate with servers that are there: messages, a server of `websockets` that takes it, an exchange."""

import contextlib
import json
import random
import threading

from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

import syncws
from support import LIMIT, running_server
from syncws import Deflate

__all__ = ["MESSAGES", "ROWS", "compressing", "exchange"]

ROWS = [{"id": number, "name": f"user{number * 7}", "note": "é😀" * (number % 5)} for number in range(400)]
MESSAGES = [
    *[json.dumps(row) for row in ROWS[:12]],
    "",
    "a",
    json.dumps(ROWS),
    b"\x00" * 500_000,
    random.Random(3).randbytes(70_000),
    json.dumps(ROWS[:20]),
]


def compressing(**parameters):
    """Return what makes a server of `websockets` take permessage-deflate."""

    @contextlib.contextmanager
    def run(handler, **options):
        with running_server(handler, extensions=[ServerPerMessageDeflateFactory(**parameters)], **options) as uri:
            yield uri

    return run


def exchange(uri, messages=MESSAGES, **options):
    """Send and receive all messages; return the statistics of compression."""
    with syncws.connect(uri, compression=Deflate(minimum_size=0, **options)) as socket:
        for message in messages:
            socket.send(message)
            assert socket.receive() == message
        # And all at once, both ways at the same time.
        sender = threading.Thread(target=lambda: [socket.send(message) for message in messages])
        sender.start()
        received = [socket.receive() for _ in messages]
        sender.join(LIMIT)
        assert received == list(messages)
        return socket.information.compression
