"""Sessions over a scripted transport, with an owner that notes what it is told; threads that send; the wire, parsed."""

import threading
from collections import deque

from support.calls import Call
from support.fakes import ScriptedTransport
from support.servers import LIMIT, join, settings_with, wait, wait_for_end
from syncws._connection.message_session import MessageSession
from syncws._connection.monitor import Monitor
from syncws._connection.receiving.receivers import MessageReceiver, StreamReceiver
from syncws._connection.stream_session import StreamSession
from syncws._net.http.handshake import HandshakeResult
from syncws._net.meter import BandwidthMeter
from syncws._net.opening import Opened, Reached
from syncws._waiting.readiness import WRITABLE, Waker
from syncws._wire.decoder import Decoder
from syncws._wire.incoming import Message
from syncws.control import MessageWebSocketControl, StreamWebSocketControl
from syncws.events import Event
from syncws.http_headers import HttpHeaders


class Owner:
    """Stands for the application's socket object."""

    def __init__(self):
        self._message_received_event = self.message_received = Event("message_received")
        self._ping_received_event = self.ping_received = Event("ping_received")
        self._pong_received_event = self.pong_received = Event("pong_received")
        self._closed_event = self.closed = Event("closed")
        self.log = []
        self.on_closed = None

    def note_messages(self):
        self.message_received.add(lambda _, message: self.log.append(message.text or bytes(message.payload)))

    def _raise_message_received(self, message):
        self.log.append(message.error)
        return 0

    def _raise_closed(self, closing):
        self.log.append((closing.code, closing.reason))
        if self.on_closed is not None:
            self.on_closed()
        return 0


class Meters:
    def __init__(self):
        self.inbound = BandwidthMeter()
        self.outbound = BandwidthMeter()


class CallCount:
    """Counts how often it is called: of an inbox that tells of room, of an outbox that tells of what a sender left."""

    def __init__(self):
        self.count = 0

    def __call__(self):
        self.count += 1


class Rig:
    """A session, what it is made of, and its reader thread once it is started."""

    control_class = MessageWebSocketControl

    def __init__(self, *incoming, remainder=b"", agreement=None, **settings):
        self.transport = ScriptedTransport(*incoming)
        self.owner = Owner()
        self.waker = Waker()
        self.meters = Meters()
        result = HandshakeResult("chat", HttpHeaders(), remainder, agreement)
        reached = Reached(self.transport, self.meters, "127.0.0.1", "127.0.0.2")
        settings.setdefault("compression", agreement is not None)
        settings.setdefault("close_timeout", LIMIT)
        # Most tests want no monitor.
        settings.setdefault("keep_alive_interval", None)
        self.session = self._make_session(reached, settings_with(self.control_class, **settings))
        self.session.role.reader = self.make_reader(self.session)
        self.session.open(Opened(reached, result))

    def _make_session(self, reached, settings):
        return MessageSession(reached, settings, self.waker, self.owner)

    @staticmethod
    def make_reader(session):
        return MessageReceiver(session, Decoder(session.settings.max_message_size, Message), Message)

    def begun_reader(self):
        """The reader of a connection that is not started: the test calls its steps."""
        reader = self.session.role.reader
        reader.begin()
        return reader

    @property
    def frames(self):
        """What was sent, parsed."""
        return frames_of(self.transport.sent)

    def start(self):
        """Let it be read, by a reader thread that stays."""
        self.session.role.waiters[self] = None
        self.session.start()
        if self.session.reader_thread is None:
            self.session.role._start()
        while self.session.reader_thread is None and not self.session.finished.is_set():
            pass

    def run(self):
        """Run the reader to its end."""
        self.start()
        self.end()

    def end(self):
        self.session.reader_thread.join(LIMIT)
        assert not self.session.reader_thread.is_alive()

    def release(self):
        """End whatever is left."""
        self.session.abort()
        self.transport.feed_quietly(b"")
        # By name: where its start was interrupted, nothing may say yet that there is one.
        for thread in threading.enumerate():
            if thread.name == f"syncws-reader-{self.session.number}":
                wait_for_end(thread)
        if not self.session.finished.is_set():
            self.session.finish()
        self.waker.close()
        self.transport.release()


class StreamRig(Rig):
    """The same for a stream."""

    control_class = StreamWebSocketControl

    def _make_session(self, reached, settings):
        return StreamSession(reached, settings, self.waker, self.owner)

    @staticmethod
    def make_reader(session):
        return StreamReceiver(session)


class HandMonitor(Monitor):
    """A monitor without a thread: the test turns the clock and runs what is due.

    Attributes:
        starts: how often it would have seen to its thread.
    """

    def __init__(self, clock):
        super().__init__()
        self.clock = clock
        self.starts = 0

    def _start_thread(self):
        self.starts += 1
        self._thread = threading.current_thread()

    def run_due(self):
        """Run all that is due; return the seconds until something else is, None when nothing will be."""
        super().run_due()
        return self._seconds_left()

    def pass_time(self, seconds):
        """Turn the clock, and run everything at the time at which it is due."""
        end = self.clock() + seconds
        while (left := self.run_due()) is not None and self.clock() + left <= end:
            self.clock.advance(left)
        self.clock.time = end
        self.run_due()

    @property
    def has_timers(self):
        return bool(self._open)


class Waits:
    """Stands for a sender's Readiness: each wait does the next of `actions`, on the thread that waits.

    When they are used up a wait lasts until its deadline. Every wait says that the transport is writable.

    Attributes:
        limits: the seconds that each wait had.
    """

    def __init__(self, clock):
        self.clock = clock
        self.actions = deque()
        self.limits = []

    def __call__(self, *_):
        return self

    def wait(self, _, deadline):
        self.limits.append(deadline.remaining)
        if self.actions:
            self.actions.popleft()()
        else:
            self.clock.advance(deadline.remaining)
        return WRITABLE


class Sender(Call):
    """A thread with one send in it."""

    def __init__(self, outbox, frame, pieces=None, timeout=LIMIT):
        outbox.send_timeout = timeout
        super().__init__(outbox.send, frame, pieces)


def stuck_sender(outbox, transport, frame=b"0123456789", first=4, pieces=None, timeout=LIMIT):
    """A sender that waits with `first` bytes of its frame sent."""
    transport.block()
    transport.takes.append(first)
    transport.refused.clear()
    sender = Sender(outbox, frame, pieces, timeout)
    wait(transport.refused)
    while outbox._writer._waker is None:
        pass
    return sender


def run_together(outbox, threads):
    """Run threads that send by the outbox to their ends, and send what they left."""
    for thread in threads:
        thread.start()
    for thread in threads:
        join(thread)
    while not outbox.flush_without_waiting():
        pass
    assert outbox.is_idle


def frames_of(data):
    """Parse what a client has sent; return each frame's first byte and its payload, unmasked."""
    data = bytes(data)
    frames = []
    position = 0
    while position < len(data):
        first, second = data[position], data[position + 1]
        assert second & 0x80, "a client's frame must be masked"
        position += 2
        length = second & 0x7F
        if length > 125:
            size = 2 if length == 126 else 8
            length = int.from_bytes(data[position : position + size], "big")
            position += size
        mask = data[position : position + 4]
        payload = data[position + 4 : position + 4 + length]
        assert len(payload) == length, "the last frame is not whole"
        position += 4 + length
        frames.append((first, unmask(mask, payload)))
    return frames


def unmask(mask, payload):
    """Return a payload without its mask."""
    key = (mask * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(key, "little") ^ int.from_bytes(payload, "little")).to_bytes(len(payload), "little")


def messages_of(frames):
    """Put the data frames together; return each message's opcode and payload.

    Fails when a frame comes inside another message (RFC 6455 5.4).
    """
    messages = []
    opcode, parts = None, []
    for first, payload in frames:
        if first & 0x08:
            continue
        assert (opcode is None) == bool(first & 0x0F), "a frame came inside another message"
        opcode = opcode or first & 0x0F
        parts.append(payload)
        if first & 0x80:
            messages.append((opcode, b"".join(parts)))
            opcode, parts = None, []
    assert opcode is None, "the last message is not whole"
    return messages
