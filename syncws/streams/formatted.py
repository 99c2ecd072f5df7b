"""What DataReader and DataWriter have in common: the encoding of strings and the order of bytes.

May import enums and this room's arguments. Belongs to one reader or writer, and follows its rules.
"""

from syncws.enums import ByteOrder, UnicodeEncoding
from syncws.streams.arguments import as_byte_order, as_unicode_encoding

__all__ = ["Formatted"]


class Formatted:
    """Base of DataReader and DataWriter; each sets both fields when it is made."""

    __slots__ = ("_byte_order", "_encoding")

    _byte_order: ByteOrder
    _encoding: UnicodeEncoding

    @property
    def unicode_encoding(self) -> UnicodeEncoding:
        """Encoding of strings that are read, written or measured; UTF8 at first.

        Setting raises InvalidArgumentTypeError or InvalidArgumentError (0x80070057) for what is no such value.

        Source: DataReader.UnicodeEncoding, DataWriter.UnicodeEncoding.
        """
        return self._encoding

    @unicode_encoding.setter
    def unicode_encoding(self, value: UnicodeEncoding) -> None:
        self._encoding = as_unicode_encoding(value)

    @property
    def byte_order(self) -> ByteOrder:
        """Order of the bytes of numbers, GUIDs, dates and spans; BIG_ENDIAN at first.

        Setting raises InvalidArgumentTypeError or InvalidArgumentError (0x80070057) for what is no such value.

        Source: DataReader.ByteOrder, DataWriter.ByteOrder.
        """
        return self._byte_order

    @byte_order.setter
    def byte_order(self, value: ByteOrder) -> None:
        self._byte_order = as_byte_order(value)
