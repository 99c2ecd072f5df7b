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
    """The callables of a stream that gives prepared pieces; an exception among them is raised."""

    def __init__(self, *pieces):
        self.pieces = list(pieces)
        self.asked = []
        self.closes = 0

    def read_into(self, view, options):
        self.asked.append(len(view))
        if not self.pieces:
            return 0
        piece = self.pieces.pop(0)
        if isinstance(piece, Exception):
            raise piece
        count = min(len(view), len(piece))
        view[:count] = piece[:count]
        if piece[count:]:
            self.pieces.insert(0, piece[count:])
        return count

    def close(self):
        self.closes += 1

    def reader(self, options=NONE):
        reader = DataReader(InputStream(self.read_into, self.close))
        reader.input_stream_options = options
        return reader


class Gate:
    """A stream whose read stands still until it is let go or closed."""

    def __init__(self, content=b"abcd"):
        self.content = content
        self.entered = threading.Event()
        self.let_go = threading.Event()
        self.stream = InputStream(self.read_into, self.let_go.set)

    def read_into(self, view, options):
        self.entered.set()
        assert self.let_go.wait(LIMIT)
        view[: len(self.content)] = self.content
        return len(self.content)


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
