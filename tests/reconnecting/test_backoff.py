"""Tests of how long is waited before the next attempt, and of what a server's Retry-After adds."""

import os

import pytest

from syncws import Backoff, ConnectionLostError, HttpStatusError, InvalidArgumentError, InvalidArgumentTypeError
from syncws._reconnecting.backoff import LONGEST_RETRY_AFTER_SECONDS, retry_after


def refused(**headers):
    return HttpStatusError("no", status_code=503, headers={name.replace("_", "-"): headers[name] for name in headers})


def test_the_longest_wait_grows_by_the_factor_up_to_the_maximum():
    backoff = Backoff(0.5, 10, 3)
    assert [backoff.longest(attempt) for attempt in (1, 2, 3, 4, 5)] == [0.5, 1.5, 4.5, 10, 10]


def test_after_any_number_of_attempts_the_maximum_is_the_limit():
    assert Backoff(1, 60, 2).longest(1_000_000) == 60


@pytest.mark.parametrize(("drawn", "share"), [(b"\0\0\0\0", 0.0), (b"\x80\0\0\0", 0.5), (b"\xff\xff\xff\xff", 1.0)])
def test_the_wait_is_any_part_of_the_longest(monkeypatch, drawn, share):
    monkeypatch.setattr(os, "urandom", lambda count: drawn)
    assert Backoff(1, 60, 2).delay(3) == pytest.approx(4 * share)


def test_waits_are_spread_over_the_whole_time():
    delays = [Backoff(8, 8).delay(1) for _ in range(400)]
    assert min(delays) < 1 < 7 < max(delays) <= 8


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"initial": 0}, InvalidArgumentError, "initial must be more than 0"),
        ({"initial": -1}, InvalidArgumentError, "initial must be more than 0"),
        ({"initial": "1"}, InvalidArgumentTypeError, "initial must be a number, not str"),
        ({"initial": None}, InvalidArgumentTypeError, "initial must be a number, not NoneType"),
        ({"initial": 10**400}, InvalidArgumentError, "initial must be a number that is not infinite"),
        ({"maximum": float("inf")}, InvalidArgumentError, "maximum must be a number that is not infinite"),
        ({"maximum": float("nan")}, InvalidArgumentError, "maximum"),
        ({"initial": 5, "maximum": 4}, InvalidArgumentError, "maximum must be at least initial"),
        ({"factor": 0.5}, InvalidArgumentError, "factor must be 1 or more"),
        ({"factor": "2"}, InvalidArgumentTypeError, "factor must be a number, not str"),
        ({"held_after": -1}, InvalidArgumentError, "held_after must be 0 or more seconds, got -1"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(arguments, error, text):
    with pytest.raises(error, match=text) as raised:
        Backoff(**arguments)
    assert "None for ever" not in raised.value.message


def test_its_repr_shows_the_numbers():
    assert repr(Backoff()) == "Backoff(initial=1, maximum=60, factor=2, held_after=10)"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("0", 0),
        ("-7", 0),
        ("7.5", 0),
        ("soon", 0),
        ("", 0),
        ("9" * 5000, LONGEST_RETRY_AFTER_SECONDS),
        ("Wed, 21 Oct 2015 07:28:30 GMT", 30),
        ("Wed, 21 Oct 2015 07:27:00 GMT", 0),
        ("Thu, 21 Oct 2055 07:28:30 GMT", LONGEST_RETRY_AFTER_SECONDS),
        ("Wed, 21 Oct 2015 07:28:30 -0000", 30),
        # Numbers that fit neither a date nor what Python makes one of.
        ("Wed, 21 Oct 2015 07:28:30 +99999999999999999999", 0),
        ("Wed, 21 Oct 99999999999999999999 07:28:30 GMT", 0),
    ],
)
def test_retry_after_is_seconds_or_a_date_that_counts_from_the_answers_own(value, seconds):
    assert retry_after(refused(retry_after=value, date="Wed, 21 Oct 2015 07:28:00 GMT")) == seconds


def test_a_date_in_an_answer_without_one_counts_from_this_machines_clock():
    assert retry_after(refused(retry_after="Wed, 21 Oct 2015 07:28:30 GMT")) == 0
    assert retry_after(refused(retry_after="Thu, 21 Oct 2055 07:28:30 GMT")) == LONGEST_RETRY_AFTER_SECONDS


def test_an_answers_own_date_that_is_none_counts_as_missing():
    strange = "Wed, 21 Oct 2015 07:28:00 -99999999999999999999"
    asked = "Thu, 21 Oct 2055 07:28:30 GMT"
    assert retry_after(refused(retry_after=asked, date=strange)) == LONGEST_RETRY_AFTER_SECONDS


@pytest.mark.parametrize("error", [refused(), ConnectionLostError("gone"), ValueError("mine")])
def test_other_errors_ask_for_no_wait(error):
    assert retry_after(error) == 0
