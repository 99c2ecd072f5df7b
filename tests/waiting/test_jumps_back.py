"""Where an interruption at a jump back finds the handlers that the source shows: see "Interruptions" in DESIGN.md."""

import dis
import itertools
import sys
import types
from pathlib import Path

import pytest

import syncws

# Without the command line, which ends with its process.
PLACES = (
    "*.py",
    *(f"{room}/**/*.py" for room in ("_connection", "_net", "_reconnecting", "_streams", "_waiting", "_wire")),
)
ELSEWHERE = {
    # On threads of their own, which no signal reaches.
    "Monitor._serve",
    "Monitor._take_due",
    "Worker.run",
    # Whose handlers are for what the TLS engine raises.
    "TlsTransport._fill",
    "TlsTransport._gather",
}


def codes_in(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes_in(constant)


def unguarded_jumps(code):
    """Return the lines of the jumps back that have no handler although the condition before them has one."""
    # Behind a long loop the jump has a prefix, which would come between it and its condition.
    instructions = [step for step in dis.get_instructions(code) if step.opname != "EXTENDED_ARG"]
    at = {instruction.offset: instruction for instruction in instructions}
    entries = dis.Bytecode(code).exception_entries

    def handler(offset):
        # What the compiler adds by itself, to a comprehension or a generator, begins in another way.
        return next(
            (
                entry.target
                for entry in entries
                if entry.start <= offset < entry.end and at[entry.target].opname == "PUSH_EXC_INFO"
            ),
            None,
        )

    return [
        jump.positions.lineno
        for condition, jump in itertools.pairwise(instructions)
        if jump.opname == "JUMP_BACKWARD"
        and condition.opname.startswith("POP_JUMP")
        and handler(condition.offset) not in (None, handler(jump.offset))
    ]


@pytest.mark.skipif(sys.version_info[:2] != (3, 12), reason="later Pythons may come to guard it")
@pytest.mark.parametrize("steps", [1, 100])
def test_such_a_jump_is_found(steps):
    source = f"""
def guarded_loop(lock, is_over):
    try:
        lock.acquire()
        while not (is_over() or lock is None):
            {"lock.locked(); " * steps}
    finally:
        lock.release()
"""
    assert [unguarded_jumps(code) for code in codes_in(compile(source, "", "exec"))] == [[], [5]]


@pytest.mark.parametrize("place", PLACES)
def test_no_interruption_at_a_jump_back_passes_a_handler_by(place):
    paths = sorted(Path(syncws.__file__).parent.glob(place))
    assert paths
    found = [
        f"{path.name}:{line} {code.co_qualname}"
        for path in paths
        for code in codes_in(compile(path.read_bytes(), str(path), "exec"))
        for line in unguarded_jumps(code)
        if code.co_qualname not in ELSEWHERE
    ]
    assert found == []
