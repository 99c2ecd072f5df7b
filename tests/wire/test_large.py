"""Tests of wire.large: the pieces unmask to the payload, and from detach() on the caller's buffer is the caller's.

A piece of a FramePieces is good until the next is asked for: whoever keeps it copies it.
"""

import pytest
from support.wire import count_masks, naive_mask, parse, parse_all, pattern, peak_bytes
from websockets.frames import Frame, Opcode

from syncws._wire import frames, large, masking
from syncws._wire.accelerated import accelerated
from syncws._wire.deflate import Deflater
from syncws._wire.frames import BINARY, CONTINUATION, FRAGMENT_BYTES, TEXT, encode_frame
from syncws._wire.large import PIECE_BYTES, CompressedFrames, FragmentFrames, FramePieces

MEBIBYTE = 1 << 20
# Around nothing, the three forms of a length, and the size of a piece.
LENGTHS = [0, 1, 125, 126, 65535, 65536, 65537, 131073, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES]
KINDS = [bytes, bytearray, memoryview, lambda data: memoryview(bytearray(data))]
KIND_NAMES = ["bytes", "bytearray", "view of bytes", "view of a bytearray"]
BOTH = pytest.mark.parametrize("make", [FramePieces, FragmentFrames])


@pytest.fixture(params=["python", "chosen"])
def any_masking(request, monkeypatch):
    """Mask with Python's form, then with the one that was chosen, which is the compiled one where there is one."""
    if request.param == "python":
        monkeypatch.setattr(large, "mask_into", masking.mask_into_in_python)
        monkeypatch.setattr(frames, "masked_frame", frames.masked_frame_in_python)


@pytest.fixture
def masks(monkeypatch):
    return count_masks(monkeypatch, large, frames)


def kept(pieces):
    """Return all that is left of `pieces`, as bytes of their own."""
    return [bytes(piece) for piece in pieces]


def position_after(make, count):
    """Return how much of a payload the first `count` pieces have."""
    return count * (FRAGMENT_BYTES if make is FragmentFrames else PIECE_BYTES)


def payload_of(pieces):
    """Return what a server reads from the rest of `pieces`: the payload of all frames."""
    return b"".join(frame.data for frame in parse_all(b"".join(kept(pieces))))


def is_held(buffer):
    """Tell whether somebody still looks at the bytearray: then it cannot change its size."""
    try:
        buffer.append(0)
    except BufferError:
        return True
    del buffer[-1]
    return False


# One frame.


@pytest.mark.usefixtures("any_masking")
@pytest.mark.parametrize("kind", KINDS, ids=KIND_NAMES)
@pytest.mark.parametrize("length", LENGTHS)
def test_a_large_frame_is_read_back_by_another_implementation(length, kind):
    payload = pattern(length)
    assert parse(b"".join(kept(FramePieces(BINARY, kind(payload))))) == Frame(Opcode.BINARY, payload)


@pytest.mark.usefixtures("any_masking")
@pytest.mark.parametrize("length", LENGTHS)
def test_a_large_frame_has_the_same_bytes_as_a_whole_one(monkeypatch, length):
    for module in (large, frames):
        monkeypatch.setattr(module, "new_key", lambda: bytes.fromhex("37fa213d"))
    payload = pattern(length)
    assert b"".join(kept(FramePieces(BINARY, payload))) == encode_frame(BINARY, payload)


@pytest.mark.parametrize(
    ("opcode", "is_final", "first"),
    [(CONTINUATION, True, 0x80), (TEXT, True, 0x81), (BINARY, True, 0x82), (CONTINUATION, False, 0), (TEXT, False, 1)],
)
@pytest.mark.parametrize("length", [5, 126, 65536])
def test_the_first_byte_holds_the_fin_bit_and_the_opcode(opcode, is_final, first, length):
    assert next(FramePieces(opcode, pattern(length), is_final=is_final))[0] == first


def test_a_large_frame_is_final_unless_told_otherwise():
    payload = pattern(PIECE_BYTES + 1)
    assert parse(b"".join(kept(FramePieces(TEXT, payload)))) == Frame(Opcode.TEXT, payload, fin=True)
    assert parse(b"".join(kept(FramePieces(TEXT, payload, is_final=False)))) == Frame(Opcode.TEXT, payload, fin=False)


def test_a_large_frame_comes_in_pieces_with_the_header_before_the_first():
    pieces = kept(FramePieces(BINARY, bytes(2 * PIECE_BYTES + 1)))
    assert [len(piece) for piece in pieces] == [14 + PIECE_BYTES, PIECE_BYTES, 1]


def test_pieces_are_masked_in_memory_that_is_used_again():
    for _ in FramePieces(BINARY, b"x"):
        pass

    def send():
        for _ in FramePieces(BINARY, payload):
            pass

    payload = bytes(4 * MEBIBYTE)
    # Plain Python masks every fourth byte at a time, in memory of its own.
    assert peak_bytes(send) < (10_000 if accelerated else MEBIBYTE)


def test_senders_that_are_under_way_at_once_have_memory_of_their_own():
    senders = [FramePieces(BINARY, bytes([number]) * 100) for number in range(9)]
    pieces = [next(sender) for sender in senders]
    assert [parse(bytes(piece)).data for piece in pieces] == [bytes([number]) * 100 for number in range(9)]


def test_memory_that_was_given_back_is_not_given_back_again():
    ended = FramePieces(BINARY, b"x")
    for _ in range(3):
        assert len(kept(ended)) in (0, 1)
    one, other = FramePieces(BINARY, b"one"), FramePieces(BINARY, b"other")
    first = next(one)
    next(other)
    assert parse(bytes(first)).data == b"one"


def test_a_large_frame_of_no_bytes_is_one_piece():
    pieces = FramePieces(BINARY, b"")
    assert [len(piece) for piece in pieces] == [6]
    assert next(pieces, None) is None


def test_each_large_frame_asks_the_system_for_one_fresh_mask(masks):
    for number in (1, 2):
        key = number.to_bytes(4, "big")
        payload = pattern(2 * PIECE_BYTES)
        first_piece, second_piece = kept(FramePieces(BINARY, payload))
        assert first_piece[10:14] == key
        assert first_piece[14:] + second_piece == naive_mask(payload, key)
    assert masks == [4, 4]


def test_masks_come_from_the_system_when_nobody_stands_in():
    assert len({bytes(next(FramePieces(BINARY, b"")))[2:] for _ in range(8)}) > 1


# One message in frames of a piece each.


@pytest.mark.usefixtures("any_masking")
@pytest.mark.parametrize("kind", KINDS, ids=KIND_NAMES)
@pytest.mark.parametrize("length", LENGTHS[1:])
def test_fragments_are_read_back_as_one_message(length, kind):
    payload = pattern(length)
    parsed = parse_all(b"".join(FragmentFrames(BINARY, kind(payload))))
    assert b"".join(frame.data for frame in parsed) == payload
    assert [frame.opcode for frame in parsed] == [Opcode.BINARY] + [Opcode.CONT] * (len(parsed) - 1)
    assert [frame.fin for frame in parsed] == [False] * (len(parsed) - 1) + [True]


@pytest.mark.parametrize(
    ("length", "sizes"),
    [
        (1, [1]),
        (65535, [65535]),
        (65536, [65536]),
        (65537, [65536, 1]),
        (131072, [65536, 65536]),
        (200000, [65536, 65536, 65536, 3392]),
    ],
)
def test_each_fragment_but_the_last_is_as_large_as_a_piece(length, sizes):
    fragments = list(FragmentFrames(TEXT, bytes(length)))
    assert [len(parse(fragment).data) for fragment in fragments] == sizes
    assert {type(fragment) for fragment in fragments} == {bytes}


def test_a_text_begins_with_a_text_frame():
    parsed = [parse(fragment) for fragment in FragmentFrames(TEXT, b"x" * (FRAGMENT_BYTES + 2))]
    assert parsed == [Frame(Opcode.TEXT, b"x" * FRAGMENT_BYTES, fin=False), Frame(Opcode.CONT, b"xx", fin=True)]


def test_a_message_of_no_bytes_has_no_fragments():
    # Who sends one sends it as a whole frame.
    assert list(FragmentFrames(BINARY, b"")) == []
    assert list(CompressedFrames(BINARY, b"", Deflater())) == []


def test_each_fragment_asks_the_system_for_a_fresh_mask(masks):
    first, second, third = FragmentFrames(BINARY, bytes(2 * FRAGMENT_BYTES + 1))
    assert (first[10:14], second[10:14], third[2:6]) == (b"\0\0\0\x01", b"\0\0\0\x02", b"\0\0\0\x03")
    assert masks == [4, 4, 4]


# How far it has come.


@BOTH
def test_position_and_remaining_count_the_payload_that_was_given_out(make):
    first, second = position_after(make, 1), position_after(make, 2)
    end = second + 7
    pieces = make(BINARY, bytes(end))
    seen = [(pieces.position, pieces.remaining)]
    seen += [(pieces.position, pieces.remaining) for _ in pieces]
    assert seen == [(0, end), (first, end - first), (second, 7), (end, 0)]


@BOTH
@pytest.mark.parametrize("kind", KINDS, ids=KIND_NAMES)
def test_detaching_does_not_change_how_far_it_has_come(make, kind):
    first = position_after(make, 1)
    pieces = make(BINARY, kind(bytes(first + 1000)))
    next(pieces)
    assert pieces.detach(MEBIBYTE)
    assert (pieces.position, pieces.remaining) == (first, 1000)


# Detaching from the caller's buffer.


@BOTH
@pytest.mark.parametrize("wrap", [bytes, memoryview, lambda data: memoryview(data)[5:]])
def test_bytes_are_kept_without_a_copy(make, wrap):
    pieces = make(BINARY, wrap(bytes(MEBIBYTE)))
    next(pieces)

    def detach():
        assert pieces.detach(0)

    assert peak_bytes(detach) < 10_000


@BOTH
@pytest.mark.parametrize("taken", [0, 1, 2, 3])
@pytest.mark.usefixtures("any_masking")
def test_after_detaching_the_buffer_may_change_without_effect(make, taken):
    payload = pattern(position_after(make, 3) + 3000)
    buffer = bytearray(payload)
    pieces = make(BINARY, buffer)
    sent = [bytes(next(pieces)) for _ in range(taken)]
    assert pieces.detach(2 * MEBIBYTE)
    buffer[:] = bytes(len(buffer))
    buffer.clear()
    sent += kept(pieces)
    assert payload_of(sent) == payload
    opcodes = [frame.opcode for frame in parse_all(b"".join(sent))]
    assert opcodes == [Opcode.BINARY] + [Opcode.CONT] * (0 if make is FramePieces else 3)


@BOTH
def test_after_detaching_what_a_view_looks_at_may_change_without_effect(make):
    payload = pattern(position_after(make, 2) + 3000)
    buffer = bytearray(payload)
    with memoryview(buffer) as whole, whole[3:] as view:
        pieces = make(BINARY, view)
        sent = [bytes(next(pieces))]
        assert pieces.detach(MEBIBYTE)
    buffer.clear()
    assert payload_of(sent + kept(pieces)) == payload[3:]


@BOTH
@pytest.mark.parametrize("taken", [0, 1, 2])
def test_what_remains_may_be_as_large_as_the_limit(make, taken):
    end = position_after(make, 3)
    buffer = bytearray(end)
    pieces = make(BINARY, buffer)
    for _ in range(taken):
        next(pieces)
    assert pieces.detach(end - position_after(make, taken))
    assert not is_held(buffer)


@BOTH
@pytest.mark.parametrize("taken", [0, 1, 2])
def test_more_than_the_limit_is_refused_and_nothing_changes(make, taken):
    position, end = position_after(make, taken), position_after(make, 3)
    payload = pattern(end)
    buffer = bytearray(payload)
    pieces = make(BINARY, buffer)
    sent = [bytes(next(pieces)) for _ in range(taken)]
    assert not pieces.detach(end - position - 1)
    assert is_held(buffer)
    assert buffer == payload
    assert (pieces.position, pieces.remaining) == (position, end - position)
    assert payload_of(sent + kept(pieces)) == payload


@BOTH
def test_refusing_takes_no_memory_for_a_copy(make):
    pieces = make(BINARY, bytearray(MEBIBYTE))

    def refuse():
        assert not pieces.detach(MEBIBYTE - 1)

    assert peak_bytes(refuse) < 10_000


@BOTH
def test_at_the_end_there_is_nothing_to_copy(make):
    buffer = bytearray(position_after(make, 1) + 1)
    pieces = make(BINARY, buffer)
    assert len(list(pieces)) == 2
    assert pieces.detach(0)
    assert not is_held(buffer)
    assert next(pieces, None) is None


@BOTH
def test_detaching_twice_copies_once(make):
    payload = pattern(2 * FRAGMENT_BYTES)
    pieces = make(BINARY, bytearray(payload))
    assert pieces.detach(MEBIBYTE)
    assert pieces.detach(0)
    assert payload_of(pieces) == payload


# Letting go of the caller's buffer.


@BOTH
@pytest.mark.parametrize("taken", [0, 1, 2])
def test_a_buffer_is_held_until_it_is_released(make, taken):
    buffer = bytearray(position_after(make, 2))
    pieces = make(BINARY, buffer)
    for _ in range(taken):
        next(pieces)
    assert is_held(buffer)
    pieces.release()
    assert not is_held(buffer)
    pieces.release()


@BOTH
def test_a_view_of_the_caller_is_left_to_the_caller(make):
    buffer = bytearray(2 * FRAGMENT_BYTES)
    view = memoryview(buffer)
    pieces = make(BINARY, view)
    pieces.release()
    assert len(view) == 2 * FRAGMENT_BYTES
    view.release()
    assert not is_held(buffer)


@BOTH
def test_nothing_can_be_taken_from_a_buffer_that_was_released(make):
    pieces = make(BINARY, bytearray(position_after(make, 2)))
    next(pieces)
    pieces.release()
    with pytest.raises(ValueError, match="released"):
        next(pieces)


@BOTH
@pytest.mark.parametrize("kind", KINDS, ids=KIND_NAMES)
def test_a_release_after_detaching_keeps_what_is_still_wanted(make, kind):
    payload = pattern(position_after(make, 2) + 3000)
    pieces = make(BINARY, kind(payload))
    sent = [bytes(next(pieces))]
    assert pieces.detach(MEBIBYTE)
    pieces.release()
    assert payload_of(sent + kept(pieces)) == payload


# Memory.


@BOTH
def test_no_copy_of_a_large_payload_is_ever_in_memory(make):
    payload = memoryview(bytearray(64 * MEBIBYTE))
    sizes = []

    def take_all():
        sizes.extend(len(piece) for piece in make(BINARY, payload))

    assert peak_bytes(take_all) < MEBIBYTE
    assert sum(sizes) >= 64 * MEBIBYTE
