"""How many Python functions a small message passes through, from the socket to the handler and from store() out."""

import sys
import threading

from support import handshake, read_frame, server_frame, wait
from support.scripts import TEXT, connected, read_until_close

import syncws
from syncws import DataWriter

MOST_FUNCTIONS_IN = 20
# In plain Python store(), the frame, its masking, the outbox and the transport besides.
MOST_FUNCTIONS_OUT = 3 if syncws.accelerated else 10
FIRST_OUT = "MessageWebSocket._write_text" if syncws.accelerated else "WriterFields.store"
SENDS = ("socket.send", "Outbox.send_at_once")


class Walk:
    """The functions that a thread enters, while it is profiled."""

    def __init__(self):
        self.functions = []

    def begin(self):
        self.functions.clear()
        sys.setprofile(self._profile)

    def end(self):
        sys.setprofile(None)
        return tuple(self.functions)

    def _profile(self, frame, event, argument):
        if event == "call":
            self.functions.append(frame.f_code.co_qualname)
        elif event == "c_call" and argument.__qualname__ in SENDS:
            self.functions.append("sends")


def test_a_small_text_message_takes_at_most_twenty_functions_from_one_handler_to_the_next():
    walk = Walk()
    walks = []
    taken = threading.Event()
    done = threading.Event()

    def script(connection):
        handshake(connection)
        for _ in range(5):
            connection.sendall(server_frame(TEXT, b"x" * 32))
            wait(taken)
            taken.clear()
        read_until_close(connection)

    def handler(_, __):
        walks.append(walk.end())
        taken.set()
        if len(walks) == 5:
            done.set()
        else:
            # The reader is profiled from here, through its wait for the next message.
            walk.begin()

    with connected(script, prepare=lambda socket: socket.add_message_received(handler)):
        wait(done)
    # The first has nothing before it.
    shortest = min(walks[1:], key=len)
    own = [
        name for name in shortest if not name.startswith(("Walk.", "Event.set", "Condition")) and "handler" not in name
    ]
    assert own[-1] == "Delivery.begin"
    assert 5 < len(own) <= MOST_FUNCTIONS_IN, own


def test_a_small_text_message_takes_few_functions_from_store_to_the_socket():
    walk = Walk()

    def script(connection):
        handshake(connection)
        read_frame(connection)
        read_until_close(connection)

    with connected(script) as socket:
        writer = DataWriter(socket.output_stream)
        writer.write_string("x" * 32)
        walk.begin()
        writer.store()
        functions = walk.end()
        writer.detach_stream()
    before = functions[: functions.index("sends")]
    assert before[0] == FIRST_OUT
    assert 2 < len(before) <= MOST_FUNCTIONS_OUT, before
