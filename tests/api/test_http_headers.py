"""Tests of HttpHeaders, the headers of an HTTP answer."""

import copy
import pickle

import pytest

from syncws import HttpHeaders

HEADERS = HttpHeaders([("Date", "today"), ("Set-Cookie", "a=1"), ("SET-COOKIE", "b=2, 3"), ("X-Empty", "")])


@pytest.mark.parametrize("name", ["set-cookie", "Set-Cookie", "SET-COOKIE"])
def test_a_name_is_found_in_any_case(name):
    assert name in HEADERS
    assert HEADERS[name] == HEADERS.get(name) == "a=1, b=2, 3"
    assert HEADERS.get_all(name) == ["a=1", "b=2, 3"]


def test_each_name_comes_once_in_lower_case_and_in_order():
    assert list(HEADERS) == ["date", "set-cookie", "x-empty"]
    assert dict(HEADERS) == {"date": "today", "set-cookie": "a=1, b=2, 3", "x-empty": ""}
    assert len(HEADERS) == 3


def test_a_header_that_is_not_there_is_missing_as_in_email_message():
    assert HEADERS.get("x-other") is None
    assert HEADERS.get_all("x-other") is None
    assert HEADERS.get_all("x-other", []) == []
    assert HEADERS.get_all("x-empty") == [""]
    with pytest.raises(KeyError):
        HEADERS["x-other"]
    assert 1 not in HEADERS


def test_it_cannot_be_changed():
    with pytest.raises(TypeError):
        HEADERS["date"] = "tomorrow"
    HEADERS.get_all("set-cookie").clear()
    assert HEADERS.get_all("set-cookie") == ["a=1", "b=2, 3"]
    given = {"Date": "today"}
    made = HttpHeaders(given)
    given.clear()
    assert made["date"] == "today"


def test_it_equals_a_mapping_of_the_same_and_one_that_was_made_alike():
    assert HttpHeaders({"X": "1"}) == {"x": "1"}
    assert HttpHeaders({"X": "1"}) != {"x": "2"}
    assert HttpHeaders([("x", "1"), ("X", "2")]) == HttpHeaders([("X", "1"), ("x", "2")])
    assert HttpHeaders([("x", "1"), ("x", "2")]) != HttpHeaders({"x": "1, 2"})


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda headers: pickle.loads(pickle.dumps(headers))])
def test_a_copy_holds_the_same(again):
    assert again(HEADERS) == HEADERS


def test_its_repr_shows_names_and_no_value():
    assert repr(HEADERS) == "<HttpHeaders date, set-cookie, x-empty>"
    assert repr(HttpHeaders()) == "<HttpHeaders empty>"
