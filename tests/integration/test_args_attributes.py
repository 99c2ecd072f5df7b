"""Tests of what an event's args have beside get_data_reader(): text, data, error."""

import threading

import pytest
from support import LIMIT
from support.scripts import BINARY, TEXT, connected, sends_and_ends
from support.servers import server_frame

from syncws import ConnectionLostError


def test_text_data_and_error_of_a_message():
    with connected(sends_and_ends(server_frame(TEXT, "ä".encode()), server_frame(BINARY, b"ab"))) as socket:
        text, binary = (socket.receive_args(LIMIT) for _ in range(2))
    assert (text.text, text.data, text.error) == ("ä", "ä".encode(), None)
    assert (binary.text, binary.data, binary.error) == (None, b"ab", None)


def test_error_tells_a_lost_connection():
    came, go = [], threading.Event()
    with connected(sends_and_ends(after=go)) as socket:
        socket.message_received += lambda sender, args: came.append(args)
        go.set()
        assert socket.wait_closed(LIMIT)
    [args] = came
    assert isinstance(args.error, ConnectionLostError)
    assert (args.text, args.data) == (None, b"")
    with pytest.raises(ConnectionLostError):
        args.get_data_reader()
