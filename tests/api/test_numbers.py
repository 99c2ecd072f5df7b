"""Tests of numbers of other types than int and float, as numpy's: taken wherever a number is."""

import array
import decimal
import struct
import types

import pytest
from support import echo, running_server

import syncws
from syncws import (
    Buffer,
    ByteOrder,
    ChainValidationResult,
    DataReader,
    DataWriter,
    HResult,
    InvalidArgumentTypeError,
    MessageWebSocket,
    MessageWebSocketReceiveMode,
    SocketMessageType,
    WebErrorStatus,
    WebSocketError,
)
from syncws._streams.input_stream import MemoryInputStream


class Whole:
    """A whole number as numpy has them."""

    def __init__(self, value):
        self.value = value

    def __index__(self):
        return self.value


class Real:
    """A number as numpy.float32."""

    def __init__(self, value):
        self.value = value

    def __float__(self):
        return self.value


@pytest.mark.parametrize("name", ["byte", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_a_whole_number_is_written(name):
    writer = DataWriter()
    getattr(writer, f"write_{name}")(Whole(7))
    assert getattr(DataReader.from_buffer(writer.detach_buffer()), f"read_{name}")() == 7


@pytest.mark.parametrize("number", [Real(1.5), decimal.Decimal("1.5")])
def test_a_real_number_is_written(number):
    writer = DataWriter()
    writer.write_double(number)
    writer.write_single(number)
    assert bytes(writer.detach_buffer()) == struct.pack(">df", 1.5, 1.5)


def test_a_whole_number_is_a_count():
    buffer = Buffer(Whole(4))
    buffer.length = Whole(4)
    reader = DataReader(MemoryInputStream(b"abcdefgh"))
    assert reader.load(Whole(6)) == 6
    assert reader.read_bytes(Whole(1)) == b"a"
    assert reader.read_string(Whole(1)) == "b"
    assert bytes(reader.read_buffer(Whole(2))) == b"cd"
    assert bytes(reader.detach_stream().read(buffer, Whole(2))) == b"gh"
    writer = DataWriter()
    writer.write_buffer(b"abc", Whole(1), Whole(2))
    assert bytes(writer.detach_buffer()) == b"bc"


def test_numbers_are_settings_and_time_limits_and_close_codes():
    socket = MessageWebSocket()
    socket.control.max_message_size = Whole(5)
    socket.control.connect_timeout = Real(2.5)
    assert (socket.control.max_message_size, socket.control.connect_timeout) == (5, 2.5)
    with running_server(echo) as uri:
        socket.connect(uri, timeout=Whole(30))
        socket.close(Whole(1000))


def test_a_whole_number_is_a_member_of_an_enumeration():
    socket = MessageWebSocket()
    socket.control.message_type = Whole(1)
    socket.control.receive_mode = Whole(1)
    assert socket.control.message_type is SocketMessageType.UTF8
    assert socket.control.receive_mode is MessageWebSocketReceiveMode.PARTIAL_MESSAGE
    socket.control.ignorable_server_certificate_errors.append(Whole(int(ChainValidationResult.UNTRUSTED)))
    assert list(socket.control.ignorable_server_certificate_errors) == [ChainValidationResult.UNTRUSTED]
    reader = DataReader.from_buffer(b"")
    reader.byte_order, reader.unicode_encoding, reader.input_stream_options = Whole(0), Whole(1), Whole(1)
    assert (reader.byte_order, reader.unicode_encoding, reader.input_stream_options) == (0, 1, 1)


@pytest.mark.parametrize("value", [Whole(7), Real(0.0), True, ByteOrder.LITTLE_ENDIAN])
def test_what_is_no_member_is_refused(value):
    control = MessageWebSocket().control
    with pytest.raises(InvalidArgumentTypeError, match="message_type must be a SocketMessageType"):
        control.message_type = value
    with pytest.raises(InvalidArgumentTypeError, match="receive_mode must be a MessageWebSocketReceiveMode"):
        control.receive_mode = value


@pytest.mark.parametrize("number", [0x80072EFD, 0x80072EFD - (1 << 32)])
def test_a_whole_number_is_an_hresult(number):
    assert WebSocketError.get_status(Whole(number)) is WebErrorStatus.CANNOT_CONNECT
    assert WebSocketError("x", hresult=Whole(number)).status is WebErrorStatus.CANNOT_CONNECT
    assert HResult(Whole(0x80072EFD)) is HResult.WININET_E_CANNOT_CONNECT


def test_a_whole_number_is_a_token():
    socket = MessageWebSocket()
    token = socket.add_closed(print)
    socket.remove_closed(Whole(int(token)))
    with pytest.raises(InvalidArgumentTypeError):
        socket.remove_closed(Real(1.0))


class Vector(bytearray):
    """A buffer that has __index__ and __float__, as numpy's arrays: of more than one number they refuse."""

    def __index__(self):
        raise TypeError("only integer scalar arrays can be converted to a scalar index")

    def __float__(self):
        raise TypeError("only 0-dimensional arrays can be converted")


def test_an_array_is_a_buffer_and_no_number():
    target = Vector(2)
    DataReader.from_buffer(b"ab").read_bytes(target)
    assert target == b"ab"
    with pytest.raises(InvalidArgumentTypeError):
        DataWriter().write_double(target)
    with pytest.raises(InvalidArgumentTypeError):
        MessageWebSocket().control.connect_timeout = target


@pytest.mark.parametrize("value", [True, "1", None, Real(1.0), 1.0])
def test_what_is_no_whole_number_is_refused(value):
    with pytest.raises(InvalidArgumentTypeError):
        DataWriter().write_int32(value)


@pytest.mark.parametrize("value", [True, "1.5", None, 1j, b"1"])
def test_what_is_no_real_number_is_refused(value):
    with pytest.raises(InvalidArgumentTypeError):
        DataWriter().write_double(value)


@pytest.mark.parametrize("kind", "bcMmSUV")
def test_of_numpy_s_kinds_only_real_numbers_are_real_numbers(kind):
    """All of its scalars have __float__, and give it: 5.0 for a text of 5, or for 5 nanoseconds."""
    scalar = Real(5.0)
    scalar.dtype = types.SimpleNamespace(kind=kind)
    with pytest.raises(InvalidArgumentTypeError):
        DataWriter().write_double(scalar)
    with pytest.raises(InvalidArgumentTypeError, match="seconds as a number, or None, not Real"):
        MessageWebSocket().control.receive_timeout = scalar
    scalar.dtype.kind = "f"
    DataWriter().write_double(scalar)


def test_send_takes_any_buffer():
    writer = DataWriter()
    writer.write_string("Buffer")
    with running_server(echo) as uri, syncws.connect(uri) as socket:
        for buffer in (writer.detach_buffer(), array.array("H", [1, 2]), memoryview(b"abc")[1:]):
            socket.send(buffer)
            assert socket.receive() == bytes(buffer)
