"""What tests of slow handlers share: a handler that blocks, and how to have the monitor lose its patience at once."""

import threading

from support import wait


class Slow:
    """A handler that notes messages, in order, and blocks in some of them until it is released.

    Attributes:
        texts: what has come.
        inside: set when it blocks.
        release: set to let it go on.
        has_left: true when it has gone on, also because nobody released it in time.
        threads: the names of the threads that have called it, as they were then.
    """

    def __init__(self, *blocking):
        self.blocking = blocking or ("one",)
        self.texts = []
        self.threads = []
        self.inside = threading.Event()
        self.release = threading.Event()
        self.has_left = False

    def __call__(self, sender, args):
        text = text_of(args)
        self.texts.append(text)
        self.threads.append(threading.current_thread().name)
        if text in self.blocking:
            self.inside.set()
            try:
                wait(self.release)
            finally:
                self.has_left = True


def text_of(args):
    """Return a message's text; its error when it stands for one."""
    try:
        with args.get_data_reader() as reader:
            return reader.read_string(reader.unconsumed_buffer_length)
    except OSError as exc:
        return exc


def be_impatient(monkeypatch):
    """Have every handler count as slow that is still running when the monitor looks, which it does all the time."""
    monkeypatch.setattr("syncws._connection.receiving.delivery._PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr("syncws._connection.receiving.delivery._LOOK_SECONDS", 0.0)
