"""The clients under test behind one small interface: syncws in its three ways of receiving, and its two peers.

Each says which errors its documentation names for what is done. websocket-client documents hardly any for its methods:
there every WebSocketException and every OSError counts as documented. A connection is used by any number of threads, as
far as its library allows it.
"""

import contextlib
import queue
import select
import ssl
import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Protocol

import websocket
import websockets.exceptions
import websockets.sync.client

import syncws
from compliance.conversation import Message

__all__ = [
    "CLIENTS",
    "Client",
    "Connection",
    "Ended",
    "Limits",
    "SyncwsClient",
    "SyncwsEvents",
    "SyncwsPull",
    "TimedOut",
    "expected_error",
]


Errors = Mapping[str, tuple[type[BaseException], ...]]


class TimedOut(Exception):
    """No message came in time."""


class Ended(Exception):
    """The connection is over, in order or not; its cause is the library's error."""


class Limits:
    """Seconds that each operation is given."""

    connect = 2.0
    send = 2.0
    receive = 0.1
    close = 1.0


class Connection(Protocol):
    """One connection of a client."""

    is_stream: bool
    """True when received bytes are not divided into messages."""

    def send(self, message: Message) -> None:
        """Send a message."""

    def receive(self, timeout: float) -> Message:
        """Return the next message; raises TimedOut or Ended, and what is not documented as it is."""

    def ping(self) -> None:
        """Send a ping, and wait for its pong where the library can."""

    def close(self) -> None:
        """Close with the closing handshake, within Limits.close."""


class Client(Protocol):
    """A way to connect."""

    name: str
    errors: Errors
    """What is documented, by the name of the method."""

    def connect(self, uri: str, context: ssl.SSLContext | None, number: int) -> Connection:
        """Connect within Limits.connect; `number` chooses between a library's ways of receiving."""


def expected_error(client: Client, method: str, error: BaseException) -> bool:
    """Tell whether an error is one that the documentation of the method names."""
    return isinstance(error, client.errors.get(method, ()))


# syncws.

_RECEIVING = (
    syncws.ObjectClosedError,
    syncws.ConnectionLostError,
    syncws.ProtocolViolationError,
    syncws.MessageTooBigError,
    syncws.OperationCanceledError,
)


def _settings(context: ssl.SSLContext | None, compression: bool) -> dict[str, Any]:
    return {
        "ssl_context": context,
        # Of small messages too.
        "compression": syncws.Deflate(minimum_size=0) if compression else None,
        "send_timeout": Limits.send,
        "close_timeout": Limits.close,
    }


def _ping(socket: Any) -> None:
    with contextlib.suppress(syncws.OperationTimedOutError):
        socket.ping(timeout=Limits.receive)


class SyncwsPull:
    """A connection whose messages are pulled."""

    is_stream = False
    settings = staticmethod(_settings)

    def __init__(self, uri: str, context: ssl.SSLContext | None, compression: bool) -> None:
        self._socket = syncws.MessageWebSocket()
        self._socket.control.update(**_settings(context, compression))
        self._prepare()
        self._socket.connect(uri, timeout=Limits.connect)

    def _prepare(self) -> None:
        """Add handlers, if any."""

    def send(self, message: Message) -> None:
        """See Connection.send."""
        self._socket.send(message)

    def receive(self, timeout: float) -> Message:
        """See Connection.receive."""
        try:
            return self._socket.receive(timeout)
        except syncws.OperationTimedOutError as exc:
            raise TimedOut from exc
        except _RECEIVING as exc:
            raise Ended from exc

    def ping(self) -> None:
        """See Connection.ping."""
        _ping(self._socket)

    def close(self) -> None:
        """See Connection.close."""
        self._socket.close()


class SyncwsEvents(SyncwsPull):
    """A connection whose messages come to a handler."""

    def _begin(self) -> None:
        # Not a SimpleQueue: when its time runs out between two looks CPython may wait for ever.
        self._came: queue.Queue[Message | BaseException] = queue.Queue()

    def _prepare(self) -> None:
        self._begin()
        self._socket.add_message_received(self._take_message)
        self._socket.add_closed(lambda _, args: self._came.put(Ended(f"{args.code} {args.reason}")))

    def _take_message(self, _: Any, args: syncws.MessageWebSocketMessageReceivedEventArgs) -> None:
        try:
            with args.get_data_reader() as reader:
                size = reader.unconsumed_buffer_length
                is_text = args.message_type is syncws.SocketMessageType.UTF8
                self._came.put(reader.read_string(size) if is_text else reader.read_bytes(size))
        except _RECEIVING:
            pass  # The closed event follows.
        except Exception as exc:  # noqa: BLE001 - the thread that receives raises it
            self._came.put(exc)

    def receive(self, timeout: float) -> Message:
        """See Connection.receive."""
        try:
            came = self._came.get(timeout=timeout)
        except queue.Empty as exc:
            raise TimedOut from exc
        if isinstance(came, BaseException):
            # For whoever receives after this.
            self._came.put(came)
            raise came
        return came


class _SyncwsStream:
    is_stream = True

    def __init__(self, uri: str, context: ssl.SSLContext | None, compression: bool) -> None:
        self._socket = syncws.StreamWebSocket()
        self._socket.control.update(**_settings(context, compression))
        self._socket.control.receive_timeout = Limits.receive
        self._socket.connect(uri, timeout=Limits.connect)

    def send(self, message: Message) -> None:
        self._socket.output_stream.write(message.encode() if isinstance(message, str) else message)

    def receive(self, timeout: float) -> Message:
        target = bytearray(4096)
        try:
            count = self._socket.input_stream.read(target, len(target), syncws.InputStreamOptions.PARTIAL).length
        except syncws.OperationTimedOutError as exc:
            raise TimedOut from exc
        except _RECEIVING as exc:
            raise Ended from exc
        if not count:
            raise Ended("the end of the stream")
        return bytes(target[:count])

    def ping(self) -> None:
        _ping(self._socket)

    def close(self) -> None:
        self._socket.close()


class SyncwsClient:
    """syncws: by receive(), by events and as a stream, in turn, and every second time round with compression."""

    name = "syncws"
    errors: Errors = MappingProxyType(
        {
            "connect": (syncws.ConnectFailedError, syncws.ConnectionLostError, syncws.OperationTimedOutError),
            "send": (
                syncws.ObjectClosedError,
                syncws.ConnectionLostError,
                syncws.OperationTimedOutError,
                syncws.OperationCanceledError,
            ),
            # Several threads may receive at once in the storm.
            "receive": (TimedOut, Ended, syncws.InvalidOperationError),
            "ping": (syncws.ObjectClosedError, syncws.ConnectionLostError, syncws.OperationCanceledError),
        }
    )
    ways: tuple[Callable[[str, ssl.SSLContext | None, bool], Connection], ...] = (
        SyncwsPull,
        SyncwsEvents,
        _SyncwsStream,
    )

    def connect(self, uri: str, context: ssl.SSLContext | None, number: int) -> Connection:
        """See Client.connect."""
        turn, way = divmod(number, len(self.ways))
        return self.ways[way](uri, context, turn % 2 == 1)


class SyncwsMessages(SyncwsClient):
    """syncws without the stream, for campaigns that need the borders of messages."""

    ways = (SyncwsPull, SyncwsEvents)


# websockets.


class _Websockets:
    is_stream = False

    def __init__(self, uri: str, context: ssl.SSLContext | None) -> None:
        opening = websockets.sync.client.connect(
            uri,
            ssl=context,
            compression=None,
            proxy=None,
            ping_interval=None,
            open_timeout=Limits.connect,
            close_timeout=Limits.close,
        )
        # As a `with` block does; close() is what leaves it.
        self._connection = opening.__enter__()

    def send(self, message: Message) -> None:
        self._connection.send(message)

    def receive(self, timeout: float) -> Message:
        try:
            return self._connection.recv(timeout)
        except TimeoutError as exc:
            raise TimedOut from exc
        except websockets.exceptions.ConnectionClosed as exc:
            raise Ended from exc

    def ping(self) -> None:
        self._connection.ping().wait(Limits.receive)

    def close(self) -> None:
        self._connection.close()


class WebsocketsClient:
    """The sync client of websockets."""

    name = "websockets"
    errors: Errors = MappingProxyType(
        {
            "connect": (OSError, TimeoutError, websockets.exceptions.InvalidHandshake),
            "send": (websockets.exceptions.ConnectionClosed,),
            "receive": (TimedOut, Ended, websockets.exceptions.ConcurrencyError),
            "ping": (websockets.exceptions.ConnectionClosed,),
        }
    )

    def connect(self, uri: str, context: ssl.SSLContext | None, number: int) -> Connection:
        """See Client.connect."""
        return _Websockets(uri, context)


# websocket-client.


class _WebSocketClient:
    is_stream = False

    def __init__(self, uri: str, context: ssl.SSLContext | None) -> None:
        self._socket = websocket.create_connection(
            uri,
            timeout=Limits.send,
            enable_multithread=True,
            sslopt=None if context is None else {"context": context},
        )
        self._turn = threading.Lock()

    def send(self, message: Message) -> None:
        if isinstance(message, str):
            self._socket.send(message)
        else:
            self._socket.send_binary(message)

    def receive(self, timeout: float) -> Message:
        # One thread at a time, as the other two see to it themselves: a second one would wait without a limit.
        if not self._turn.acquire(timeout=timeout):
            raise TimedOut
        try:
            return self._receive(timeout)
        finally:
            self._turn.release()

    def _receive(self, timeout: float) -> Message:
        # There is one time-out for all of a socket, sending included: so it is not set, but waited for beforehand.
        self._wait_readable(timeout)
        try:
            opcode, data = self._socket.recv_data()
        except websocket.WebSocketTimeoutException as exc:
            raise TimedOut from exc
        except (websocket.WebSocketException, OSError) as exc:
            raise Ended from exc
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            raise Ended("Close frame")
        return data.decode() if opcode == websocket.ABNF.OPCODE_TEXT else bytes(data)

    def _wait_readable(self, timeout: float) -> None:
        connection = self._socket.sock
        if connection is None or (isinstance(connection, ssl.SSLSocket) and connection.pending()):
            return
        waiting = select.poll()
        try:
            waiting.register(connection, select.POLLIN)
        except (ValueError, OSError) as exc:
            raise Ended from exc
        if not waiting.poll(timeout * 1000):
            raise TimedOut

    def ping(self) -> None:
        self._socket.ping("ping")

    def close(self) -> None:
        # Its time limit counts in whole seconds, and asks again as long as something comes.
        self._socket.close(timeout=max(1, int(Limits.close)))


class WebSocketClientClient:
    """websocket-client's WebSocket, with its own locks turned on."""

    name = "websocket-client"
    errors: Errors = MappingProxyType(
        {
            "connect": (websocket.WebSocketException, OSError),
            "send": (websocket.WebSocketException, OSError),
            "receive": (TimedOut, Ended),
            "ping": (websocket.WebSocketException, OSError),
            "close": (websocket.WebSocketException, OSError),
        }
    )

    def connect(self, uri: str, context: ssl.SSLContext | None, number: int) -> Connection:
        """See Client.connect."""
        return _WebSocketClient(uri, context)


CLIENTS: dict[str, Client] = {
    client.name: client for client in (SyncwsClient(), WebsocketsClient(), WebSocketClientClient())
}
