"""Stand-ins that tests of several rooms share: a clock that a test turns, and a transport that follows a script."""

import contextlib
import gc
import os
import socket
import ssl
import sys
import threading
from collections import deque

import syncws
from syncws._net.transport import MANY_BYTES, lost_connection

# A clone is mostly called as the package is: so the name alone does not tell the package's files from the tests'.
_PACKAGE = os.path.join(os.path.dirname(syncws.__file__), "")


class FakeClock:
    """Stands for syncws._waiting.deadline.clock; moves when it is told to, and by `step` at each look."""

    def __init__(self, start=1000.0, step=0.0):
        self.time = start
        self.step = step

    def __call__(self):
        self.time += self.step
        return self.time

    def advance(self, seconds):
        self.time += seconds


def as_transports_raise(error):
    """Return what a transport raises for an error of the system: ConnectionLostError; anything else as it is."""
    is_system = isinstance(error, OSError) and error.errno is not None and not isinstance(error, ssl.SSLError)
    return lost_connection(error) if is_system else error


class KeepsReceived:
    """The part of a Transport that keeps what its receive() returns."""

    is_torn = False

    def keep(self, kept, size):
        piece = self.receive(size)
        if piece is not None:
            kept.append(piece)
        return piece is not None


class ScriptedTransport(KeepsReceived):
    """A Transport over a script: what comes in, how much goes out, and what breaks.

    Its descriptor is real (one end of a socket pair) and as readable and writable as the script says, so that the
    real poll can wait for it.

    Attributes:
        sent: everything that was taken.
        takes: what each of the next sends does: a number of bytes to take, or an exception to raise. When it is used
            up a send takes everything, or nothing while the transport is blocked.
        flushes: what each of the next flushes answers, or raises; True when it is used up.
        sizes: what each receive asked for.
        refused: set when a send or a flush was told to wait.
        has_unsent, has_buffered: what these properties say; a flush that succeeds clears has_unsent.
    """

    def __init__(self, *incoming):
        self.sent = bytearray()
        self.sends = []
        self.takes = deque()
        self.flushes = deque()
        self.incoming = deque()
        self.sizes = []
        self.refused = threading.Event()
        self.on_send = None
        self.has_unsent = False
        self.unsent_bytes = 0
        self.has_buffered = False
        self.most_bytes = MANY_BYTES
        self.aborts = 0
        self.closes = 0
        self.ends_of_output = 0
        self.is_blocked = False
        self._near, self._far = socket.socketpair()
        self._near.setblocking(False)
        self._far.setblocking(False)
        self._fileno = self._near.fileno()
        for piece in incoming:
            self.feed(piece)

    # The script.

    def feed(self, piece):
        """Let the next receive give bytes, b"" for the end, None for nothing now, or raise an exception.

        Or a function, which makes one of these on the thread that receives.
        """
        self.incoming.append(piece)
        self._far.send(b"\0")

    def feed_quietly(self, piece):
        """Feed, also when the descriptors are gone."""
        with contextlib.suppress(OSError):
            self.feed(piece)

    def block(self):
        """Take nothing any more, and be not writable."""
        self.is_blocked = True
        with contextlib.suppress(BlockingIOError):
            while True:
                self._near.send(b"\0" * 65536)

    def unblock(self):
        """Be writable again, and take everything."""
        self.is_blocked = False
        with contextlib.suppress(BlockingIOError):
            while self._far.recv(1 << 20):
                pass

    def release(self):
        """Give the descriptors back, whatever the code under test did."""
        self._near.close()
        self._far.close()

    # The transport.

    def receive(self, size):
        self.sizes.append(size)
        with contextlib.suppress(OSError):
            self._near.recv(1)
        if not self.incoming:
            return None
        piece = self.incoming.popleft()
        if callable(piece):
            piece = piece()
        if isinstance(piece, BaseException):
            raise as_transports_raise(piece)
        if piece is not None and len(piece) > size:
            self.incoming.appendleft(piece[size:])
            self._far.send(b"\0")
            piece = piece[:size]
        return piece

    def receive_into(self, room):
        piece = self.receive(len(room))
        if not piece:
            return piece
        room[: len(piece)] = piece
        return room[: len(piece)]

    def send(self, data):
        # As TLS does it: what it holds goes first.
        if self.has_unsent and not self.flush():
            return 0
        if self.takes:
            count = self.takes.popleft()
            if isinstance(count, BaseException):
                raise as_transports_raise(count)
        else:
            count = 0 if self.is_blocked else len(data)
        count = min(count, len(data))
        if not count:
            self.refused.set()
            return 0
        taken = bytes(data[:count])
        self.sent += taken
        self.sends.append(taken)
        if self.on_send is not None:
            self.on_send(taken)
        return count

    def flush(self):
        if self.flushes:
            answer = self.flushes.popleft()
            if isinstance(answer, BaseException):
                raise answer
            if not answer:
                self.refused.set()
                return False
        self.has_unsent = False
        return True

    def end_output(self):
        self.ends_of_output += 1

    def fileno(self):
        return self._fileno

    def abort(self):
        self.aborts += 1
        self.takes.clear()
        self.takes.extend([BrokenPipeError(32, "Broken pipe")] * 100)
        with contextlib.suppress(OSError):
            self._near.shutdown(socket.SHUT_RDWR)

    def let_go_in_child(self):
        self.close()

    def close(self):
        self.closes += 1
        self.release()


class PieceList:
    """Stands for wire.large.FramePieces over pieces that are given, some of which may be exceptions to raise.

    Attributes:
        limits: what detach() was called with.
    """

    def __init__(self, pieces, *, can_detach=True):
        self.pieces = deque(pieces)
        self.can_detach = can_detach
        self.limits = []

    def __iter__(self):
        return self

    def __next__(self):
        if not self.pieces:
            raise StopIteration
        piece = self.pieces.popleft()
        if isinstance(piece, BaseException):
            raise piece
        return piece

    @property
    def remaining(self):
        return sum(len(piece) for piece in self.pieces if isinstance(piece, bytes))

    def detach(self, limit):
        self.limits.append(limit)
        return self.can_detach


def call_at(number, handler, function, *arguments):
    """Call `function`, and `handler` in its `number`th place where a signal can come in this package.

    Those places are the beginning of a function and the return of a built-in one.

    Returns:
        True when there was such a place, False when the call was over before.
    """
    left = number

    def profile(frame, event, _):
        nonlocal left
        if event in ("call", "c_return") and frame.f_code.co_filename.startswith(_PACKAGE):
            left -= 1
            if left == -1:
                sys.setprofile(None)
                handler()

    # What the collector ends meanwhile is no place of this call's, and Python swallows what is raised there.
    gc.disable()
    sys.setprofile(profile)
    try:
        function(*arguments)
    finally:
        sys.setprofile(None)
        gc.enable()
    return left < 0


def call_with_room(levels, function, *arguments):
    """Call `function` where the stack has room for so many more calls, the first its own; return what it returns."""
    depth, frame = 0, sys._getframe()
    while frame is not None:
        depth, frame = depth + 1, frame.f_back

    def descend(left):
        return descend(left - 1) if left else function(*arguments)

    return descend(sys.getrecursionlimit() - depth - levels - 1)


def interrupt_at(number, function, *arguments, error=KeyboardInterrupt):
    """Call `function` and raise `error` in its `number`th place; see call_at.

    Returns:
        True when it was raised, whatever came of it, False when the call was over before.
    """
    is_raised = False

    def handler():
        nonlocal is_raised
        is_raised = True
        raise error

    try:
        call_at(number, handler, function, *arguments)
    except BaseException:
        if not is_raised:
            raise
    return is_raised
