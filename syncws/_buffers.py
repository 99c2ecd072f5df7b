"""What annotations call an object with the buffer protocol, to read from or to write into."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer
else:
    # Only type checkers have _typeshed; typing.get_type_hints needs a value too.
    ReadableBuffer = WriteableBuffer = Any

__all__ = ["ReadableBuffer", "WriteableBuffer"]
