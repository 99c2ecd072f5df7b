"""The body of an HTTP answer: where it ends, and what of it is kept, however it comes."""

import http.client
import io
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncws import HttpHeaders
from syncws._net.http.body import BodyDecoder

LIMIT = 4096
CHUNKED = HttpHeaders({"Transfer-Encoding": "chunked"})


def decoded(data, headers=CHUNKED, status=404, limit=LIMIT, cuts=()):
    """Return the body and whether it is over, for data that come in pieces."""
    decoder = BodyDecoder(status, headers, limit)
    places = [0, *cuts, len(data)]
    for start, end in itertools.pairwise(places):
        decoder.feed(data[start:end])
    return bytes(decoder.body), decoder.is_over


def every_way(data, **options):
    """Return what comes of data whole, which must be what comes of them byte by byte and in every two pieces."""
    whole = decoded(data, **options)
    assert decoded(data, cuts=range(1, len(data)), **options) == whole
    assert {decoded(data, cuts=[place], **options) for place in range(len(data) + 1)} == {whole}
    return whole


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (b"0\r\n\r\n", b""),
        (b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", b"hello world"),
        (b"5\nhello\n0\n\n", b"hello"),
        (b'005;a=b;c="d"\r\nhello\r\n0;x\r\nTrailer: y\r\n\r\n', b"hello"),
        (b"A \r\n0123456789\r\n0\r\n\r\nHTTP/1.1 200 OK", b"0123456789"),
        (b"4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n"),
    ],
)
def test_chunks_are_put_together_and_the_last_one_ends_them(data, body):
    assert every_way(data) == (body, True)


@pytest.mark.parametrize(
    "data", [b"", b"5", b"5\r\n", b"5\r\nhel", b"5\r\nhello", b"5\r\nhello\r\n", b"5\r\nhello\r\n0"]
)
def test_chunks_that_have_not_ended_go_on(data):
    assert every_way(data) == (data[3:8], False)


@pytest.mark.parametrize("size", [b"", b"x", b"-1", b"+1", b"0x1", b"1_0", "\u0661".encode(), b"1 1"])
def test_a_size_that_is_none_ends_the_body_with_what_came_before(size):
    assert every_way(b"2\r\nok\r\n" + size + b"\r\nmore\r\n0\r\n\r\n") == (b"ok", True)


def test_something_behind_a_chunk_ends_the_body():
    assert every_way(b"2\r\nokay\r\n0\r\n\r\n") == (b"ok", True)


def test_a_line_without_end_ends_the_body():
    assert decoded(b"1;" + b"x" * 1100) == (b"", True)
    assert decoded(b"1;" + b"x" * 900) == (b"", False)


def test_a_size_of_a_thousand_digits_is_only_large():
    assert decoded(b"f" * 1000 + b"\r\nhello") == (b"hello", False)


def test_no_more_is_kept_than_is_wanted():
    data = b"5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n"
    assert every_way(data, limit=7) == (b"hellowo", True)
    assert every_way(b"hello", headers=HttpHeaders(), limit=3) == (b"hel", True)
    assert every_way(b"hello", headers=HttpHeaders({"Content-Length": "9"}), limit=3) == (b"hel", True)


@pytest.mark.parametrize("length", ["5", "05", "5, 5", " 5\t"])
def test_content_length_ends_the_body(length):
    assert every_way(b"hello and more", headers=HttpHeaders({"Content-Length": length})) == (b"hello", True)


@pytest.mark.parametrize("length", ["", "x", "-1", "+5", "5, 6", "\u0665", "9" * 5000])
def test_a_content_length_that_says_nothing_leaves_the_end_to_the_connection(length):
    assert every_way(b"hello", headers=HttpHeaders({"Content-Length": length})) == (b"hello", False)


def test_without_a_length_the_connections_end_is_the_bodys():
    assert every_way(b"hello", headers=HttpHeaders({"Connection": "close"})) == (b"hello", False)
    assert every_way(b"5\r\nhello", headers=HttpHeaders({"Transfer-Encoding": "chunked, gzip"}))[1] is False


@pytest.mark.parametrize("coding", ["gzip", "chunked, gzip", "gzip,"])
def test_another_last_coding_goes_before_a_content_length_too(coding):
    headers = HttpHeaders({"Transfer-Encoding": coding, "Content-Length": "2"})
    assert every_way(b"hello", headers=headers) == (b"hello", False)


@pytest.mark.parametrize("coding", ["gzip, Chunked", "chunked ,"])
def test_chunks_go_before_a_content_length(coding):
    headers = HttpHeaders({"Transfer-Encoding": coding, "Content-Length": "3"})
    assert every_way(b"5\r\nhello\r\n0\r\n\r\n", headers=headers) == (b"hello", True)


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_is_over_at_once(status):
    assert decoded(b"", headers=HttpHeaders({"Content-Length": "5"}), status=status) == (b"", True)
    assert decoded(b"", headers=HttpHeaders({"Content-Length": "0"})) == (b"", True)


class Connection:
    """What http.client reads an answer from."""

    def __init__(self, data):
        self._data = data

    def makefile(self, _):
        return io.BytesIO(self._data)


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.data())
def test_chunks_in_any_pieces_are_what_the_standard_library_makes_of_them(chunks, draw):
    data = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    answer = http.client.HTTPResponse(Connection(b"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n" + data))
    answer.begin()
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=12)))
    assert decoded(data, cuts=cuts) == (answer.read(), True)
    assert b"".join(chunks) == decoded(data)[0]
