"""Tests of StreamWebSocketControl: what it has, no_delay, and the freezing at connect.

What it shares with MessageWebSocketControl is tested in test_control.py.
"""

import pytest
from support import echo, running_server
from support.scripts import uri_of_nobody
from support.settings import DEFAULTS as EVERY_DEFAULT
from support.stream_websocket import connected_stream

from syncws import (
    HResult,
    IllegalMethodCallError,
    InvalidArgumentTypeError,
    StreamWebSocket,
    StreamWebSocketControl,
)

DEFAULTS = EVERY_DEFAULT[StreamWebSocketControl]
each_property = pytest.mark.parametrize("name", DEFAULTS)


@pytest.fixture
def control():
    return StreamWebSocket().control


@pytest.fixture
def socket():
    """A socket that is connected."""
    with connected_stream(echo, run=running_server) as socket:
        yield socket


# The object.


@pytest.mark.parametrize("name", ["message_type", "max_message_size", "receive_mode"])
def test_a_stream_has_no_settings_of_messages(control, name):
    with pytest.raises(AttributeError):
        getattr(control, name)
    with pytest.raises(AttributeError):
        setattr(control, name, 1)


def test_repr_of_a_stream_control_tells_whether_it_is_frozen(control, socket):
    assert repr(control) == "<StreamWebSocketControl settable>"
    assert repr(socket.control) == "<StreamWebSocketControl frozen>"


# no_delay.


def test_no_delay_takes_both_bools(control):
    for value in (False, True):
        control.no_delay = value
        assert control.no_delay is value


@pytest.mark.parametrize("value", [0, 1, None, "no", []])
def test_no_delay_refuses_everything_else(control, value):
    with pytest.raises(InvalidArgumentTypeError, match="no_delay must be a bool") as raised:
        control.no_delay = value
    assert raised.value.hresult == HResult.E_INVALIDARG
    assert control.no_delay is True


# Frozen at connect.


@each_property
def test_after_connect_no_property_of_a_stream_can_be_set(socket, name):
    with pytest.raises(IllegalMethodCallError, match=r"after connect was called ") as raised:
        setattr(socket.control, name, DEFAULTS[name])
    assert raised.value.hresult == HResult.E_ILLEGAL_METHOD_CALL


def test_after_connect_every_property_of_a_stream_can_be_read(socket):
    assert {name: getattr(socket.control, name) for name in DEFAULTS} == DEFAULTS


@each_property
def test_after_a_failed_connect_a_property_of_a_stream_can_be_set_again(name):
    socket = StreamWebSocket()
    with pytest.raises(OSError, match="HRESULT"):
        socket.connect(uri_of_nobody())
    setattr(socket.control, name, DEFAULTS[name])
    assert getattr(socket.control, name) == DEFAULTS[name]
