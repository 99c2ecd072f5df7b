"""Tests of wire.deflate: both streams against zlib, and what comes damaged (RFC 7692 7.2)."""

import itertools
import json
import os
import random
import sys
import tracemalloc
import types
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.floods import bomb

from syncws._wire.deflate import BadDeflateError, Deflater, Inflater
from syncws._wire.engine import best_engine, compressing_engine
from syncws._wire.extension import WHOLE, Agreement

# zlib-ng where the extra `fast` is installed, else zlib once more.
LIBRARIES = [zlib, best_engine()]
TAIL = b"\x00\x00\xff\xff"
HELLO = b"\xf2\x48\xcd\xc9\xc9\x07\x00"
LARGE = 1 << 30
NO_TAKEOVER = Agreement(client_context_takeover=False, server_context_takeover=False)
BOTH = [WHOLE, NO_TAKEOVER]

# Texts that repeat themselves, within a message and from one to the next, near and far.
words = st.sampled_from([b"syncws ", b"message ", b"\x00" * 40, b"{'id': 17}", b"a", os.urandom(300), b"b" * 600])
payloads = st.lists(words, max_size=30).map(b"".join)
agreements = st.builds(
    Agreement, st.sampled_from(range(8, 16)), st.booleans(), st.sampled_from(range(8, 16)), st.booleans()
)


def inflate(inflater, *parts, limit=LARGE):
    """Feed the parts of one message; return what comes of it, in pieces of `limit`."""
    out = []
    for index, part in enumerate(parts):
        inflater.feed(part, is_last=index == len(parts) - 1)
        while not inflater.is_drained:
            out.append(inflater.read(limit))
            assert len(out[-1]) <= limit
    return b"".join(out)


def stream(window_bits=15):
    return zlib.compressobj(6, zlib.DEFLATED, -window_bits)


def message_of(engine, data):
    """Return what the RFC's sender makes of a message (7.2.1)."""
    compressed = engine.compress(data) + engine.flush(zlib.Z_SYNC_FLUSH)
    assert compressed.endswith(TAIL)
    return compressed[:-4]


# What the RFC shows, 7.2.3.


def test_a_message_is_compressed_as_the_rfc_shows():
    assert Deflater().compress(b"Hello") == HELLO


def test_a_second_message_refers_to_the_first_as_the_rfc_shows():
    deflater, inflater = Deflater(), Inflater()
    assert [deflater.compress(b"Hello") for _ in range(2)] == [HELLO, b"\xf2\x00\x11\x00\x00"]
    assert inflate(inflater, HELLO) == b"Hello"
    assert inflate(inflater, b"\xf2\x00\x11\x00\x00") == b"Hello"


def test_without_takeover_each_message_stands_by_itself():
    deflater, inflater = Deflater(NO_TAKEOVER), Inflater(NO_TAKEOVER)
    assert [deflater.compress(b"Hello") for _ in range(2)] == [HELLO, HELLO]
    assert [inflate(inflater, HELLO) for _ in range(2)] == [b"Hello"] * 2


@pytest.mark.parametrize("agreement", BOTH)
@pytest.mark.parametrize(
    "parts",
    [
        (HELLO[:3], HELLO[3:]),
        (b"\x00\x05\x00\xfa\xffHello\x00",),
        (b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00",),
        (b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",),
        # Not in the RFC, and met: the octet behind a final block is missing.
        (b"\xf3\x48\xcd\xc9\xc9\x07\x00",),
        (b"\x00\x05\x00\xfa\xffHello\x01",),
    ],
    ids=[
        "fragments",
        "a stored block",
        "a final block",
        "two blocks",
        "a final block and no more",
        "an empty final block",
    ],
)
def test_a_message_of_any_blocks_is_inflated(agreement, parts):
    for library in LIBRARIES:
        inflater = Inflater(agreement, library)
        for _ in range(2):
            for limit in (1, 2, 5, LARGE):
                assert inflate(inflater, *parts, limit=limit) == b"Hello"


@pytest.mark.parametrize("agreement", BOTH)
def test_an_empty_message_is_one_octet_each_time(agreement):
    deflater, inflater = Deflater(agreement), Inflater(agreement)
    for data in (b"", b"", b"Hello", b"", b"Hello"):
        compressed = deflater.compress(data)
        assert compressed
        assert inflate(inflater, compressed) == data
    assert deflater.compress(b"") == b"\x00"


@pytest.mark.parametrize("agreement", BOTH)
def test_a_message_of_no_bytes_at_all_is_empty_and_harms_none_after_it(agreement):
    inflater = Inflater(agreement)
    assert inflate(inflater, HELLO) + inflate(inflater, b"", b"") + inflate(inflater, HELLO) == b"HelloHello"


# Round trips.


@settings(deadline=None, max_examples=80)
@given(st.sampled_from(LIBRARIES), agreements, st.lists(payloads, max_size=6), st.integers(0, 9), st.integers(1, 9))
def test_what_is_compressed_is_inflated_by_zlib_with_the_window_that_was_agreed(
    library, agreement, messages, level, memory
):
    deflater = Deflater(agreement, level=level, memory_level=memory, library_for=lambda *_: library)
    peer = zlib.decompressobj(-agreement.client_max_window_bits)
    for data in messages:
        if not agreement.client_context_takeover:
            peer = zlib.decompressobj(-agreement.client_max_window_bits)
        # One byte at a time, so that zlib has nothing but its window to look back into.
        rest, out = deflater.compress(data) + TAIL, []
        while rest or out[-1:] != [b""]:
            out.append(peer.decompress(rest, 1))
            rest = peer.unconsumed_tail
        assert b"".join(out) == data


@settings(deadline=None, max_examples=80)
@given(
    st.sampled_from(LIBRARIES),
    agreements,
    st.lists(payloads, max_size=6),
    st.integers(1, 400),
    st.randoms(use_true_random=False),
)
def test_what_zlib_compresses_is_inflated_whatever_the_split(library, agreement, messages, limit, chance):
    bits = max(9, agreement.server_max_window_bits)
    engine, inflater = stream(bits), Inflater(agreement, library)
    for data in messages:
        if not agreement.server_context_takeover:
            engine = stream(bits)
        compressed = message_of(engine, data)
        cuts = sorted(chance.randrange(len(compressed) + 1) for _ in range(chance.randrange(4)))
        parts = [compressed[a:b] for a, b in itertools.pairwise([0, *cuts, len(compressed)])]
        assert inflate(inflater, *parts, limit=limit) == data
    assert inflater.plain_bytes == sum(map(len, messages))


def test_a_message_of_many_parts_is_one_stream():
    data = random.Random(1).randbytes(50_000) * 3
    for agreement in BOTH:
        deflater, inflater = Deflater(agreement), Inflater(agreement)
        for _ in range(2):
            parts = [
                deflater.compress(data[at : at + 30_000], is_first=not at, is_last=at == 120_000)
                for at in range(0, 150_000, 30_000)
            ]
            assert inflate(inflater, *parts, limit=4096) == data
        assert deflater.plain_bytes == inflater.plain_bytes == 300_000
        assert deflater.compressed_bytes == inflater.compressed_bytes > 0


def test_a_small_message_without_takeover_is_no_larger_for_its_small_compressor():
    for size in (1, 63, 64, 249, 250, 251, 1000, 5000, 40_000):
        data = bytes(random.Random(size).choices(b"abcdefgh ", k=size))
        assert len(Deflater(NO_TAKEOVER).compress(data)) <= len(message_of(stream(), data))


# What comes damaged.


def dynamic_message():
    data = b"".join(b'{"id": %d, "name": "user%d"}, ' % (number, number * 7) for number in range(200))
    compressed = message_of(stream(), data)
    assert compressed[0] & 6 == 4
    return data, compressed


@pytest.mark.parametrize("library", LIBRARIES, ids=["zlib", "best"])
@pytest.mark.parametrize("agreement", BOTH)
def test_a_message_that_ends_in_the_middle_of_a_block_is_refused_wherever_it_is_cut(agreement, library):
    _, compressed = dynamic_message()
    for cut in range(1, len(compressed)):
        with pytest.raises(BadDeflateError):
            inflate(Inflater(agreement, library), compressed[:cut])


@pytest.mark.parametrize("library", LIBRARIES, ids=["zlib", "best"])
@pytest.mark.parametrize("agreement", BOTH)
def test_a_final_block_that_is_cut_off_is_refused_though_the_tail_would_end_it(agreement, library):
    # The code that ends a fixed block is seven zeros, which the tail has as well.
    for data in (b"", b"Hello", b"0" * 200):
        engine = stream()
        compressed = engine.compress(data) + engine.flush()
        for cut in range(1, len(compressed)):
            with pytest.raises(BadDeflateError):
                inflate(Inflater(agreement, library), compressed[:cut])


@pytest.mark.parametrize("agreement", BOTH)
def test_a_stored_block_that_is_cut_off_does_not_take_in_the_tail(agreement):
    for size in range(5):
        with pytest.raises(BadDeflateError):
            inflate(Inflater(agreement), (b"\x00\x05\x00\xfa\xffHello\x00")[: 5 + size])


@pytest.mark.parametrize("agreement", BOTH)
def test_garbage_behind_the_end_is_refused(agreement):
    # The reserved block type.
    for trailing in (b"\x07", b"\xff" * 9):
        with pytest.raises(BadDeflateError):
            inflate(Inflater(agreement), b"\xf3\x48\xcd\xc9\xc9\x07\x00" + trailing)


@pytest.mark.parametrize("agreement", BOTH)
def test_a_reserved_block_type_is_refused(agreement):
    with pytest.raises(BadDeflateError, match="invalid block type"):
        inflate(Inflater(agreement), b"\x06")


def test_a_reference_to_before_the_first_message_is_refused():
    with pytest.raises(BadDeflateError, match="too far back"):
        inflate(Inflater(), b"\xf2\x00\x11\x00\x00")


def test_without_takeover_a_reference_to_the_message_before_is_refused():
    inflater = Inflater(NO_TAKEOVER)
    assert inflate(inflater, HELLO) == b"Hello"
    with pytest.raises(BadDeflateError, match="too far back"):
        inflate(inflater, b"\xf2\x00\x11\x00\x00")


def test_a_reference_beyond_the_window_that_was_agreed_is_refused():
    rare = random.Random(2).randbytes(64)
    engine = stream(15)
    first, second = message_of(engine, rare + b"x" * 2000), message_of(engine, rare)
    assert len(second) < 20
    inflater = Inflater()
    assert inflate(inflater, first)
    assert inflate(inflater, second) == rare
    inflater = Inflater(Agreement(server_max_window_bits=9))
    inflate(inflater, first)
    with pytest.raises(BadDeflateError, match="too far back"):
        inflate(inflater, second)


@settings(deadline=None, max_examples=80)
@given(st.sampled_from(LIBRARIES), agreements, st.binary(max_size=60), st.integers(1, 100))
def test_any_bytes_give_data_or_the_one_error(library, agreement, data, limit):
    inflater = Inflater(agreement, library)
    try:
        for _ in range(3):
            inflate(inflater, data, limit=limit)
    except BadDeflateError:
        pass


# Memory and work.


def test_a_bomb_takes_no_more_memory_than_its_pieces():
    compressed = bomb(64 << 20)
    assert len(compressed) < 100_000
    inflater = Inflater()
    tracemalloc.start()
    try:
        inflater.feed(compressed, is_last=True)
        total = 0
        while not inflater.is_drained:
            total += len(inflater.read(65536))
        assert total == 64 << 20
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()


def test_thousands_of_final_blocks_cost_no_copy_of_what_is_behind_them(monkeypatch):
    # Each ends a stream of zlib's, which then copies what it was given and did not take.
    given_to_zlib = []
    make = zlib.decompressobj

    class Counting:
        def __init__(self, bits):
            self.engine = make(bits)

        def decompress(self, data, limit):
            given_to_zlib.append(len(data))
            return self.engine.decompress(data, limit)

        def __getattr__(self, name):
            return getattr(self.engine, name)

    monkeypatch.setattr(zlib, "decompressobj", Counting)
    assert inflate(Inflater(), b"\x03\x00" * 20_000 + b"\x00") == b""
    assert max(given_to_zlib) <= 8192


def test_a_context_that_is_not_taken_over_is_given_back_after_each_message():
    deflater, inflater = Deflater(NO_TAKEOVER), Inflater(NO_TAKEOVER)
    for data in (b"Hello", b"", b"Hello" * 1000):
        assert inflate(inflater, deflater.compress(data)) == data
        assert deflater._engine is None
        assert inflater._engine is None


def test_a_deflater_that_forgets_gives_its_context_back():
    deflater = Deflater()
    deflater.compress(b"Hello")
    deflater.forget()
    assert deflater._engine is None


@pytest.mark.skipif(best_engine() is zlib, reason="zlib-ng is not there")
def test_zlib_ng_compresses_where_the_first_message_is_large_and_the_level_pays():
    engines = [compressing_engine(level, size) for level in (1, 2, 8, 9) for size in (999, 1000)]
    assert engines == [zlib] * 3 + [best_engine()] + [zlib] + [best_engine()] + [zlib] * 2
    for agreement, expected in ((WHOLE, [zlib, zlib]), (NO_TAKEOVER, [zlib, best_engine()])):
        taken = []

        def note(level, size, taken=taken):
            taken.append(compressing_engine(level, size))
            return taken[-1]

        deflater, inflater = Deflater(agreement, library_for=note), Inflater(agreement)
        for data in (b"small", b"large" * 1000):
            assert inflate(inflater, deflater.compress(data)) == data
        # A context that is kept stays with what it began with.
        assert taken == expected[: 1 if agreement is WHOLE else 2]


def documents(size, count):
    """Return JSON of `size` bytes, as benchmarks/deflate.py has it."""
    chance = random.Random(size)
    for number in range(count):
        rows = []
        while sum(map(len, rows)) < size - 100:
            row = {"id": chance.randrange(10**6), "value": chance.random() * 100, "n": number, "unit": "celsius"}
            rows.append(json.dumps(row))
        yield f"[{', '.join(rows)}]".ljust(size).encode()


@pytest.mark.parametrize("level", [1, 2, 4, 6, 8, 9])
@pytest.mark.parametrize("takeover", [True, False])
@pytest.mark.parametrize("size", [200, 1000, 100_000])
def test_json_takes_no_more_bytes_than_the_compressor_of_websockets_makes(size, takeover, level):
    """Its settings: windows of 12 bits, a memory level of 5."""
    agreement = Agreement(client_max_window_bits=12, client_context_takeover=takeover)
    deflater = Deflater(agreement, level=level, library_for=compressing_engine)
    theirs = zlib.compressobj(level, zlib.DEFLATED, -12, 5)
    own_bytes = their_bytes = 0
    for data in documents(size, 100 if size < 10_000 else 4):
        if not takeover:
            theirs = zlib.compressobj(level, zlib.DEFLATED, -12, 5)
        own_bytes += len(deflater.compress(data))
        their_bytes += len(message_of(theirs, data))
    assert own_bytes <= their_bytes


def test_zlib_ng_is_taken_where_it_is_there(monkeypatch):
    best_engine.cache_clear()
    try:
        monkeypatch.setitem(sys.modules, "zlib_ng.zlib_ng", None)
        assert best_engine() is zlib
        best_engine.cache_clear()
        stand_in = types.ModuleType("zlib_ng.zlib_ng")
        monkeypatch.setitem(sys.modules, "zlib_ng", types.ModuleType("zlib_ng"))
        monkeypatch.setitem(sys.modules, "zlib_ng.zlib_ng", stand_in)
        assert best_engine() is stand_in
    finally:
        best_engine.cache_clear()
