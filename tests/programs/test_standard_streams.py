"""The command line over standard streams as others leave them: read by nobody for a while, not blocking,
unbuffered, of another encoding; and how long it waits for what is to be written there."""

import errno
import io
import itertools
import os
import sys
import threading
from types import SimpleNamespace

import pytest
from support import LIMIT, read_to_end, running_server, scripted_server, wait
from support.calls import Call
from support.commands import on_terminal
from support.servers import handshake, join

from syncws.cli import lines, send
from syncws.cli.conversation import Conversation
from syncws.cli.main import main
from syncws.events import Event

needs_nonblocking_pipes = pytest.mark.skipif(
    sys.platform == "win32", reason="pipes that do not block are not for select() here"
)


class HastyClock:
    """Stands for the module time: it is an hour later each time that its thread looks, which is counted."""

    def __init__(self):
        self.hours = 0
        self.thread = None
        self.looks = threading.Semaphore(0)

    def monotonic(self):
        if threading.current_thread() is self.thread:
            self.hours += 1
            self.looks.release()
        return self.hours * 3600.0


class SlowOutput:
    """Output that nobody reads before it is released."""

    def __init__(self):
        self.is_written = threading.Event()
        self.release = threading.Event()

    def __call__(self, _):
        self.is_written.set()
        wait(self.release)


def looks_again(clock, waiting):
    """Whether a function that waits by this clock looks at it twice, rather than to return after the first time."""
    returned = threading.Event()

    def body():
        waiting()
        returned.set()
        clock.looks.release()

    clock.thread = threading.Thread(target=body, name="test-waiting")
    clock.thread.start()
    for _ in range(2):
        assert clock.looks.acquire(timeout=LIMIT)
    return not returned.is_set()


def test_the_wait_for_answers_does_not_begin_while_nobody_reads_the_output(monkeypatch):
    clock, output = HastyClock(), SlowOutput()
    monkeypatch.setattr("syncws.cli.conversation.time", clock)
    monkeypatch.setattr("syncws.cli.conversation.LOOK_SECONDS", 0.001)
    conversation = Conversation(output)
    reader = threading.Thread(target=conversation.received, args=(None, SimpleNamespace(error=None)))
    reader.start()
    wait(output.is_written)
    try:
        assert looks_again(clock, lambda: conversation.run(lambda: None, 1.0))
    finally:
        output.release.set()
        join(reader)
        join(clock.thread)


def test_a_wait_of_no_time_ends_with_the_message_that_is_being_shown(monkeypatch):
    monkeypatch.setattr("syncws.cli.conversation.LOOK_SECONDS", LIMIT)
    output, shown = SlowOutput(), []
    feeding, is_feeding = [], threading.Event()

    def show(args):
        shown.append(args)
        output(args)

    def feed():
        feeding.append(threading.current_thread())
        is_feeding.set()
        wait(output.is_written)

    conversation = Conversation(show)
    running = Call(conversation.run, feed, 0.0)
    wait(is_feeding)
    reader = Call(lambda: [conversation.received(None, SimpleNamespace(error=None)) for _ in range(2)])
    join(feeding[0])
    output.release.set()
    reader.result()
    running.result()
    assert len(shown) == 1


class Arriving:
    """Stands for a socket to which so many bytes come between two looks, and frames: pings and pongs among them."""

    def __init__(self, count, frames, controls):
        self.looks = itertools.count(1)
        self.count, self.frames, self.controls = count, frames, controls
        self.ping_received, self.pong_received = Event("ping_received"), Event("pong_received")
        self.message_received, self.closed = Event("message_received"), Event("closed")

    @property
    def information(self):
        look = next(self.looks)
        for number in range(self.controls):
            (self.ping_received, self.pong_received)[number % 2](self, None)
        return SimpleNamespace(bytes_received=look * self.count, frames_received=look * self.frames)


@pytest.mark.parametrize(
    ("count", "frames", "controls", "is_message"),
    [(500, 0, 0, True), (70_000, 2, 2, True), (100, 2, 0, True), (400, 2, 2, False), (0, 0, 0, False)],
)
def test_the_wait_for_answers_does_not_begin_while_a_part_of_one_comes(
    monkeypatch, count, frames, controls, is_message
):
    clock = HastyClock()
    monkeypatch.setattr("syncws.cli.conversation.time", clock)
    monkeypatch.setattr("syncws.cli.conversation.LOOK_SECONDS", 0.001)
    conversation = Conversation(lambda _: None)
    conversation.listen_to(Arriving(count, frames, controls))
    try:
        assert looks_again(clock, lambda: conversation.run(lambda: None, 1.0)) is is_message
    finally:
        conversation.end(None)
        join(clock.thread)


def test_a_message_that_cannot_be_shown_does_not_stop_the_wait():
    conversation = Conversation(lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        conversation.received(None, SimpleNamespace(error=None))
    waiting = threading.Thread(target=conversation.run, args=(lambda: None, 0.0), daemon=True)
    waiting.start()
    join(waiting)


def test_send_does_not_take_it_for_the_servers_silence_either(monkeypatch):
    clock, output = HastyClock(), SlowOutput()
    monkeypatch.setattr("syncws.cli.send.time", clock)
    monkeypatch.setattr("syncws.cli.send.LOOK_SECONDS", 0.001)
    monkeypatch.setattr(lines, "write", output)
    closed = threading.Event()
    pieces = iter([b"an answer"])
    source = SimpleNamespace(read1=lambda: next(pieces, b"") or (wait(closed), b"")[1])
    socket = SimpleNamespace(input_stream=SimpleNamespace(as_file=lambda: source))
    answers = send._Answers(socket, is_shown=True)
    wait(output.is_written)
    try:
        assert looks_again(clock, lambda: answers.wait_quiet(1.0))
    finally:
        output.release.set()
        join(clock.thread)
        closed.set()
        answers.join()


class NotYet(io.FileIO):
    """A pipe's end that does not block; each read or write that would have is followed by a call of `meanwhile`."""

    def __init__(self, descriptor, mode, meanwhile):
        os.set_blocking(descriptor, False)
        super().__init__(descriptor, mode)
        self.meanwhile = meanwhile

    def read(self, size=-1):
        found = super().read(size)
        if found is None:
            self.meanwhile()
        return found

    def write(self, data):
        written = super().write(data)
        if written is None:
            self.meanwhile()
        return written


@needs_nonblocking_pipes
def test_stdin_that_does_not_block_is_waited_for():
    """As of a program that Node has started."""
    end, other = os.pipe()
    writes = iter([lambda: os.write(other, b"one\n"), lambda: os.close(other)])
    with NotYet(end, "r", lambda: next(writes)()) as file:
        assert b"".join(lines.read_pieces(file)) == b"one\n"


def test_stdin_that_cannot_be_read_is_empty():
    """As nohup leaves it."""
    with open(os.open(os.devnull, os.O_WRONLY), "rb") as file:
        assert list(lines.read_pieces(file)) == []


def test_any_other_failure_of_stdin_is_told():
    class Failing(io.RawIOBase):
        def read(self, _):
            raise OSError(errno.EIO, "failed")

    with pytest.raises(OSError, match="failed"):
        list(lines.read_pieces(Failing()))


@needs_nonblocking_pipes
@pytest.mark.parametrize("buffer", [io.BufferedWriter, lambda raw: raw], ids=["buffered", "unbuffered"])
def test_stdout_that_does_not_block_gets_everything(monkeypatch, buffer):
    data = os.urandom(1_000_000)
    end, other = os.pipe()
    with open(end, "rb") as reader, buffer(NotYet(other, "w", lambda: taken.append(reader.read1()))) as writer:
        taken = []
        monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=writer))
        lines.write(data)
        writer.close()
        assert b"".join([*taken, reader.read()]) == data


@pytest.mark.parametrize("taken", [1, 7, 1000])
def test_output_that_takes_a_part_at_a_time_gets_everything(monkeypatch, taken):
    """As an unbuffered pipe does whose reader is slow, when Ctrl-Z interrupts the write."""
    data = bytes(range(256)) * 10
    file = io.BytesIO()
    part = SimpleNamespace(write=lambda rest: file.write(rest[:taken]), flush=lambda: None)
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=part))
    lines.write(data)
    assert file.getvalue() == data


def test_characters_that_the_output_lacks_are_escaped(monkeypatch):
    """As into a file on Windows, whose encoding is cp1252."""

    def greet(connection):
        handshake(connection, "X-Greeting: Grüße")
        read_to_end(connection)

    output = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(output, encoding="ascii", write_through=True))
    monkeypatch.setattr("syncws.cli.info._ANSWER", 0.05)
    with scripted_server(greet) as uri:
        assert main(["info", uri, "--close-timeout", "0.05"]) == 0
    assert b"Gr\\xfc\\xdfe" in output.getvalue()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminal of this kind")
@pytest.mark.parametrize("is_plain", [True, False])
def test_a_terminal_of_another_encoding_shows_what_it_has_and_the_reason_too(monkeypatch, is_plain):
    def greet(connection):
        connection.send("Grüße")
        connection.close(1000, "Tschüß")

    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    with running_server(greet) as uri, on_terminal(uri, is_plain=is_plain) as terminal:
        terminal.wait_for(b"Gr\\xfc\\xdfe" if is_plain else b"Gr")
        code, output = terminal.end()
    assert (code, "Tsch\\xfc\\xdf" in output) == (0, True)
