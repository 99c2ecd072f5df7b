"""What the tests of the user's requirements share."""

import threading

from websockets.exceptions import ConnectionClosed

from syncws import WebSocketError


class Server:
    """Handler of a server that notes what comes and how it ends, and sends everything back."""

    def __init__(self):
        self.messages = []
        self.closes = []
        self.ended = threading.Event()

    def __call__(self, connection):
        try:
            while True:
                message = connection.recv()
                self.messages.append(message)
                connection.send(message)
        except ConnectionClosed as exc:
            self.closes.append((exc.rcvd.code, exc.rcvd.reason) if exc.rcvd else None)
        finally:
            self.ended.set()


def innermost(error):
    """Return the innermost exception, which is what the document asks the HRESULT of."""
    while isinstance(error.__cause__, WebSocketError):
        error = error.__cause__
    return error
