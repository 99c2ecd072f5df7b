"""Buffer, and the helpers through which every function of the library takes "a buffer".

Plain memory without a lock: a Buffer is used by one thread at a time.
"""

from typing import TYPE_CHECKING, ClassVar

from syncws._arguments.checks import check_count, check_integer
from syncws._buffers import ReadableBuffer, WriteableBuffer
from syncws.errors import InvalidArgumentError, InvalidArgumentTypeError

if TYPE_CHECKING:
    Exporter = object
else:
    try:
        from syncws._streams._exporter import Exporter
    except ImportError:
        # Python 3.12 and later have __buffer__; 3.11 without a compiler does without the protocol.
        Exporter = object

__all__ = ["Buffer", "IBuffer", "as_bytes_view", "as_writable_view"]

_SHOWN_BYTES = 32
# Of a buffer's format: objects, pointers, and ctypes' void and char pointers.
_ADDRESSES = frozenset("O&Pz")


class IBuffer:
    """The type of a Buffer for annotations and isinstance (Windows.Storage.Streams.IBuffer)."""

    __slots__ = ()

    _memory: memoryview
    _length: int

    @property
    def capacity(self) -> int:
        """Most bytes that fit, fixed when the Buffer was made (IBuffer.Capacity)."""
        return len(self._memory)

    @property
    def length(self) -> int:
        """Bytes in use, 0 to `capacity`; 0 at first (IBuffer.Length).

        Setting it to something that is not an int raises InvalidArgumentTypeError, and to an int out of range
        InvalidArgumentError (0x80070057).
        """
        return self._length

    @length.setter
    def length(self, value: int) -> None:
        checked = check_integer(value, "length", 0, len(self._memory))
        self._length = checked  # type: ignore[misc] # the slot is the subclass's

    def __repr__(self) -> str:
        """Show the sizes and the first bytes."""
        more = "..." if self._length > _SHOWN_BYTES else ""
        shown = self._memory[: min(self._length, _SHOWN_BYTES)].tobytes()
        return f"Buffer(length={self._length}, capacity={len(self._memory)}, {shown!r}{more})"


class Buffer(IBuffer, Exporter):
    """Bytes with a capacity and a length (Windows.Storage.Streams.Buffer, IBuffer).

    The first `length` bytes are the content: `len()`, `bytes()`, `==`, `view()` and the buffer protocol see only
    them. `memoryview(buffer)`, `hashlib`, `file.write` and whatever else takes bytes take a Buffer as it is; only on
    Python 3.11, if the package was installed without a compiled wheel or a compiler, they need `buffer.view()`. This
    library's own functions all take a Buffer. Not hashable, because the content can change.
    """

    __slots__ = ("_length", "_memory")

    def __init__(self, capacity: int, /) -> None:
        """Make a buffer of zeros with length 0.

        Args:
            capacity: bytes, 0 to 4,294,967,295; checked before memory is taken.

        Raises:
            InvalidArgumentTypeError: `capacity` is not an int (0x80070057).
            InvalidArgumentError: `capacity` is out of range (0x80070057).

        Source: Buffer(UInt32).
        """
        self._memory = memoryview(bytearray(check_count(capacity, "capacity")))
        self._length = 0

    @staticmethod
    def _over(data: bytes | bytearray | memoryview) -> "Buffer":
        """Wrap bytes without a copy, all of them in use; over bytes or a read-only view the Buffer is read-only."""
        buffer = Buffer(0)
        buffer._memory = memoryview(data)
        buffer._length = len(data)
        return buffer

    @staticmethod
    def create_copy_from_memory_buffer(memory_buffer: "ReadableBuffer", /) -> "Buffer":
        """Copy the bytes of another object.

        Args:
            memory_buffer: any object with the buffer protocol, or a Buffer, which stand for WinRT's IMemoryBuffer.

        Returns:
            A writable Buffer; its capacity and length are the size of the content.

        Raises:
            InvalidArgumentTypeError: `memory_buffer` is not a buffer (0x80070057).
            InvalidArgumentError: it is not contiguous, holds objects or pointers, or was released (0x80070057).

        Source: Buffer.CreateCopyFromMemoryBuffer.
        """
        return Buffer._over(bytearray(as_bytes_view(memory_buffer, "memory_buffer")))

    @staticmethod
    def create_memory_buffer_over_ibuffer(buffer: "Buffer", /) -> memoryview:
        """Give the whole memory of a Buffer, its capacity, without a copy.

        Args:
            buffer: the Buffer to look into.

        Returns:
            A memoryview, which stands for WinRT's MemoryBuffer; read-only when the Buffer is.

        Raises:
            InvalidArgumentTypeError: `buffer` is not a Buffer (0x80070057).

        Source: Buffer.CreateMemoryBufferOverIBuffer.
        """
        if not isinstance(buffer, Buffer):
            raise InvalidArgumentTypeError(f"buffer must be a Buffer, not {type(buffer).__name__}")
        return buffer._memory[:]

    def view(self) -> memoryview:
        """Give the bytes in use without a copy; writing to the view writes to the Buffer.

        Returns:
            A flat memoryview of `length` bytes; read-only when the Buffer is over immutable bytes.

        Source: beyond WinRT (PyWinRT: the buffer protocol).
        """
        return self._memory[: self._length]

    def __buffer__(self, flags: int, /) -> memoryview:
        """Serve the buffer protocol; Python calls it from 3.12 on, see `view`."""
        return self.view()

    def __bytes__(self) -> bytes:
        """Copy the bytes in use."""
        return self.view().tobytes()

    def __len__(self) -> int:
        """Return `length`."""
        return self._length

    def __eq__(self, other: object) -> bool:
        """Compare the bytes in use with those of a Buffer, bytes, bytearray or memoryview."""
        if isinstance(other, Buffer):
            return self.view() == other.view()
        if isinstance(other, bytes | bytearray | memoryview):
            return self.view() == other
        return NotImplemented

    __hash__: ClassVar[None] = None  # type: ignore[assignment]


def as_bytes_view(data: object, what: str) -> memoryview:
    """Look at the bytes of any buffer without a copy.

    Args:
        data: an object with the buffer protocol, or a Buffer, of which the bytes in use count.
        what: name of the argument, for the message.

    Returns:
        A flat view of single bytes; read-only when `data` is.

    Raises:
        InvalidArgumentTypeError: `data` is not a buffer; for text the message says to encode it (0x80070057).
        InvalidArgumentError: its bytes are not contiguous, it holds objects or pointers, or it was released
            (0x80070057).

    Source: IBuffer and byte[] arguments.
    """
    if isinstance(data, Buffer):
        return data.view()
    if isinstance(data, str):
        raise InvalidArgumentTypeError(f"{what} must be bytes, not str: encode it first, text.encode('utf-8')")
    try:
        view = memoryview(data)  # type: ignore[arg-type]
    except TypeError:
        raise InvalidArgumentTypeError(f"{what} must be a buffer such as bytes, not {type(data).__name__}") from None
    except ValueError as error:
        raise InvalidArgumentError(f"{what} cannot be used: {error}") from None
    return _flat(view, what)


def _flat(view: memoryview, what: str) -> memoryview:
    if view.format != "B" and not _ADDRESSES.isdisjoint("".join(view.format.split(":")[::2])):
        # Between the colons are names of fields. numpy's arrays of objects are such buffers, and ctypes' pointers.
        raise InvalidArgumentError(f"{what} holds objects or pointers: a buffer has nothing but their addresses")
    if not view.c_contiguous:
        raise InvalidArgumentError(f"{what} must be contiguous: copy it with bytes() first")
    if view.nbytes == 0:
        # cast() refuses a shape with a zero in it.
        return memoryview(b"") if view.readonly else memoryview(bytearray())
    return view.cast("B")


def as_writable_view(data: "WriteableBuffer", what: str) -> memoryview:
    """Look at the bytes of a buffer that is to be written to.

    Args:
        data: a writable object with the buffer protocol, or a Buffer, of which the bytes in use count.
        what: name of the argument, for the message.

    Returns:
        A flat, writable view of single bytes.

    Raises:
        InvalidArgumentTypeError: `data` is not a buffer (0x80070057).
        InvalidArgumentError: it is read-only, or as for `as_bytes_view` (0x80070057).

    Source: IBuffer and byte[] arguments that are filled.
    """
    view = as_bytes_view(data, what)
    if view.readonly:
        view.release()
        raise InvalidArgumentError(f"{what} must be writable, such as a bytearray or a Buffer; this one is read-only")
    return view
