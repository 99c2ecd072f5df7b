"""What tests of keep-alive and of unsolicited pongs do with a rig, whose monitor a test runs by hand."""

from support.scripts import CLOSE
from support.servers import server_frame
from syncws._wire.frames import close_payload

CLOSE_1000 = server_frame(CLOSE, close_payload(1000, "bye"))


def wait_frames(rig, count):
    """Wait until so many sends have gone; return the frames."""
    while len(rig.transport.sends) < count:
        pass
    return rig.frames


def arrive(rig, data):
    """Let bytes come in, and count them as the socket does."""
    rig.meters.inbound.add(len(data))
    rig.transport.feed(data)


def end(rig):
    arrive(rig, CLOSE_1000)
    rig.transport.feed_quietly(b"")
    rig.end()
