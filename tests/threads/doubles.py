"""A session over a scripted transport, with an owner that notes what it is told."""

import threading
import weakref

from fakes import ScriptedTransport
from support import LIMIT

from syncws.events import Event
from syncws.net.connector import Opened
from syncws.net.handshake import HandshakeResult
from syncws.net.meter import BandwidthMeter
from syncws.net.readiness import Waker
from syncws.settings import Settings
from syncws.threads.reader import run_reader
from syncws.threads.message_reader import MessageReader
from syncws.threads.message_session import MessageSession
from syncws.wire.decoder import Decoder
from syncws.wire.events import Message


class Owner:
    """Stands for the application's socket object."""

    def __init__(self):
        self.message_received = Event("message_received")
        self.log = []
        self.on_closed = None

    def note_messages(self):
        self.message_received.add(lambda _, message: self.log.append(message.text or bytes(message.payload)))

    def raise_message_received(self, message):
        self.log.append(message.error)
        return 0

    def raise_closed(self, code, reason):
        self.log.append((code, reason))
        if self.on_closed is not None:
            self.on_closed()
        return 0


class Meters:
    def __init__(self):
        self.inbound = BandwidthMeter()
        self.outbound = BandwidthMeter()


class Rig:
    """A session, what it is made of, and its reader thread once it is started."""

    def __init__(self, *incoming, remainder=b"", **settings):
        self.transport = ScriptedTransport(*incoming)
        self.owner = Owner()
        self.waker = Waker(threading.RLock())
        opened = Opened(self.transport, Meters(), "127.0.0.1", HandshakeResult("chat", {}, remainder))
        settings.setdefault("max_message_size", 1 << 20)
        settings.setdefault("close_timeout", LIMIT)
        self.session = MessageSession(opened, Settings(**settings), self.waker, self.owner)
        self.session_ref = weakref.ref(self.session)

    def start(self):
        self.session.start(lambda session: run_reader(session, make_reader))

    def run(self):
        """Run the reader to its end."""
        self.start()
        self.end()

    def end(self):
        self.session.reader.join(LIMIT)
        assert not self.session.reader.is_alive()

    def release(self):
        """End whatever is left."""
        self.session.abort()
        self.transport.feed_quietly(b"")
        if self.session.reader is not None:
            self.session.reader.join(LIMIT)
        self.waker.close()
        self.transport.release()


def make_reader(session):
    return MessageReader(session, Decoder(session.settings.max_message_size, Message), Message)
