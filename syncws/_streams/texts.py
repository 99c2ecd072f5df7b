"""Text to bytes and back in the three encodings, and the two settings of that which DataReader and DataWriter share.

Runs on the thread that calls it; nothing here waits.
"""

from syncws._arguments.checks import as_byte_order, as_unicode_encoding
from syncws._copying import NotCopied
from syncws._wire.utf8 import utf8_of
from syncws.enums import ByteOrder, UnicodeEncoding
from syncws.errors import InvalidArgumentError, InvalidArgumentTypeError, NoUnicodeTranslationError

__all__ = ["CODECS", "CODE_UNIT_SIZES", "Formatted", "decode_text", "encode_text"]

_UTF8 = UnicodeEncoding.UTF8

CODECS = ("utf-8", "utf-16-le", "utf-16-be")
"""Python's name of each UnicodeEncoding, by its number."""

CODE_UNIT_SIZES = (1, 2, 2)
"""Bytes of a code unit of each UnicodeEncoding, by its number."""


def encode_text(value: str, encoding: UnicodeEncoding) -> bytes | memoryview:
    """Encode text; large text that is ASCII lends its memory, see utf8_of.

    Args:
        value: the text; without lone surrogates, which are not text in any encoding.
        encoding: what to encode to.

    Raises:
        InvalidArgumentTypeError: `value` is not a str (0x80070057).
        InvalidArgumentError: `value` holds a lone surrogate (0x80070057).

    Source: DataWriter.WriteString, MeasureString.
    """
    if not isinstance(value, str):
        raise InvalidArgumentTypeError(f"value must be a str, not {type(value).__name__}")
    try:
        return utf8_of(value) if encoding is _UTF8 else value.encode(CODECS[encoding])
    except UnicodeEncodeError as error:
        raise InvalidArgumentError(f"text cannot be encoded: {error.reason} at index {error.start}") from None


def decode_text(data: bytes, encoding: UnicodeEncoding) -> str:
    """Decode text.

    Args:
        data: the bytes.
        encoding: what they are encoded in.

    Raises:
        NoUnicodeTranslationError: the bytes are not text in `encoding`; a lone surrogate is none (0x80070459).

    Source: DataReader.ReadString.
    """
    try:
        return data.decode(CODECS[encoding])
    except UnicodeDecodeError as error:
        what = f"not {CODECS[encoding]} text: {error.reason} at byte {error.start}"
        raise NoUnicodeTranslationError(what) from None


class Formatted(NotCopied):
    """Base of DataReader and DataWriter; each has both fields, and sets them when it is made."""

    __slots__ = ()

    _byte_order: ByteOrder
    _encoding: UnicodeEncoding

    @property
    def unicode_encoding(self) -> UnicodeEncoding:
        """Encoding of strings that are read, written or measured; UTF8 at first.

        Setting raises InvalidArgumentTypeError or InvalidArgumentError (0x80070057) for what is not such a value.

        Source: DataReader.UnicodeEncoding, DataWriter.UnicodeEncoding.
        """
        return self._encoding

    @unicode_encoding.setter
    def unicode_encoding(self, value: UnicodeEncoding) -> None:
        self._encoding = as_unicode_encoding(value)  # type: ignore[misc] # the slots are the subclasses'

    @property
    def byte_order(self) -> ByteOrder:
        """Order of the bytes of numbers, GUIDs, dates and spans; BIG_ENDIAN at first.

        Setting raises InvalidArgumentTypeError or InvalidArgumentError (0x80070057) for what is not such a value.

        Source: DataReader.ByteOrder, DataWriter.ByteOrder.
        """
        return self._byte_order

    @byte_order.setter
    def byte_order(self, value: ByteOrder) -> None:
        self._byte_order = as_byte_order(value)  # type: ignore[misc] # as above
