"""What the handlers of `message_received` receive.

May import streams and wire. Made by the reader thread; usable on any thread and after the handler has returned.
"""

from syncws.errors import fresh
from syncws.streams.data_reader import DataReader
from syncws.streams.input_stream import InputStream, MemoryInputStream
from syncws.wire.events import Message, MessagePiece

__all__ = ["MessagePieceEventArgs", "MessageWebSocketMessageReceivedEventArgs"]


class MessageWebSocketMessageReceivedEventArgs(Message):
    """A received message (Windows.Networking.Sockets.MessageWebSocketMessageReceivedEventArgs); cannot be made.

    It may also stand for a failure: then get_data_reader() and get_data_stream() raise it.
    """

    # The decoder makes the very object that the handlers receive: one allocation for each message.
    __slots__ = ()

    def __new__(cls) -> "MessageWebSocketMessageReceivedEventArgs":
        """Refuse: the socket makes it.

        Raises:
            TypeError: always.
        """
        raise TypeError("MessageWebSocketMessageReceivedEventArgs cannot be made: handlers receive it")

    @classmethod
    def _over(cls, message: Message) -> "MessageWebSocketMessageReceivedEventArgs":
        args = object.__new__(cls)
        args.payload = message.payload
        args.text = message.text
        args.length = message.length
        args.error = message.error
        return args

    def get_data_reader(self) -> DataReader:
        """Return a reader that holds the whole message, or the piece of it: no load() is needed.

        Each call gives a fresh reader over the same bytes. A piece of a text may end inside a character, which
        read_string refuses: PartialTextReader reads text across events.

        Raises:
            ConnectionLostError: the connection broke (0x80072EFE, after a reset 0x80072EFF).
            MessageTooBigError: the message is over control.max_message_size (0x80072738).
            ProtocolViolationError: the server broke RFC 6455 (0x83760002).

        Source: MessageWebSocketMessageReceivedEventArgs.GetDataReader.
        """
        if self.error is not None:
            raise fresh(self.error)
        return DataReader._over_message(self.payload, self.text, self.length)

    def get_data_stream(self) -> InputStream:
        """Return the message's bytes, or the piece's, as a stream; a text message's are its UTF-8.

        Raises: as get_data_reader.

        Source: MessageWebSocketMessageReceivedEventArgs.GetDataStream.
        """
        if self.error is not None:
            raise fresh(self.error)
        return MemoryInputStream(self._bytes())

    def _bytes(self) -> bytes:
        if self.payload is None:
            assert self.text is not None
            return self.text.encode("utf-8")
        return self.payload

    @property
    def is_message_complete(self) -> bool:
        """True when the event ends its message: always, unless control.receive_mode is PARTIAL_MESSAGE.

        Source: MessageWebSocketMessageReceivedEventArgs.IsMessageComplete.
        """
        return True

    def __repr__(self) -> str:
        if self.error is not None:
            return f"<MessageWebSocketMessageReceivedEventArgs error={self.error}>"
        part = "" if self.is_message_complete else " partial"
        return f"<MessageWebSocketMessageReceivedEventArgs {self.message_type.name}{part} length={self.length}>"


class MessagePieceEventArgs(MessageWebSocketMessageReceivedEventArgs, MessagePiece):
    """The args of a piece of a message, for receive_mode PARTIAL_MESSAGE."""

    __slots__ = ()

    def get_data_reader(self) -> DataReader:
        """Return a reader that holds the piece; see the base class."""
        # Not over the text: that begins and ends where characters do.
        return DataReader._over_message(self.payload, None, self.length)

    @property
    def is_message_complete(self) -> bool:
        """True when the piece ends its message; see the base class."""
        return self.is_last
