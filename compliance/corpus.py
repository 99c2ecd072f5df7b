"""The saved inputs of the fuzzer, one file for each target: a line for each input, in hexadecimal.

They lie under tests/, because the suite replays them. Lines that begin with # are comments. May import syncws, to see
which of its lines run.
"""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import Any

import syncws

__all__ = ["MAX_INPUT_BYTES", "choose", "load", "save"]

FOLDER = Path(__file__).parent.parent / "tests" / "corpus"

MAX_INPUT_BYTES = 1024
"""How long an input of the fuzzer may be: what is longer finds nothing more, and takes longer."""

_MAX_SAVED = 300


def load(target: str) -> list[bytes]:
    """Return the saved inputs of a target."""
    lines = (FOLDER / f"{target}.txt").read_text(encoding="ascii").splitlines()
    return [bytes.fromhex(line) for line in lines if not line.startswith("#")]


def choose(run: Callable[[bytes], None], kept: Iterable[bytes], found: Iterable[bytes]) -> list[bytes]:
    """Return what is kept, and of what was found, the shortest first, what goes a new way through the library.

    A way is from one line to the next in the same call, so that each turn of a loop and each branch is one.
    """
    chosen = list(kept)
    ways: set[tuple[str, int, int]] = set()
    for data in chosen:
        ways |= _ways(run, data)
    for data in sorted(set(found), key=lambda data: (len(data), data)):
        new = _ways(run, data) - ways
        if new:
            ways |= new
            chosen.append(data)
    return chosen


def _ways(run: Callable[[bytes], None], data: bytes) -> set[tuple[str, int, int]]:
    package = str(Path(syncws.__file__).parent)
    ways: set[tuple[str, int, int]] = set()

    def trace_call(frame: FrameType, event: str, _: Any) -> Callable[[FrameType, str, Any], Any] | None:
        if not frame.f_code.co_filename.startswith(package):
            return None
        last = 0

        def trace_line(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal last
            ways.add((frame.f_code.co_filename, last, frame.f_lineno if event != "return" else -1))
            last = frame.f_lineno
            return trace_line

        return trace_line

    previous = sys.gettrace()
    sys.settrace(trace_call)
    try:
        run(data)
    finally:
        sys.settrace(previous)
    return ways


def save(target: str, inputs: Iterable[bytes]) -> int:
    """Replace the saved inputs of a target by the shortest of these; return how many they are."""
    chosen = sorted(set(inputs), key=lambda data: (len(data), data))[:_MAX_SAVED]
    heading = f"# Inputs for the target {target} of compliance/fuzz.py, one a line, in hexadecimal."
    lines = [heading, *(data.hex() for data in chosen)]
    (FOLDER / f"{target}.txt").write_text("\n".join(lines) + "\n", encoding="ascii")
    return len(chosen)
