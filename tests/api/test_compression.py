"""Tests of Deflate, the value of control.compression, and of what information tells of it."""

import copy
import pickle

import pytest

from syncws import (
    CompressionStatistics,
    Deflate,
    HResult,
    InvalidArgumentError,
    InvalidArgumentTypeError,
    MessageWebSocket,
)

DEFAULTS = {
    "client_max_window_bits": 15,
    "client_context_takeover": True,
    "server_max_window_bits": 15,
    "server_context_takeover": True,
    "level": 6,
    "memory_level": 8,
    "minimum_size": 64,
}
EDGES = {
    "client_max_window_bits": (8, 15),
    "server_max_window_bits": (8, 15),
    "level": (0, 9),
    "memory_level": (1, 9),
    "minimum_size": (0, 0x7FFF_FFFF),
}
OTHER = Deflate(client_max_window_bits=9, server_context_takeover=False, level=1, minimum_size=0)


def test_a_deflate_has_the_documented_defaults():
    assert {name: getattr(Deflate(), name) for name in DEFAULTS} == DEFAULTS


@pytest.mark.parametrize(("name", "edges"), EDGES.items())
def test_numbers_are_taken_as_far_as_zlib_and_the_rfc_go(name, edges):
    for number in edges:
        assert getattr(Deflate(**{name: number}), name) == number
    for number in (edges[0] - 1, edges[1] + 1):
        with pytest.raises(InvalidArgumentError, match=f"{name} must be from {edges[0]} to") as raised:
            Deflate(**{name: number})
        assert raised.value.hresult == HResult.E_INVALIDARG


@pytest.mark.parametrize("name", DEFAULTS)
@pytest.mark.parametrize("value", [None, "15", 1.5])
def test_anything_of_another_type_is_refused(name, value):
    with pytest.raises(InvalidArgumentTypeError, match=name):
        Deflate(**{name: value})


def test_a_bool_is_no_number_and_a_number_no_bool():
    with pytest.raises(InvalidArgumentTypeError, match="level"):
        Deflate(level=True)
    with pytest.raises(InvalidArgumentTypeError, match="client_context_takeover"):
        Deflate(client_context_takeover=1)


def test_it_cannot_be_changed():
    options = Deflate()
    with pytest.raises(AttributeError, match="cannot be changed"):
        options.level = 9
    with pytest.raises(AttributeError, match="cannot be changed"):
        del options.level
    assert options == Deflate()


def test_it_is_a_value():
    assert Deflate(client_max_window_bits=9, server_context_takeover=False, level=1, minimum_size=0) == OTHER
    assert Deflate() != OTHER
    assert Deflate() != DEFAULTS
    assert hash(OTHER) == hash(copy.copy(OTHER))
    assert pickle.loads(pickle.dumps(OTHER)) == copy.deepcopy(OTHER) == OTHER
    assert eval(repr(OTHER)) == OTHER


def test_a_copy_may_differ_and_is_checked():
    assert OTHER.__replace__(level=9) == Deflate(
        client_max_window_bits=9, server_context_takeover=False, level=9, minimum_size=0
    )
    with pytest.raises(InvalidArgumentError):
        OTHER.__replace__(level=10)


@pytest.mark.parametrize(("value", "kept"), [(True, Deflate()), (False, None), (None, None), (OTHER, OTHER)])
def test_the_setting_takes_a_deflate_or_a_bool(value, kept):
    control = MessageWebSocket().control
    control.compression = value
    assert control.compression == kept


@pytest.mark.parametrize("value", [1, "deflate", 0, {}])
def test_the_setting_takes_nothing_else(value):
    with pytest.raises(InvalidArgumentTypeError, match="compression must be a Deflate, True or None"):
        MessageWebSocket().control.compression = value


def test_statistics_name_what_was_agreed_and_show_ratios():
    statistics = CompressionStatistics(12, False, 15, True, 1000, 100)
    assert statistics.extension == "permessage-deflate; client_no_context_takeover; client_max_window_bits=12"
    assert repr(statistics) == (
        "<CompressionStatistics 'permessage-deflate; client_no_context_takeover; client_max_window_bits=12' "
        "sent 1000 as 100 bytes (10.0:1) received 0 as 0 bytes>"
    )
    assert CompressionStatistics(15, True, 9, False).extension == (
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=9"
    )
