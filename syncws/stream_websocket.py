"""StreamWebSocket: any number of bytes in both directions (Windows.Networking.Sockets.StreamWebSocket).

Its methods run on the caller's thread and may be called on any thread: one may read while others write.
"""

import weakref
from collections.abc import Callable

from syncws._connection.receiving.receivers import StreamReceiver
from syncws._connection.stream_session import StreamSession
from syncws._net.connector import Connect
from syncws._net.opening import Reached
from syncws._streams.input_stream import InputStream
from syncws._streams.operation import Operation
from syncws._streams.output_stream import Progress
from syncws._waiting.readiness import Waker
from syncws._wire.frames import BINARY
from syncws._wire.uri import WebSocketUri
from syncws.control import StreamWebSocketControl
from syncws.errors import ObjectClosedError
from syncws.info import StreamWebSocketInformation
from syncws.iwebsocket import IWebSocket

__all__ = ["StreamWebSocket"]


class StreamWebSocket(IWebSocket[StreamSession, StreamWebSocketControl]):
    """A WebSocket that is read and written as a stream of bytes; a context manager that closes on exit.

    Set `control`, add a handler of closed if wanted, then connect(). A socket connects once; after a connect that
    failed it may be tried again. Read from `input_stream` and write to `output_stream`, each on a thread of its own if
    both are to go on at the same time. Neither takes memory for what passes, however much that is: what has arrived and
    was not read yet is bounded by control.inbox_size_in_bytes.

    Each write is one binary message. You cannot see where the server's messages begin and end, or whether they are
    text: their bytes come one after another.

    A socket object that is dropped without close() is closed, with a ResourceWarning; closed is not raised then.
    """

    _information: StreamWebSocketInformation

    def __init__(self) -> None:
        """Make a socket; nothing is connected yet. Source: StreamWebSocket constructor."""
        super().__init__()
        self._control = StreamWebSocketControl._create()
        self._information = StreamWebSocketInformation._over(self._link.take_snapshot)
        self._input_stream: weakref.ref[InputStream] | None = None
        self._is_input_closed = False

    @property
    def control(self) -> StreamWebSocketControl:
        """StreamWebSocketControl; the same object every time (StreamWebSocket.Control)."""
        return self._control

    @property
    def information(self) -> StreamWebSocketInformation:
        """Facts about the connection, readable at any time; the same object every time (….Information)."""
        return self._information

    @property
    def input_stream(self) -> InputStream:
        """The stream for a DataReader, or for read(); exists before connect (StreamWebSocket.InputStream).

        A DataReader that is closed with the stream attached closes the stream: later use raises ObjectClosedError
        (0x80000013), and what still comes is thrown away. After the server's Close, what came before it can be
        read, and then the stream is at its end; after a lost connection the error is raised instead. The stream keeps
        the socket object alive.
        """
        stream = self._input_stream() if self._input_stream is not None else None
        if stream is None:
            stream = InputStream(_SocketSource(self))
            # Weakly, like the output stream: a cycle would put off the closing of a dropped socket.
            self._input_stream = weakref.ref(stream)
        return stream

    def _input_session(self) -> StreamSession:
        if self._is_input_closed:
            raise ObjectClosedError("the input stream was closed: detach it from its DataReader to go on using it")
        return self._connected_session(to_read=True)

    def _close_input(self) -> bool:
        self._is_input_closed = True
        session = self._session
        if session is not None:
            session.inbox.drop()
        return not self._is_over

    def _write(self, data: bytes | memoryview, progress: Progress | None) -> int:
        # In fragments, so that pongs and the Close frame need not wait for the end of an endless message.
        return self._output_session().write(BINARY, data, progress)

    def _write_text(self, data: bytes | memoryview) -> int:
        return self._write(data, None)

    def _make_session(self, settings: StreamWebSocketControl, reached: Reached, waker: Waker) -> StreamSession:
        session = StreamSession(reached, settings, waker, self)
        session.role.reader = StreamReceiver(session)
        return session

    def _take_session(self, connect: Connect, session: StreamSession, text: str, target: WebSocketUri) -> None:
        super()._take_session(connect, session, text, target)
        # In this order: a thread that closes the input sets this first, and then looks for a session.
        if self._is_input_closed:
            session.inbox.drop()


class _SocketSource:
    """The source of the socket's InputStream: leads to the session, which exists after connect."""

    __slots__ = ("_session", "_socket")

    def __init__(self, socket: StreamWebSocket) -> None:
        self._socket = socket
        # The one that it reads from; the socket may lose it again, when its connect fails in the end.
        self._session: StreamSession | None = None

    @property
    def position(self) -> int:
        """See ByteSource.position."""
        session = self._session or self._look_for_session()
        return 0 if session is None else session.inbox.position

    def begin(self, operation: Operation) -> None:
        """See ByteSource.begin."""
        session = self._session = self._socket._input_session()
        session.begin_read(operation)

    def peek(self, count: int) -> memoryview:
        """See ByteSource.peek."""
        return self._begun().peek(count)

    def advance(self, count: int) -> None:
        """See ByteSource.advance."""
        self._begun().inbox.advance(count)

    def take_at_hand(self, count: int, stop: bytes = b"", put: Callable[[bytes], object] | None = None) -> bytes | None:
        """See ByteSource.take_at_hand."""
        session = self._session or self._look_for_session()
        return None if session is None else session.inbox.take_at_hand(count, stop, put)

    def put_back(self, data: bytes) -> None:
        """See ByteSource.put_back."""
        self._begun().inbox.put_back(data)

    def wake(self) -> None:
        """See ByteSource.wake."""
        self._socket._wake_reader()

    def close(self) -> bool:
        """See ByteSource.close."""
        return self._socket._close_input()

    def _begun(self) -> StreamSession:
        assert self._session is not None
        return self._session

    def _look_for_session(self) -> StreamSession | None:
        self._session = self._socket._session
        return self._session
