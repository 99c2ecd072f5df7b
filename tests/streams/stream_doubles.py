"""Streams and readers that the tests of DataReader share."""

import threading

from hypothesis import HealthCheck, settings

from syncws.enums import InputStreamOptions
from syncws.streams.data_reader import DataReader
from syncws.streams.input_stream import InputStream, MemoryInputStream

LIMIT = 30.0
NONE = InputStreamOptions.NONE

# On a busy machine an example may take any time.
untimed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Pieces:
    """A source that gives prepared pieces; an exception among them is raised, each time b"" stands for the end."""

    def __init__(self, *pieces):
        self.pieces = list(pieces)
        self.asked = []
        self.begins = 0
        self.finishes = 0
        self.closes = 0
        self.position = 0

    def begin(self):
        self.begins += 1

    def peek(self, count):
        self.asked.append(count)
        if not self.pieces:
            return memoryview(b"")
        if isinstance(self.pieces[0], BaseException):
            raise self.pieces.pop(0)
        return memoryview(self.pieces[0])[:count]

    def advance(self, count):
        self.position += count
        self.pieces[0] = self.pieces[0][count:]
        if not self.pieces[0]:
            self.pieces.pop(0)

    def put_back(self, data):
        self.position -= len(data)
        self.pieces.insert(0, data)

    def finish(self):
        self.finishes += 1

    def close(self):
        self.closes += 1

    def stream(self):
        return InputStream(self)

    def reader(self, options=NONE):
        reader = DataReader(self.stream())
        reader.input_stream_options = options
        return reader


class Gate(Pieces):
    """A stream whose read stands still until it is let go or closed."""

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
    return DataReader._over_message(content, None, len(content))


def over_text(text: str) -> DataReader:
    return DataReader._over_message(None, text, len(text.encode()))


def loaded(content: bytes) -> DataReader:
    reader = DataReader(MemoryInputStream(content))
    assert reader.load(len(content)) == len(content)
    return reader
