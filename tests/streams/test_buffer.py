"""Buffer and the helpers that take any buffer."""

import array
import ctypes
import hashlib
import importlib.util
import runpy
import struct
import sys

import pytest

from syncws._streams import buffer as buffer_module
from syncws._streams.buffer import Buffer, as_bytes_view, as_writable_view
from syncws.errors import InvalidArgumentError, InvalidArgumentTypeError
from syncws.hresult import HResult

# By its __buffer__, or by its compiled base, which is there where the package was built with a compiler.
HAS_PROTOCOL = sys.version_info >= (3, 12) or importlib.util.find_spec("syncws._streams._exporter") is not None
needs_protocol = pytest.mark.skipif(not HAS_PROTOCOL, reason="Python 3.11, built without a compiler")


def filled(content: bytes, capacity: int) -> Buffer:
    buffer = Buffer(capacity)
    buffer.length = len(content)
    buffer.view()[:] = content
    return buffer


def test_a_new_buffer_has_its_capacity_and_no_length():
    buffer = Buffer(16)
    assert (buffer.capacity, buffer.length, len(buffer)) == (16, 0, 0)


def test_a_buffer_may_have_no_capacity():
    assert Buffer(0).capacity == 0


@pytest.mark.parametrize("capacity", [-1, 2**32, pytest.param(1 << 40_000, id="huge")])
def test_a_capacity_out_of_range_is_refused_before_memory_is_taken(capacity, monkeypatch):
    monkeypatch.setattr(buffer_module, "bytearray", pytest.fail, raising=False)
    with pytest.raises(InvalidArgumentError, match="capacity must be from 0 to 4294967295") as caught:
        Buffer(capacity)
    assert caught.value.hresult == HResult.E_INVALIDARG


@pytest.mark.parametrize("capacity", ["4", 4.0, True, None])
def test_a_capacity_that_is_no_int_is_refused(capacity):
    with pytest.raises(InvalidArgumentTypeError, match="capacity must be an int"):
        Buffer(capacity)


def test_length_can_be_set_up_to_the_capacity():
    buffer = Buffer(4)
    buffer.length = 4
    assert bytes(buffer) == b"\0\0\0\0"


@pytest.mark.parametrize("length", [-1, 5])
def test_a_length_out_of_range_is_refused(length):
    buffer = Buffer(4)
    with pytest.raises(InvalidArgumentError, match=f"length must be from 0 to 4, got {length}"):
        buffer.length = length
    assert buffer.length == 0


def test_only_the_bytes_in_use_are_seen():
    buffer = filled(b"abcd", 8)
    buffer.length = 2
    assert (bytes(buffer), buffer.view().tobytes(), len(buffer)) == (b"ab", b"ab", 2)


def test_writing_to_the_view_writes_to_the_buffer():
    buffer = filled(b"abcd", 4)
    buffer.view()[1] = ord("X")
    assert bytes(buffer) == b"aXcd"


def test_the_buffer_protocol_method_gives_the_bytes_in_use():
    assert filled(b"abc", 8).__buffer__(0).tobytes() == b"abc"


@needs_protocol
def test_whatever_takes_bytes_takes_the_bytes_in_use(tmp_path):
    buffer = filled(b"abc", 8)
    assert memoryview(buffer) == b"abc"
    assert hashlib.sha256(buffer).digest() == hashlib.sha256(b"abc").digest()
    with open(tmp_path / "file", "wb") as file:
        file.write(buffer)
    assert (tmp_path / "file").read_bytes() == b"abc"
    assert b"-".join([buffer, buffer]) == b"abc-abc"
    assert struct.unpack("3s", buffer) == (b"abc",)
    assert bytearray(buffer) == b"abc"


@needs_protocol
def test_the_buffer_protocol_writes_to_the_buffer():
    buffer = filled(b"abcd", 8)
    memoryview(buffer)[0] = ord("X")
    struct.pack_into("2s", buffer, 2, b"YZ")
    assert bytes(buffer) == b"XbYZ"


@needs_protocol
def test_the_buffer_protocol_gives_a_read_only_buffer_to_readers_alone():
    buffer = Buffer._over(b"abc")
    assert memoryview(buffer).readonly
    with pytest.raises((BufferError, TypeError)):
        struct.pack_into("1s", buffer, 0, b"X")


@needs_protocol
def test_a_view_by_the_buffer_protocol_outlives_the_buffer_and_its_length():
    buffer = filled(b"abcd", 8)
    view = memoryview(buffer)
    buffer.length = 1
    assert view == b"abcd"
    del buffer
    assert view == b"abcd"


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="later Pythons need no compiled base")
@needs_protocol
def test_the_compiled_base_passes_on_what_view_does():
    from syncws._streams._exporter import Exporter

    class Raises(Exporter):
        def view(self):
            raise OSError("no view")

    class Wrong(Exporter):
        def view(self):
            return b"abc"

    with pytest.raises(OSError, match="no view"):
        memoryview(Raises())
    with pytest.raises(TypeError, match="must return a memoryview, not bytes"):
        memoryview(Wrong())
    with pytest.raises(AttributeError, match="view"):
        memoryview(Exporter())


def test_without_the_compiled_base_all_else_is_the_same(monkeypatch):
    monkeypatch.setitem(sys.modules, "syncws._streams._exporter", None)
    plain = runpy.run_path(buffer_module.__file__)["Buffer"]
    buffer = plain(4)
    buffer.length = 2
    assert (bytes(buffer), buffer.view().tobytes(), repr(buffer)) == (
        b"\0\0",
        b"\0\0",
        "Buffer(length=2, capacity=4, b'\\x00\\x00')",
    )
    if sys.version_info < (3, 12):
        with pytest.raises(TypeError, match="bytes-like object is required"):
            memoryview(buffer)


def test_a_wrapped_bytes_is_not_copied_and_cannot_be_changed():
    content = b"abc"
    buffer = Buffer._over(content)
    assert buffer.view().obj is content
    assert buffer.view().readonly
    assert (buffer.length, buffer.capacity) == (3, 3)


def test_a_wrapped_bytearray_is_shared():
    content = bytearray(b"abc")
    Buffer._over(content).view()[0] = ord("X")
    assert content == b"Xbc"


def test_create_copy_from_memory_buffer_copies():
    source = bytearray(b"abc")
    copy = Buffer.create_copy_from_memory_buffer(source)
    source[0] = 0
    assert copy == b"abc"
    assert not copy.view().readonly


def test_create_copy_from_memory_buffer_takes_a_buffer():
    assert Buffer.create_copy_from_memory_buffer(filled(b"abc", 9)).capacity == 3


def test_create_memory_buffer_over_ibuffer_shows_the_whole_capacity():
    buffer = filled(b"ab", 4)
    memory = Buffer.create_memory_buffer_over_ibuffer(buffer)
    memory[0] = ord("X")
    assert memory.tobytes() == b"Xb\0\0"
    assert bytes(buffer) == b"Xb"


def test_create_memory_buffer_over_ibuffer_takes_only_a_buffer():
    with pytest.raises(InvalidArgumentTypeError, match="must be a Buffer, not bytes"):
        Buffer.create_memory_buffer_over_ibuffer(b"abc")


@pytest.mark.parametrize("other", [filled(b"abc", 3), b"abc", bytearray(b"abc"), memoryview(b"abc")])
def test_buffers_with_the_same_content_are_equal(other):
    assert filled(b"abc", 8) == other


@pytest.mark.parametrize("other", [filled(b"abd", 8), b"ab", "abc", None])
def test_buffers_with_other_content_are_not_equal(other):
    assert filled(b"abc", 8) != other


def test_a_buffer_is_not_hashable():
    with pytest.raises(TypeError, match="unhashable"):
        hash(Buffer(1))


def test_repr_shows_sizes_and_content():
    assert repr(filled(b"ab", 4)) == "Buffer(length=2, capacity=4, b'ab')"


def test_repr_of_a_long_buffer_is_cut():
    assert repr(filled(b"a" * 33, 33)) == f"Buffer(length=33, capacity=33, {b'a' * 32!r}...)"


@pytest.mark.parametrize(
    ("data", "content"),
    [
        (b"abc", b"abc"),
        (bytearray(b"abc"), b"abc"),
        (memoryview(b"abcdef")[1:3], b"bc"),
        (array.array("B", [1, 2]), b"\1\2"),
        (array.array("H", [0x0101]), b"\1\1"),
        (memoryview(bytes(range(6))).cast("B", (2, 3)), bytes(range(6))),
        ((ctypes.c_ubyte * 2)(7, 8), b"\7\10"),
        (array.array("H"), b""),
        (((ctypes.c_int * 0) * 2)(), b""),
        (b"", b""),
        (filled(b"abc", 5), b"abc"),
    ],
)
def test_as_bytes_view_gives_flat_bytes(data, content):
    view = as_bytes_view(data, "data")
    assert (view.format, view.ndim, view.tobytes()) == ("B", 1, content)


def test_as_bytes_view_does_not_copy():
    data = bytearray(b"abc")
    as_bytes_view(data, "data")[0] = ord("X")
    assert data == b"Xbc"


@pytest.mark.parametrize("data", [None, 5, [1, 2], object()])
def test_as_bytes_view_refuses_what_is_no_buffer(data):
    with pytest.raises(InvalidArgumentTypeError, match=f"thing must be a buffer .* not {type(data).__name__}"):
        as_bytes_view(data, "thing")


def test_as_bytes_view_says_that_text_must_be_encoded():
    with pytest.raises(InvalidArgumentTypeError, match="thing must be bytes, not str: encode it first"):
        as_bytes_view("text", "thing")


def test_as_bytes_view_refuses_gaps():
    with pytest.raises(InvalidArgumentError, match="thing must be contiguous"):
        as_bytes_view(memoryview(b"abcd")[::2], "thing")


def test_as_bytes_view_refuses_a_released_view():
    view = memoryview(b"abc")
    view.release()
    with pytest.raises(InvalidArgumentError, match=r"thing cannot be used: .*released"):
        as_bytes_view(view, "thing")


@pytest.mark.parametrize("data", [bytearray(b"ab"), filled(b"ab", 4), bytearray(), array.array("H")])
def test_as_writable_view_takes_what_can_be_written(data):
    assert not as_writable_view(data, "thing").readonly


@pytest.mark.parametrize("data", [b"ab", b"", memoryview(b"ab"), Buffer._over(b"ab")])
def test_as_writable_view_refuses_what_is_read_only(data):
    with pytest.raises(InvalidArgumentError, match="thing must be writable"):
        as_writable_view(data, "thing")


class WithObject(ctypes.Structure):
    _fields_ = (("number", ctypes.c_int), ("thing", ctypes.py_object))


class NamedLikeOne(ctypes.Structure):
    _fields_ = (("O", ctypes.c_int), ("fOO", ctypes.c_int))


class WithPointer(ctypes.Structure):
    _fields_ = (("number", ctypes.c_int), ("thing", ctypes.POINTER(ctypes.c_int)))


OBJECTS = [(ctypes.py_object * 2)(), WithObject(), (WithObject * 2)()]
POINTERS = [ctypes.pointer(ctypes.c_ubyte(5)), WithPointer(), ctypes.c_void_p(5), ctypes.c_char_p(b"text")]


@pytest.mark.parametrize("data", OBJECTS + POINTERS)
@pytest.mark.parametrize("look", [as_bytes_view, as_writable_view])
def test_objects_and_pointers_are_refused_whose_addresses_would_be_sent_or_overwritten(look, data):
    with pytest.raises(InvalidArgumentError, match="thing holds objects or pointers") as caught:
        look(data, "thing")
    assert caught.value.hresult == HResult.E_INVALIDARG


def test_fields_may_have_any_name():
    assert as_bytes_view(NamedLikeOne(1, 2), "thing").nbytes == 8
