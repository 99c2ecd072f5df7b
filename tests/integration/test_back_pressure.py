"""Messages that nobody receives, on real connections: reading stops, and goes on when there is room."""

import contextlib
import threading

import pytest
from support import LIMIT, server_frame, wait
from support.calls import Call
from support.scripts import BINARY, EMPTY_CLOSE, TEXT, connected, noting, sends_and_closes

from syncws import MessageWebSocketReceiveMode
from syncws._connection.receiving.message_inbox import MAX_WAITING_MESSAGES

READ_BYTES = 65536


@contextlib.contextmanager
def flooded(*frames, **settings):
    """Give a socket whose peer sends frames as fast as they are taken, and gets nothing but an empty Close."""
    noted = []
    with connected(noting(noted, *frames), **settings) as socket:
        yield socket
    assert noted == [EMPTY_CLOSE]


def test_reading_stops_when_the_bytes_that_wait_are_too_many_and_goes_on_when_there_is_room(paused):
    capacity, count, size = 200_000, 1000, 10_000
    frames = [server_frame(BINARY, number.to_bytes(2, "big") * (size // 2)) for number in range(count)]
    with flooded(*frames, inbox_size_in_bytes=capacity) as socket:
        wait(paused)
        buffered = socket.information.bytes_buffered_in
        assert capacity <= buffered < capacity + READ_BYTES + size
        assert buffered % size == 0
        assert [int.from_bytes(socket.receive(LIMIT)[:2], "big") for _ in range(count)] == list(range(count))
        assert socket.information.bytes_buffered_in == 0


def test_reading_stops_at_1024_messages_however_small_they_are(paused):
    count = 30_000
    frames = [server_frame(BINARY, b"x")] * count
    with flooded(*frames, inbox_size_in_bytes=100_000) as socket:
        wait(paused)
        assert MAX_WAITING_MESSAGES == 1024
        assert MAX_WAITING_MESSAGES <= socket.information.bytes_buffered_in < MAX_WAITING_MESSAGES + READ_BYTES
        assert sum(len(socket.receive(LIMIT)) for _ in range(count)) == count


@pytest.mark.parametrize("size", [0, 1])
def test_empty_messages_count_too(paused, size):
    count = 5000
    with flooded(*[server_frame(TEXT, b"x" * size)] * count, inbox_size_in_bytes=100_000) as socket:
        wait(paused)
        assert [socket.receive(LIMIT) for _ in range(count)] == ["x" * size] * count


def test_pieces_of_a_message_stop_reading_too(paused):
    size = 4 << 20
    mode = MessageWebSocketReceiveMode.PARTIAL_MESSAGE
    frame = server_frame(BINARY, bytes(size))
    with flooded(frame, receive_mode=mode, inbox_size_in_bytes=100_000) as socket:
        wait(paused)
        assert 100_000 <= socket.information.bytes_buffered_in < 100_000 + READ_BYTES
        received = 0
        while True:
            args = socket.receive_args(LIMIT)
            received += args.get_data_reader().unconsumed_buffer_length
            if args.is_message_complete:
                break
    assert received == size


def test_unclaimed_messages_can_be_thrown_away_and_the_close_behind_them_is_heard():
    count = 5000
    closed = threading.Event()
    frames = [server_frame(TEXT, b"news")] * count

    def prepare(socket):
        socket.closed += lambda sender, args: closed.set()

    script = sends_and_closes(*frames, code=4000)
    with connected(script, prepare, inbox_size_in_bytes=1, discard_unclaimed_messages=True) as socket:
        wait(closed)
        assert socket.information.discarded_messages == count
        assert socket.information.bytes_buffered_in == 0
        assert socket.information.close_code == 4000


def test_a_receive_that_runs_gets_its_message_where_others_are_thrown_away():
    go = threading.Event()
    noted = []
    script = noting(noted, server_frame(TEXT, b"for you"), after=go)
    with connected(script, discard_unclaimed_messages=True) as socket:
        call = Call(socket.receive, LIMIT)
        while not socket._session.inbox.is_being_taken:
            pass
        go.set()
        assert call.result() == "for you"
        assert socket.information.discarded_messages == 0


def test_handlers_get_their_messages_where_others_are_thrown_away():
    came = threading.Event()

    def prepare(socket):
        socket.message_received += lambda sender, args: came.set()

    with connected(noting([], server_frame(TEXT, b"news")), prepare, discard_unclaimed_messages=True) as socket:
        wait(came)
        assert socket.information.discarded_messages == 0
