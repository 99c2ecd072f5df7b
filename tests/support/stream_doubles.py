"""Sources, sinks, streams and readers that the tests of this room share."""

import itertools
import threading
import types

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from syncws._streams.byte_source import ENDINGS, MemorySource
from syncws._streams.data_reader import DataReader, MessageReader
from syncws._streams.input_stream import InputStream, MemoryInputStream
from syncws._streams.output_stream import OutputStream
from syncws.enums import InputStreamOptions

LIMIT = 30.0
NONE = InputStreamOptions.NONE

# On a busy machine an example may take any time.
untimed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def splits(draw, content):
    """Pieces that are `content` when they are joined, none of them empty."""
    cuts = draw(st.lists(st.integers(0, len(content)), max_size=8))
    edges = [0, *sorted(cuts), len(content)]
    return [content[start:end] for start, end in itertools.pairwise(edges) if start < end]


class Counted:
    """A source that notes the operations which began."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.operations = []

    def begin(self, operation):
        self.operations.append(operation)

    @property
    def begins(self):
        return len(self.operations)

    @property
    def finishes(self):
        return sum(operation.is_over for operation in self.operations)


class Pieces(Counted):
    """A source that gives prepared pieces, then the end.

    An exception among them is raised: one of ENDINGS for good, another once.

    Attributes:
        pieces: what is still there.
        asked: the count of each peek.
        operations, closes: operations that began, and the number of closes.
    """

    def __init__(self, *pieces):
        super().__init__()
        self.pieces = list(pieces)
        self.asked = []
        self.closes = 0
        self.position = 0

    def peek(self, count):
        self.asked.append(count)
        if not self.pieces:
            return memoryview(b"")
        if isinstance(self.pieces[0], ENDINGS):
            raise self.pieces[0]
        if isinstance(self.pieces[0], BaseException):
            raise self.pieces.pop(0)
        return memoryview(self.pieces[0])[:count]

    def advance(self, count):
        assert count > 0
        self.position += count
        self.pieces[0] = self.pieces[0][count:]
        if not self.pieces[0]:
            self.pieces.pop(0)

    def take_at_hand(self, count, stop=b"", put=None):
        return None

    def put_back(self, data):
        self.position -= len(data)
        self.pieces.insert(0, data)

    def wake(self):
        pass

    def close(self):
        self.closes += 1

    def stream(self):
        return InputStream(self)

    def reader(self, options=NONE):
        reader = DataReader(self.stream())
        reader.input_stream_options = options
        return reader


class Watched(Counted, MemorySource):
    """A MemorySource that counts.

    Attributes:
        shown: bytes that were peeked at, as often as they were.
        peeks: number of calls; operations: those that began.
    """

    def __init__(self, content):
        super().__init__(memoryview(content))
        self.peeks = 0
        self.shown = 0

    def peek(self, count):
        self.peeks += 1
        piece = super().peek(count)
        self.shown += len(piece)
        return piece

    @property
    def rest(self):
        """What was not taken."""
        return bytes(self.content[self.position :])


class Gate(Pieces):
    """A source whose peek stands still until it is let go or closed."""

    def __init__(self, content=b"abcd"):
        super().__init__(content)
        self.entered = threading.Event()
        self.let_go = threading.Event()
        self.stream = InputStream(self)

    def peek(self, count):
        self.entered.set()
        assert self.let_go.wait(LIMIT)
        return super().peek(count)

    def close(self):
        self.let_go.set()


class Loading:
    """A load that runs in another thread while the block runs."""

    def __init__(self, reader, gate, count=4):
        self.reader, self.gate, self.count = reader, gate, count
        self.result = None
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        try:
            self.result = self.reader.load(self.count)
        except Exception as error:  # noqa: BLE001 - handed to the test
            self.result = error

    def __enter__(self):
        self.thread.start()
        assert self.gate.entered.wait(LIMIT)
        return self

    def __exit__(self, *_):
        self.gate.let_go.set()
        self.thread.join(LIMIT)
        assert not self.thread.is_alive()


def over(content: bytes) -> DataReader:
    return MessageReader(content, None, len(content))


def over_text(text: str) -> DataReader:
    return MessageReader(None, text, len(text.encode()))


def loaded(content: bytes) -> DataReader:
    reader = DataReader(MemoryInputStream(content))
    assert reader.load(len(content)) == len(content)
    return reader


def stream_over(write, flush=lambda: True, close=lambda: None, write_text=None):
    """Return an OutputStream over callables."""
    sink = types.SimpleNamespace()
    sink._write, sink._flush, sink._close_output = write, flush, close
    sink._write_text = write_text or (lambda data: write(data, None))
    return OutputStream(sink)


class Sink:
    """The callables of an OutputStream, with a record of their calls.

    Attributes:
        stream: the stream over them.
        written: what was written, as it came, and `told` the progress callable of each.
        flushes, closes: numbers of calls.
        is_flushed: what a flush answers.
        error: what the next write raises.
    """

    def __init__(self):
        self.written = []
        self.told = []
        self.flushes = 0
        self.closes = 0
        self.is_flushed = True
        self.error = None
        self.stream = stream_over(self.write, self.flush, self.close)

    def write(self, data, progress):
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        self.written.append(data if type(data) is bytes else data.tobytes())
        self.told.append(progress)
        return len(data)

    def flush(self):
        self.flushes += 1
        return self.is_flushed

    def close(self):
        self.closes += 1
