"""How far a transfer has come, on stderr: a bar by rich, or a line without it; nothing where nobody watches.

Called on the thread that moves the bytes.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

__all__ = ["moved", "progress"]

_SECONDS_BETWEEN = 0.1
_MEBIBYTE = 1 << 20


@contextlib.contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int], object]]:
    """Show how far it is for the length of the block; gives a function to call with the bytes moved so far.

    Args:
        what: is done.
        total: bytes in all; None when nobody knows.
    """
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
    except ImportError:
        yield from _plain(what, total)
        return
    # Not as markup: a file's name may have brackets.
    name = TextColumn("{task.description}", markup=False)
    columns = (name, BarColumn(), DownloadColumn(binary_units=True), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


def _plain(what: str, total: int | None) -> Iterator[Callable[[int], object]]:
    start = time.perf_counter()
    shown = start - _SECONDS_BETWEEN
    of = "" if total is None else f" of {total / _MEBIBYTE:.1f}"

    def show(done: int) -> None:
        nonlocal shown
        now = time.perf_counter()
        if now - shown >= _SECONDS_BETWEEN or done == total:
            shown = now
            text = f"\r{what} {done / _MEBIBYTE:.1f}{of} MiB, {_rate(done, now - start)} "
            print(text, end="", file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        print(file=sys.stderr)


def moved(what: str, count: int, seconds: float) -> str:
    """Return a line that says what was moved, and how fast."""
    return f"{what} {count:,} bytes in {seconds:.2f} s, {_rate(count, seconds)}"


def _rate(count: int, seconds: float) -> str:
    return f"{count / _MEBIBYTE / max(seconds, 1e-9):.1f} MiB/s"
