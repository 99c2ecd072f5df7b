"""Calls the socket classes in every order against a real server, next to a model of what each call must do.

    python -m compliance.machine [--examples 500] [--steps 40] [--seed 1]

A hypothesis state machine: connect, send, receive, close, abort and dropping the object; the server echoes, closes and
cuts the connection when it is asked to. A failure is shown as the shortest sequence of calls that hypothesis finds.
Needs hypothesis and the websockets package (extra `test`).
"""

import argparse
import contextlib
import gc
import socket as tcp
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

import syncws
from compliance.conversation import Message, as_bytes
from syncws._waiting.deadline import Deadline

__all__ = ["MACHINES", "SocketMachine", "run", "running_server", "serve_connection"]

_LIMIT = 30.0
_CLOSE, _CUT = b"!close", b"!cut"

_NEW, _CONNECTED, _ENDED, _LOST, _CLOSED = "new", "connected", "ended by the server", "lost", "closed"


def _is_no_command(message: Message) -> bool:
    return as_bytes(message) not in (_CLOSE, _CUT)


_any_messages: st.SearchStrategy[Message] = (
    st.text(max_size=20) | st.binary(max_size=20) | st.sampled_from(["x" * 70_000, bytes(70_000)])
)
# hypothesis takes constants from the modules that are loaded, and so the server's two commands from this one.
_messages = _any_messages.filter(_is_no_command)


def serve_connection(connection: ServerConnection) -> None:
    """Handler of the server: echoes, closes or cuts."""
    with contextlib.suppress(ConnectionClosed):
        for message in connection:
            data = as_bytes(message)
            if data == _CLOSE:
                connection.close(3000, "bye")
            elif data == _CUT:
                connection.socket.shutdown(tcp.SHUT_RDWR)
            else:
                connection.send(message)


@contextlib.contextmanager
def running_server() -> Iterator[str]:
    """Run the server that the machines need; gives its URI."""
    with serve(serve_connection, "127.0.0.1", 0, compression=None, max_size=None, ping_interval=None) as server:
        thread = threading.Thread(target=server.serve_forever, name="machine-server")
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/"
        finally:
            server.shutdown()
            thread.join(_LIMIT)


class SocketMachine(RuleBasedStateMachine):
    """The calls that both socket classes have, and the model: the state, and what is still to be received."""

    uri: ClassVar[str]
    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.make_new()

    # What a class brings.

    def _make(self) -> Any:
        raise NotImplementedError

    def _send(self, message: Message) -> None:
        raise NotImplementedError

    def _expect(self, message: Message) -> None:
        """Note that a message will come back."""
        raise NotImplementedError

    def _forget(self) -> None:
        """Note that nothing will come any more."""
        raise NotImplementedError

    # The model.

    def make_new(self) -> None:
        """Begin with an object that is not connected."""
        self.socket = self._make()
        self.closed: list[tuple[int, str]] = []
        # Not a method: the handler must not hold the machine, and through it the socket.
        note = self.closed
        self.socket.add_closed(lambda _, args: note.append((args.code, args.reason)))
        self.state = _NEW
        # How the server had ended it before we did.
        self.ended_as: str | None = None
        self.was_connected = False
        self.expected_close: tuple[int, str] | None = None
        self._forget()

    def _end(self, state: str, expected_close: tuple[int, str]) -> None:
        self.state = state
        self.expected_close = expected_close
        assert self.socket.wait_closed(_LIMIT)

    def _note_our_end(self, expected_close: tuple[int, str]) -> None:
        """Note that we have ended it: that takes nothing away from a reader once the server has."""
        if self.reading_state not in (_ENDED, _LOST):
            self._forget()
        if self.state == _CONNECTED:
            self._end(_CLOSED, expected_close)
        elif self.state in (_ENDED, _LOST):
            self.ended_as = self.state
        self.state = _CLOSED

    @property
    def reading_state(self) -> str:
        """The state as a reader sees it."""
        return self.ended_as or self.state

    @staticmethod
    def _error_in(state: str) -> type[Exception]:
        return {_NEW: syncws.IllegalMethodCallError, _LOST: syncws.ConnectionLostError}.get(
            state, syncws.ObjectClosedError
        )

    @rule()
    def connect(self) -> None:
        """Connect, which only a new object can."""
        if self.state == _NEW:
            self.socket.connect(self.uri, timeout=_LIMIT)
            self.state, self.was_connected = _CONNECTED, True
        else:
            is_unused = self.state == _CLOSED and not self.was_connected
            error = syncws.ObjectClosedError if is_unused else syncws.IllegalMethodCallError
            _must_raise(error, self.socket.connect, self.uri)

    @rule(message=_messages)
    def send(self, message: Message) -> None:
        """Send what comes back, or be told why that cannot be."""
        if self.state == _CONNECTED:
            self._send(message)
            self._expect(message)
        else:
            _must_raise(self._error_in(self.state), self._send, message)

    @precondition(lambda self: self.state == _CONNECTED)
    @rule()
    def let_server_close(self) -> None:
        """Have the server close; what it sent before can still be received."""
        self._send(_CLOSE)
        self._end(_ENDED, (3000, "bye"))

    @precondition(lambda self: self.state == _CONNECTED)
    @rule()
    def let_server_cut(self) -> None:
        """Have the server cut the connection; what it sent before can still be received."""
        self._send(_CUT)
        self._end(_LOST, (1006, ""))

    @rule(code=st.sampled_from([None, 1000, 4999]))
    def close(self, code: int | None) -> None:
        """Close, in any state; a second time changes nothing."""
        self.socket.close(code)
        self._note_our_end((1005 if code is None else code, ""))

    @rule()
    def abort(self) -> None:
        """Cut the connection, in any state."""
        self.socket.abort()
        self._note_our_end((1006, ""))

    @initialize(must_connect=st.booleans())
    def begin(self, must_connect: bool) -> None:
        """Begin connected, or not."""
        if must_connect:
            self.connect()

    @rule(must_connect=st.booleans())
    def drop(self, must_connect: bool) -> None:
        """Drop the object, which closes it with a warning if it is connected; go on with a new one."""
        was_connected = self.state == _CONNECTED
        session = self.socket._session
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.socket = None
            gc.collect()
        assert [warning.category for warning in caught] == [ResourceWarning] * was_connected
        assert session is None or session.wait_closed(Deadline(_LIMIT))
        self.make_new()
        self.begin(must_connect)

    @invariant()
    def closed_is_raised_once_and_last(self) -> None:
        """See to it that closed was raised when the connection was over, and with what."""
        type(self).steps += 1
        assert self.closed == ([] if self.expected_close is None else [self.expected_close])

    @invariant()
    def there_is_a_reader_at_most_while_there_is_a_connection(self) -> None:
        """See to it that no thread is left of what is over; who receives by pull needs none for long."""
        assert _readers_end_but(self.state == _CONNECTED)

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.socket.abort()
        if self.was_connected:
            assert self.socket.wait_closed(_LIMIT)
        assert _readers_end_but(0)


class MessageMachine(SocketMachine):
    """MessageWebSocket, by receive()."""

    def _make(self) -> syncws.MessageWebSocket:
        return syncws.MessageWebSocket()

    def _send(self, message: Message) -> None:
        self.socket.send(message)

    def _expect(self, message: Message) -> None:
        self.expected.append(message)

    def _forget(self) -> None:
        self.expected: deque[Message] = deque()

    @rule()
    def receive(self) -> None:
        """Receive the next message of those that are to come, or be told that there is none."""
        if self.expected:
            assert self.socket.receive(_LIMIT) == self.expected.popleft()
            return
        error = {_CONNECTED: syncws.OperationTimedOutError}.get(self.state, self._error_in(self.reading_state))
        _must_raise(error, self.socket.receive, 0)


class StreamMachine(SocketMachine):
    """StreamWebSocket, by its two streams."""

    def _make(self) -> syncws.StreamWebSocket:
        return syncws.StreamWebSocket()

    def _send(self, message: Message) -> None:
        self.socket.output_stream.write(as_bytes(message))

    def _expect(self, message: Message) -> None:
        self.expected += as_bytes(message)

    def _forget(self) -> None:
        self.expected = b""

    @rule(part=st.floats(0, 1))
    def receive(self, part: float) -> None:
        """Read a part of what is to come."""
        count = int(part * len(self.expected))
        if count:
            assert self._read(count) == self.expected[:count]
            self.expected = self.expected[count:]

    @precondition(lambda self: self.state != _CONNECTED)
    @rule()
    def receive_to_the_end(self) -> None:
        """Read all that came, and then the end or the error."""
        if self.expected:
            assert self._read(len(self.expected) + 1) == self.expected
            self.expected = b""
        if self.reading_state == _ENDED:
            assert self._read(1) == b""
        else:
            _must_raise(self._error_in(self.reading_state), self._read, 1)

    def _read(self, count: int) -> bytes:
        target = bytearray(count)
        return bytes(target[: self.socket.input_stream.read(target, count).length])


def _must_raise(error: type[Exception], function: Callable[..., object], *arguments: object) -> None:
    came: Exception | None = None
    try:
        function(*arguments)
    except syncws.WebSocketError as exc:
        came = exc
    assert isinstance(came, error), f"{came!r} instead of {error.__name__}"


def _readers_end_but(count: int) -> bool:
    """Wait until no more than `count` reader threads are left; one may be on its way out after wait_closed()."""
    deadline = Deadline(_LIMIT)
    while True:
        readers = [thread for thread in threading.enumerate() if thread.name.startswith("syncws-reader-")]
        if len(readers) <= count or deadline.is_expired:
            return len(readers) <= count
        # Not by join(), which a thread refuses that only begins.
        threading.Event().wait(0.01)


MACHINES: dict[str, type[SocketMachine]] = {"MessageWebSocket": MessageMachine, "StreamWebSocket": StreamMachine}


def run(kind: str, uri: str, *, examples: int, steps: int, seed_number: int) -> int:
    """Let hypothesis try sequences of calls; return how many calls there were. Raises what it finds."""
    machine: Any = type(MACHINES[kind].__name__, (MACHINES[kind],), {"uri": uri, "steps": 0})
    chosen = settings(
        report_multiple_bugs=False,
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    # With its first example hypothesis makes a generator for this thread, and looks for who holds it: what is frozen it
    # would not see.
    settings(max_examples=1, database=None)(given(st.none())(lambda nothing: None))()
    # What is there already need not be looked through at every drop.
    gc.collect()
    gc.freeze()
    try:
        run_state_machine_as_test(seed(seed_number)(machine), settings=chosen)
    finally:
        gc.unfreeze()
    count: int = machine.steps
    return count


def main() -> None:
    """Run both machines, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--examples", type=int, default=500, help="sequences of calls for each class (default 500)")
    parser.add_argument("--steps", type=int, default=40, help="calls in a sequence, at most (default 40)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"{'class':<20}{'sequences':>12}{'calls':>12}{'seconds':>10}", flush=True)
    with running_server() as uri:
        for kind in MACHINES:
            start = time.monotonic()
            calls = run(kind, uri, examples=options.examples, steps=options.steps, seed_number=options.seed)
            print(f"{kind:<20}{options.examples:>12,}{calls:>12,}{time.monotonic() - start:>10.1f}", flush=True)


if __name__ == "__main__":
    main()
