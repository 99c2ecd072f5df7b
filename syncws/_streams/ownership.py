"""What becomes of a stream whose DataReader or DataWriter is dropped without close() or detach_stream().

Runs where the object is dropped: on any thread, by the garbage collector too, so it takes no lock that a thread may
hold while it makes objects.
"""

import sys
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncws._streams.input_stream import IInputStream
    from syncws._streams.output_stream import IOutputStream

__all__ = ["OwnedInputStream", "close_dropped"]


def close_dropped(stream: "IInputStream | IOutputStream", owner: str) -> None:
    """Close the stream of an owner that nobody holds any more; warn when somebody could still have used it.

    Not for the interpreter's exit: there the connection goes with the process, and this module may be empty.
    """
    if stream._close_once():
        warnings.warn(
            f"{owner} was dropped and has closed its stream: use detach_stream() to keep it open, or close()",
            ResourceWarning,
            stacklevel=3,
        )


class OwnedInputStream:
    """The stream of a DataReader. An object of its own, so that a reader over a message has no finalizer."""

    __slots__ = ("stream",)

    def __init__(self, stream: "IInputStream") -> None:
        self.stream: IInputStream | None = stream

    def __del__(self, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        if self.stream is not None and not is_finalizing():
            close_dropped(self.stream, "a DataReader")
