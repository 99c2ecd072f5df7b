"""Tests of wire.extension: what is offered, and which answers are taken (RFC 7692 7.1)."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import NegotiationError
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.headers import build_extension, parse_extension

from syncws._wire.extension import WHOLE, Agreement, BadAnswerError, offer_of, read_answer

BITS = range(8, 16)
agreements = st.builds(Agreement, st.sampled_from(BITS), st.booleans(), st.sampled_from(BITS), st.booleans())


def test_the_default_offer_lets_the_server_ask_for_a_smaller_window():
    assert offer_of(WHOLE) == "permessage-deflate; client_max_window_bits"


def test_all_that_is_wanted_stands_in_the_offer():
    assert offer_of(Agreement(9, False, 10, False)) == (
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10; "
        "client_max_window_bits=9"
    )


@pytest.mark.parametrize(
    ("answer", "expected"),
    {
        "permessage-deflate": Agreement(),
        " permessage-deflate ": Agreement(),
        "permessage-deflate;server_no_context_takeover": Agreement(server_context_takeover=False),
        "permessage-deflate; client_no_context_takeover": Agreement(client_context_takeover=False),
        "permessage-deflate ; server_max_window_bits = 8": Agreement(server_max_window_bits=8),
        'permessage-deflate; server_max_window_bits="12"': Agreement(server_max_window_bits=12),
        r'permessage-deflate; server_max_window_bits="\1\2"': Agreement(server_max_window_bits=12),
        "permessage-deflate;\tclient_max_window_bits=8": Agreement(client_max_window_bits=8),
        "permessage-deflate; client_max_window_bits=15; server_max_window_bits=15": Agreement(),
    }.items(),
)
def test_an_answer_that_the_offer_allows_is_taken(answer, expected):
    assert read_answer(answer, WHOLE) == expected


@pytest.mark.parametrize(
    ("wanted", "answer", "why"),
    [
        (WHOLE, "permessage-bzip2", "permessage-bzip2, which was not offered"),
        (WHOLE, "Permessage-Deflate", "not offered"),
        (WHOLE, "x-webkit-deflate-frame", "not offered"),
        (WHOLE, "permessage-deflate, permessage-deflate", "more than the one"),
        (WHOLE, "permessage-deflate; server_max_window_bits=9, permessage-deflate", "more than the one"),
        (WHOLE, "permessage-deflate; server_no_context_takeover; server_no_context_takeover", "twice"),
        (WHOLE, "permessage-deflate; server_max_window_bits=9; server_max_window_bits=9", "twice"),
        (WHOLE, "permessage-deflate; server_no_context_takeover=1", "a value"),
        (WHOLE, "permessage-deflate; client_no_context_takeover=true", "a value"),
        (WHOLE, "permessage-deflate; client_max_window_bits", "other than a number from 8 to 15"),
        (WHOLE, "permessage-deflate; server_max_window_bits", "other than a number from 8 to 15"),
        (WHOLE, "permessage-deflate; server_max_window_bits=7", "other than a number from 8 to 15"),
        (WHOLE, "permessage-deflate; server_max_window_bits=16", "other than a number from 8 to 15"),
        (WHOLE, "permessage-deflate; server_max_window_bits=09", "other than a number from 8 to 15"),
        (WHOLE, "permessage-deflate; server_max_window_bits=+9", "other than a number from 8 to 15"),
        (WHOLE, "permessage-deflate; server_max_window_bits=1٢", "malformed"),
        (WHOLE, "permessage-deflate; max_window_bits=9", "unknown parameter max_window_bits"),
        (WHOLE, "permessage-deflate; Server_no_context_takeover", "unknown parameter"),
        (WHOLE, "permessage-deflate;", "malformed"),
        (WHOLE, "permessage-deflate; =9", "malformed"),
        (WHOLE, "permessage-deflate server_no_context_takeover", "malformed"),
        (WHOLE, 'permessage-deflate; server_max_window_bits="9', "malformed"),
        (WHOLE, r'permessage-deflate; server_max_window_bits="9\"', "malformed"),
        (WHOLE, r'permessage-deflate; server_max_window_bits="\\9"', "malformed"),
        (WHOLE, 'permessage-deflate; server_max_window_bits=""', "malformed"),
        (WHOLE, "; permessage-deflate", "malformed"),
        (Agreement(server_max_window_bits=10), "permessage-deflate; server_max_window_bits=11", "at most 10"),
        (Agreement(server_max_window_bits=10), "permessage-deflate", "server_max_window_bits, which was asked for"),
        (Agreement(server_context_takeover=False), "permessage-deflate", "which was asked for"),
    ],
)
def test_any_other_answer_is_refused_and_the_reason_named(wanted, answer, why):
    with pytest.raises(BadAnswerError, match=why):
        read_answer(answer, wanted)


@pytest.mark.parametrize("value", [", permessage-deflate", "permessage-deflate,", " ,, permessage-deflate , ,"])
def test_empty_elements_of_the_list_are_ignored(value):
    assert read_answer(value, WHOLE) == WHOLE


@pytest.mark.parametrize("value", [",", " , ,"])
def test_a_list_of_nothing_is_malformed(value):
    with pytest.raises(BadAnswerError, match="malformed"):
        read_answer(value, WHOLE)


@pytest.mark.parametrize(("answered", "used"), [(8, 8), (10, 10), (11, 10), (15, 10)])
def test_a_larger_window_than_was_offered_for_this_side_is_not_used(answered, used):
    wanted = Agreement(client_max_window_bits=10)
    assert read_answer(f"permessage-deflate; client_max_window_bits={answered}", wanted) == Agreement(used)


def test_what_only_this_side_does_needs_no_answer():
    wanted = Agreement(client_max_window_bits=9, client_context_takeover=False)
    assert read_answer("permessage-deflate", wanted) == wanted


@given(agreements)
def test_every_offer_reads_as_what_was_wanted(wanted):
    [(name, parameters)] = parse_extension(offer_of(wanted))
    given = dict(parameters)
    assert name == "permessage-deflate"
    assert Agreement(
        int(given["client_max_window_bits"] or 15),
        "client_no_context_takeover" not in given,
        int(given.get("server_max_window_bits") or 15),
        "server_no_context_takeover" not in given,
    ) == (wanted)


@given(agreements, agreements.filter(lambda agreement: agreement.server_max_window_bits > 8), st.booleans())
def test_every_answer_of_another_implementation_is_read_as_it_means_it(wanted, server, is_required):
    factory = ServerPerMessageDeflateFactory(
        server_no_context_takeover=not server.server_context_takeover,
        client_no_context_takeover=not server.client_context_takeover,
        server_max_window_bits=server.server_max_window_bits,
        client_max_window_bits=server.client_max_window_bits,
        require_client_max_window_bits=is_required,
    )
    [(name, parameters)] = parse_extension(offer_of(wanted))
    try:
        answer, extension = factory.process_request_params(parameters, [])
    except NegotiationError:
        return
    agreed = read_answer(build_extension([(name, answer)]), wanted)
    assert agreed.server_context_takeover is not extension.local_no_context_takeover
    assert agreed.server_max_window_bits == extension.local_max_window_bits
    # Of its own side this one may do less than was agreed.
    assert agreed.client_context_takeover <= (not extension.remote_no_context_takeover)
    assert agreed.client_max_window_bits <= extension.remote_max_window_bits


@given(st.text('permessage-deflate; =,"\t1089_serverclientmaxwindowbits', max_size=80))
def test_any_text_is_an_agreement_or_refused(answer):
    for wanted in itertools.chain([WHOLE], [Agreement(10, False, 10, False)]):
        try:
            agreed = read_answer(answer, wanted)
        except BadAnswerError:
            continue
        assert all(8 <= bits <= 15 for bits in (agreed.client_max_window_bits, agreed.server_max_window_bits))
