"""A server's TLS over memory on a real connection: for what a blocking SSLSocket does not let a test see or do."""

import ssl


class ServerEngine:
    """The server's side of TLS on a TCP connection.

    Attributes:
        engine: the SSLObject.
    """

    def __init__(self, connection, context):
        self._connection = connection
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.engine = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def show_certificate(self):
        """Take the ClientHello and answer it; what the client says to that is left in the connection."""
        self._take_in()
        try:
            self.engine.do_handshake()
        except ssl.SSLWantReadError:
            self.flush()
        else:
            raise AssertionError("the handshake is over before the client has answered")

    def do(self, call, *arguments):
        """Call a method of the engine until it has what it needs from the client; return what it returns."""
        while True:
            try:
                return call(*arguments)
            except ssl.SSLWantReadError:
                self.flush()
                self._take_in()
            finally:
                self.flush()

    def take_answer(self):
        """Take in what the client says to TLS itself."""
        self._take_in()
        try:
            self.engine.read(1)
        except ssl.SSLWantReadError:
            self.flush()

    def flush(self, *options):
        """Send what the engine wants to say, by a sendall() with these options."""
        if data := self._outgoing.read():
            self._connection.sendall(data, *options)

    def _take_in(self):
        data = self._connection.recv(65536)
        if not data:
            raise ConnectionAbortedError("the client is gone")
        self._incoming.write(data)


class ServerTls:
    """A server's TLS whose handshake is over, with what scripts use of a socket; over one, or over another of these."""

    def __init__(self, connection, context):
        self._server = ServerEngine(connection, context)
        self._server.do(self._server.engine.do_handshake)

    def recv(self, size):
        return self._server.do(self._server.engine.read, size)

    def sendall(self, data, record_size=16384, record_size_below=None):
        """Send records of that many bytes each, all in one call of what is below."""
        for start in range(0, len(data), record_size):
            self._server.engine.write(data[start : start + record_size])
        self._server.flush(*(() if record_size_below is None else (record_size_below,)))
