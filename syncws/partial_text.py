"""PartialTextReader: the text of a message that comes in pieces (receive_mode PARTIAL_MESSAGE).

Belongs to the thread that uses it, which may be the reader's.
"""

import codecs

from syncws._arguments.checks import as_unicode_encoding
from syncws._streams.texts import CODECS
from syncws.enums import UnicodeEncoding
from syncws.errors import NoUnicodeTranslationError, WebSocketError
from syncws.event_args import MessageWebSocketMessageReceivedEventArgs

__all__ = ["PartialTextReader"]


class PartialTextReader:
    """Decodes text across the events of one connection: a character may begin in one piece and end in the next.

    Give it the args of every event, in order:

        texts = PartialTextReader()

        def received(sender, args):
            print(texts.read(args), end="\\n" if args.is_message_complete else "")

    Source: beyond WinRT, whose sample warns that pieces may split characters and leaves it at that.
    """

    def __init__(self, unicode_encoding: UnicodeEncoding = UnicodeEncoding.UTF8, /) -> None:
        """Make a reader.

        Args:
            unicode_encoding: how the text is encoded; text messages are always UTF8.

        Raises:
            InvalidArgumentError, InvalidArgumentTypeError: it is not a UnicodeEncoding (0x80070057).
        """
        self._encoding = as_unicode_encoding(unicode_encoding)
        self._decoder = codecs.getincrementaldecoder(CODECS[self._encoding])()

    def read(self, args: MessageWebSocketMessageReceivedEventArgs, /) -> str:
        """Return the text that this event completes; "" while a character is still incomplete.

        Raises:
            NoUnicodeTranslationError: the bytes are not text in the encoding, or the message ends inside a character;
                what comes next is read from a fresh start (0x80070459).
            ConnectionLostError, MessageTooBigError, ProtocolViolationError: what args.get_data_reader raises.

        Source: beyond WinRT.
        """
        try:
            with args.get_data_reader() as reader:
                piece = reader.read_bytes(reader.unconsumed_buffer_length)
            return self._decoder.decode(piece, args.is_message_complete)
        except UnicodeDecodeError as exc:
            self._decoder.reset()
            raise NoUnicodeTranslationError(f"the message is not {exc.encoding} text: {exc.reason}") from exc
        except WebSocketError:
            # After a lost connection the next one starts afresh.
            self._decoder.reset()
            raise

    def reset(self) -> None:
        """Forget an unfinished character, to begin with another message. Source: beyond WinRT."""
        self._decoder.reset()

    def __repr__(self) -> str:
        return f"<PartialTextReader {self._encoding.name}>"
