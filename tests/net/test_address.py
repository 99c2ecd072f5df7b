"""Addresses: read from text, put in order, and handed to a socket without a look at names."""

import errno
import socket

import pytest

from syncws._net.address import Address, interleaved, parse_address

V4, V6 = socket.AF_INET, socket.AF_INET6

READ = {
    "192.0.2.1": Address(V4, "192.0.2.1"),
    "0.0.0.0": Address(V4, "0.0.0.0"),
    "::1": Address(V6, "::1"),
    "2001:DB8:0:0::1": Address(V6, "2001:db8::1"),
    "fe80::1%lo": Address(V6, "fe80::1%lo"),
    "::ffff:192.0.2.1": Address(V4, "192.0.2.1"),
    "::FFFF:c000:201": Address(V4, "192.0.2.1"),
    "::ffff:192.0.2.1%lo": Address(V4, "192.0.2.1"),
    "64:ff9b::c000:201": Address(V6, "64:ff9b::c000:201"),
}


@pytest.mark.parametrize(("text", "address"), READ.items())
def test_an_address_is_read_in_its_one_form(text, address):
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "example.org", "1.2.3", "01.2.3.4", "2130706433", "fe80::1%", "[::1]", " ::1"])
def test_what_is_no_address_is_none(text):
    assert parse_address(text) is None


@pytest.mark.parametrize(
    ("text", "is_unspecified"),
    [
        ("0.0.0.0", True),
        ("::", True),
        ("::ffff:0.0.0.0", True),
        ("0.0.0.1", False),
        ("::1", False),
        ("fe80::%lo", False),
    ],
)
def test_the_address_of_nobody_is_known(text, is_unspecified):
    assert parse_address(text).is_unspecified is is_unspecified


def test_families_take_turns_and_each_address_stands_once():
    texts = ["::1", "::2", "::1", "192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2", "::3", "::0:3"]
    found = interleaved(parse_address(text) for text in texts)
    assert [address.text for address in found] == ["::1", "192.0.2.1", "::2", "192.0.2.2", "::3"]


def test_of_one_family_the_order_stays():
    texts = ["192.0.2.3", "192.0.2.1", "192.0.2.2"]
    assert [address.text for address in interleaved(map(parse_address, texts))] == texts


def test_of_nothing_there_is_nothing():
    assert interleaved([]) == []


# What a socket takes.


def test_a_socket_takes_numbers_only():
    assert parse_address("192.0.2.1").at_port(80) == ("192.0.2.1", 80)
    assert parse_address("2001:db8::1").at_port(80) == ("2001:db8::1", 80, 0, 0)


def test_a_zone_id_becomes_the_interface_s_number():
    index, name = socket.if_nameindex()[0]
    for zone in (name, str(index)):
        assert parse_address(f"fe80::1%{zone}").at_port(80) == ("fe80::1", 80, 0, index)


def test_an_interface_whose_name_is_a_number_goes_first(monkeypatch):
    monkeypatch.setattr(socket, "if_nametoindex", {"7": 3}.__getitem__)
    assert parse_address("fe80::1%7").at_port(80) == ("fe80::1", 80, 0, 3)


@pytest.mark.parametrize("zone", ["nowhere", "4294967295", "9" * 30, "9" * 5000, "-1", "a\0b", "x" * 300])
def test_a_zone_id_that_no_interface_has_is_an_error_that_names_it(zone):
    with pytest.raises(OSError, match="no network interface") as caught:
        parse_address(f"fe80::1%{zone}").at_port(80)
    assert caught.value.errno == errno.ENODEV
    assert repr(zone) in caught.value.strerror
