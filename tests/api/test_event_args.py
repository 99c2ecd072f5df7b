"""Event args: what they tell can be read and not changed."""

import pytest

from syncws import (
    ConnectionLostError,
    MessageWebSocketMessageReceivedEventArgs,
    SocketMessageType,
    WebSocketClosedEventArgs,
    WebSocketServerCustomValidationRequestedEventArgs,
)
from syncws._wire.decoder import Decoder
from syncws._wire.piece_decoder import PieceDecoder
from syncws.event_args import MessagePieceEventArgs

TEXT_FRAME = b"\x81\x02ab"


def the_args():
    [message] = Decoder(100, MessageWebSocketMessageReceivedEventArgs).receive_data(TEXT_FRAME)
    [piece] = PieceDecoder(piece_class=MessagePieceEventArgs).receive_data(TEXT_FRAME)
    certificate_args = WebSocketServerCustomValidationRequestedEventArgs._create((), (), lambda: None)
    return [message, piece, WebSocketClosedEventArgs._create(1000, ""), certificate_args]


def names_of(args):
    return [name for name in dir(type(args)) if isinstance(getattr(type(args), name), property)]


CASES = [(args, name) for args in the_args() for name in names_of(args)]


@pytest.mark.parametrize(("args", "name"), CASES, ids=[f"{type(args).__name__}-{name}" for args, name in CASES])
def test_a_property_cannot_be_set_or_deleted(args, name):
    with pytest.raises(AttributeError, match=f"'{name}' of '{type(args).__name__}' object has no setter"):
        setattr(args, name, None)
    with pytest.raises(AttributeError, match=name):
        delattr(args, name)


def test_everything_that_handlers_read_is_among_these():
    names = {name for _, name in CASES}
    assert {"text", "data", "error", "message_type", "is_message_complete", "code", "reason"} <= names
    assert {"server_certificate", "server_intermediate_certificates", "server_certificate_errors"} <= names


@pytest.mark.parametrize("args", the_args(), ids=lambda args: type(args).__name__)
def test_a_new_attribute_cannot_be_set(args):
    with pytest.raises(AttributeError, match="txet"):
        args.txet = "a"


def test_a_message_tells_what_it_told_before():
    message, piece = the_args()[:2]
    for args in (message, piece):
        with pytest.raises(AttributeError):
            args.text = "changed"
        with pytest.raises(AttributeError):
            args.error = ConnectionLostError("gone")
        assert (args.text, args.data, args.length, args.error) == ("ab", b"ab", 2, None)
        assert (args.message_type, args.is_message_complete) == (SocketMessageType.UTF8, True)
