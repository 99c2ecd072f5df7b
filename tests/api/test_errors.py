"""Tests of syncws.errors: the HRESULT catalogue, the tree of errors, copies and pickles.

The tables are typed from the document and from the plan of errors, not from the code.
"""

import copy
import errno
import pickle
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncws import errors
from syncws.enums import ChainValidationResult, CloseCause, WebErrorStatus
from syncws.errors import (
    CanceledByCloseError,
    CannotConnectError,
    CertificateError,
    ConnectAbortedError,
    ConnectAttempt,
    ConnectFailedError,
    ConnectionClosedError,
    ConnectionLostError,
    ConnectionOverError,
    ConnectTimedOutError,
    HandshakeError,
    HostNameNotResolvedError,
    HttpHeaders,
    HttpStatusError,
    IllegalMethodCallError,
    InvalidArgumentError,
    InvalidArgumentTypeError,
    InvalidOperationError,
    MessageTooBigError,
    NoUnicodeTranslationError,
    ObjectClosedError,
    OperationCanceledError,
    OperationTimedOutError,
    OutOfBoundsError,
    ProtocolViolationError,
    ProxyError,
    RedirectError,
    TlsError,
    WebSocketError,
)
from syncws.hresult import HResult, signed, unsigned

# Number, name, number of the status. Where the document says silent or leaves a choice
# ("Unknown or …"), the status is Unknown.
CATALOGUE = [
    # 4.1 State and argument errors
    (0x80070057, "E_INVALIDARG", 0),
    (0x8000000E, "E_ILLEGAL_METHOD_CALL", 0),
    (0x80000013, "RO_E_CLOSED", 0),
    (0x800710DD, "ERROR_INVALID_OPERATION", 0),
    (0x8000000B, "E_BOUNDS", 0),
    (0x80004003, "E_POINTER", 0),
    (0x80070459, "ERROR_NO_UNICODE_TRANSLATION", 0),
    (0x8000000D, "E_ILLEGAL_STATE_CHANGE", 0),
    (0x80000018, "E_ILLEGAL_DELEGATE_ASSIGNMENT", 0),
    (0x80004005, "E_FAIL", 0),
    (0x8007000E, "E_OUTOFMEMORY", 0),
    (0x80070005, "E_ACCESSDENIED", 0),
    # 4.2 Cancellation
    (0x800704C7, "ERROR_CANCELLED", 16),
    (0x80072EF1, "WININET_E_OPERATION_CANCELLED", 16),
    (0x800703E3, "ERROR_OPERATION_ABORTED", 16),
    (0x80004004, "E_ABORT", 16),
    # 4.3 Network errors
    (0x80072EE1, "WININET_E_OUT_OF_HANDLES", 0),
    (0x80072EE2, "WININET_E_TIMEOUT", 7),
    (0x80072EE4, "WININET_E_INTERNAL_ERROR", 0),
    (0x80072EE5, "WININET_E_INVALID_URL", 0),
    (0x80072EE6, "WININET_E_UNRECOGNIZED_SCHEME", 0),
    (0x80072EE7, "WININET_E_NAME_NOT_RESOLVED", 15),
    (0x80072EEF, "WININET_E_LOGIN_FAILURE", 0),
    (0x80072EF0, "WININET_E_INVALID_OPERATION", 0),
    (0x80072EF3, "WININET_E_INCORRECT_HANDLE_STATE", 0),
    (0x80072EFD, "WININET_E_CANNOT_CONNECT", 14),
    (0x80072EFE, "WININET_E_CONNECTION_ABORTED", 9),
    (0x80072EFF, "WININET_E_CONNECTION_RESET", 10),
    (0x80072F76, "WININET_E_HEADER_NOT_FOUND", 0),
    (0x80072F78, "WININET_E_INVALID_SERVER_RESPONSE", 8),
    (0x80072F79, "WININET_E_INVALID_HEADER", 0),
    (0x80072F7B, "WININET_E_HEADER_ALREADY_EXISTS", 0),
    (0x80072F7C, "WININET_E_REDIRECT_FAILED", 17),
    (0x80072F7D, "WININET_E_SECURITY_CHANNEL_ERROR", 0),
    (0x80072F83, "WININET_E_DISCONNECTED", 11),
    (0x80072F84, "WININET_E_SERVER_UNREACHABLE", 6),
    (0x80072F85, "WININET_E_PROXY_SERVER_UNREACHABLE", 6),
    (0x80072F07, "WININET_E_HTTP_TO_HTTPS_ON_REDIR", 12),
    (0x80072F08, "WININET_E_HTTPS_TO_HTTP_ON_REDIR", 13),
    (0x80072F10, "WININET_E_REDIRECT_SCHEME_CHANGE", 0),
    (0x800704C9, "ERROR_CONNECTION_REFUSED", 14),
    (0x800704CF, "ERROR_NETWORK_UNREACHABLE", 6),
    (0x800704D0, "ERROR_HOST_UNREACHABLE", 6),
    (0x800704D4, "ERROR_CONNECTION_ABORTED", 9),
    # 4.4 TLS and certificates
    (0x80072F05, "WININET_E_SEC_CERT_DATE_INVALID", 2),
    (0x80072F06, "WININET_E_SEC_CERT_CN_INVALID", 1),
    (0x80072F0C, "WININET_E_CLIENT_AUTH_CERT_NEEDED", 0),
    (0x80072F0D, "WININET_E_INVALID_CA", 5),
    (0x80072F17, "WININET_E_SEC_CERT_ERRORS", 3),
    (0x80072F19, "WININET_E_SEC_CERT_REV_FAILED", 0),
    (0x80072F89, "WININET_E_SEC_INVALID_CERT", 5),
    (0x80072F8A, "WININET_E_SEC_CERT_REVOKED", 4),
    (0x800C000E, "INET_E_SECURITY_PROBLEM", 0),
    # 4.5 HTTP answers without a number of their own
    (0x80190001, "HTTP_E_STATUS_UNEXPECTED", 18),
    (0x80190003, "HTTP_E_STATUS_UNEXPECTED_REDIRECTION", 19),
    (0x80190004, "HTTP_E_STATUS_UNEXPECTED_CLIENT_ERROR", 20),
    (0x80190005, "HTTP_E_STATUS_UNEXPECTED_SERVER_ERROR", 21),
    # 4.6 WebSocket protocol errors
    (0x83760001, "E_INVALID_PROTOCOL_OPERATION", 0),
    (0x83760002, "E_INVALID_PROTOCOL_FORMAT", 0),
    (0x83760003, "E_PROTOCOL_EXTENSIONS_NOT_SUPPORTED", 0),
    (0x83760004, "E_SUBPROTOCOL_NOT_SUPPORTED", 0),
    (0x83760005, "E_PROTOCOL_VERSION_NOT_SUPPORTED", 0),
]

# The choice of this package, which the document leaves silent: a message over max_message_size.
OWN_NUMBERS = {"WSAEMSGSIZE": 0x80072738}

# HRESULT and HTTP status, which is the number of the WebErrorStatus as well.
HTTP_CATALOGUE = (
    {0x8019012C: 300, 0x8019012D: 301, 0x8019012E: 302, 0x8019012F: 303, 0x80190130: 304, 0x80190131: 305}
    | {0x80190133: 307}
    | {0x80190190: 400, 0x80190191: 401, 0x80190192: 402, 0x80190193: 403, 0x80190194: 404, 0x80190195: 405}
    | {0x80190196: 406, 0x80190197: 407, 0x80190198: 408, 0x80190199: 409, 0x8019019A: 410, 0x8019019B: 411}
    | {0x8019019C: 412, 0x8019019D: 413, 0x8019019E: 414, 0x8019019F: 415, 0x801901A0: 416, 0x801901A1: 417}
    | {0x801901F4: 500, 0x801901F5: 501, 0x801901F6: 502, 0x801901F7: 503, 0x801901F8: 504, 0x801901F9: 505}
)

# Class: what else it is in Python, its HRESULT, its status, its errno.
CLASSES = {
    WebSocketError: (OSError, 0x80004005, 0, None),
    InvalidArgumentError: (ValueError, 0x80070057, 0, errno.EINVAL),
    InvalidArgumentTypeError: (TypeError, 0x80070057, 0, errno.EINVAL),
    IllegalMethodCallError: (RuntimeError, 0x8000000E, 0, None),
    InvalidOperationError: (RuntimeError, 0x800710DD, 0, errno.EBUSY),
    ObjectClosedError: (OSError, 0x80000013, 0, errno.EBADF),
    OutOfBoundsError: (IndexError, 0x8000000B, 0, None),
    NoUnicodeTranslationError: (UnicodeError, 0x80070459, 0, errno.EILSEQ),
    OperationCanceledError: (OSError, 0x800704C7, 16, errno.ECANCELED),
    OperationTimedOutError: (TimeoutError, 0x80072EE2, 7, errno.ETIMEDOUT),
    MessageTooBigError: (ValueError, 0x80072738, 0, errno.EMSGSIZE),
    ProtocolViolationError: (OSError, 0x83760002, 0, errno.EPROTO),
    ConnectionLostError: (ConnectionAbortedError, 0x80072EFE, 9, errno.ECONNABORTED),
    ConnectFailedError: (ConnectionError, 0x80004005, 0, None),
    HostNameNotResolvedError: (ConnectionError, 0x80072EE7, 15, None),
    CannotConnectError: (ConnectionError, 0x80072EFD, 14, errno.ECONNREFUSED),
    ProxyError: (ConnectionError, 0x80072F85, 6, errno.ECONNREFUSED),
    TlsError: (ConnectionError, 0x80072F7D, 0, errno.EPROTO),
    CertificateError: (ConnectionError, 0x80072F89, 5, errno.EPROTO),
    HandshakeError: (ConnectionError, 0x80072F78, 8, errno.EPROTO),
    HttpStatusError: (ConnectionError, 0x80190194, 404, errno.EPROTO),
    RedirectError: (ConnectionError, 0x80072F7C, 17, errno.EPROTO),
    ConnectTimedOutError: (TimeoutError, 0x80072EE2, 7, errno.ETIMEDOUT),
    ConnectAbortedError: (ConnectionAbortedError, 0x80072EFE, 9, errno.ECONNABORTED),
    ConnectionOverError: (OSError, 0x80004005, 0, None),
    ConnectionClosedError: (OSError, 0x80000013, 0, errno.EBADF),
    CanceledByCloseError: (OSError, 0x80072EF1, 16, errno.ECANCELED),
}

BUILTINS = (ValueError, TypeError, RuntimeError, IndexError, UnicodeError, TimeoutError, ConnectionError)
CLASS_IDS = [kind.__name__ for kind in CLASSES]

each_class = pytest.mark.parametrize("kind", CLASSES, ids=CLASS_IDS)


def make(kind, message="what went wrong"):
    return kind(message, status_code=404) if kind is HttpStatusError else kind(message)


def as_signed(hresult):
    return int.from_bytes(hresult.to_bytes(4, "big"), "big", signed=True)


# WebSocketError.get_status.


@pytest.mark.parametrize(
    ("hresult", "status"), [(row[0], row[2]) for row in CATALOGUE], ids=[row[1] for row in CATALOGUE]
)
def test_get_status_knows_the_catalogue(hresult, status):
    assert WebSocketError.get_status(as_signed(hresult)) is WebErrorStatus(status)


def test_get_status_gives_http_answers_their_own_number():
    for hresult, status in HTTP_CATALOGUE.items():
        assert WebSocketError.get_status(as_signed(hresult)) is WebErrorStatus(status)


def test_get_status_takes_the_unsigned_form_as_well():
    for hresult, status in [*((row[0], row[2]) for row in CATALOGUE), *HTTP_CATALOGUE.items()]:
        assert WebSocketError.get_status(hresult) is WebErrorStatus(status)


@pytest.mark.parametrize(
    "hresult",
    [0, 1, -1, 404, 0x7FFFFFFF, 0xFFFFFFFF, -0x80000000, 0x80000000]
    # Near to numbers that are known: HTTP statuses without a value, the base itself, the positive twin, WEB_E numbers.
    + [0x80190000, 0x80190002, 0x80190006, 0x8019012B, 0x80190132, 0x80190134, 0x801901A2, 0x801901FA, 0x801903E7]
    + [0x80190065, 0x801900C8, 0x00190194, 0x00072EE2, 0x80072738, 0x83750006, 0x80072EE3, 0x80072F09],
)
def test_get_status_of_any_other_number_is_unknown(hresult):
    assert WebSocketError.get_status(hresult) is WebErrorStatus.UNKNOWN


@settings(deadline=None, max_examples=100, database=None)
@given(st.integers(-0x80000000, 0xFFFFFFFF))
def test_get_status_gives_the_signed_and_the_unsigned_form_the_same_status(hresult):
    known = {row[0]: row[2] for row in CATALOGUE} | HTTP_CATALOGUE
    expected = WebErrorStatus(known.get(hresult % (1 << 32), 0))
    assert WebSocketError.get_status(hresult) is expected


@pytest.mark.parametrize("hresult", [0x100000000, -0x80000001, 1 << 64])
def test_get_status_refuses_what_does_not_fit_32_bits(hresult):
    with pytest.raises(InvalidArgumentError, match=str(hresult)) as raised:
        WebSocketError.get_status(hresult)
    assert raised.value.hresult == as_signed(0x80070057)


@pytest.mark.parametrize("hresult", [None, "0x80070057", 1.0, True, b"", OSError()])
def test_get_status_refuses_what_is_no_int(hresult):
    with pytest.raises(InvalidArgumentTypeError, match=type(hresult).__name__):
        WebSocketError.get_status(hresult)


def test_get_status_takes_its_argument_by_position_only():
    with pytest.raises(TypeError, match="hresult"):
        WebSocketError.get_status(hresult=0)


def test_get_status_can_be_asked_of_every_error_class():
    for kind in CLASSES:
        assert kind.get_status(0x80072EE2) is WebErrorStatus.TIMEOUT


# The numbers.


def test_the_named_numbers_are_those_of_the_catalogue():
    documented = {name: as_signed(number) for number, name, _status in CATALOGUE}
    documented |= {name: as_signed(number) for name, number in OWN_NUMBERS.items()}
    http = {
        int(number) for number in HResult if number & 0xFFFF_FFFF > 0x80190005 and number & 0xFFFF_0000 == 0x80190000
    }
    assert http == {as_signed(number) for number in HTTP_CATALOGUE}
    others = {name: int(number) for name, number in HResult.__members__.items() if number not in http}
    assert others == documented


@pytest.mark.parametrize(
    ("unsigned_form", "signed_form"),
    [(0x80070057, -2147024809), (0x8000000E, -2147483634), (0x80000013, -2147483629), (0x800710DD, -2147020579)]
    + [(0x80000000, -0x80000000), (0xFFFFFFFF, -1), (0, 0), (0x7FFFFFFF, 0x7FFFFFFF)],
)
def test_the_two_forms_of_a_number_belong_together(unsigned_form, signed_form):
    assert signed(unsigned_form) == signed_form
    assert signed(signed_form) == signed_form
    assert unsigned(signed_form) == unsigned_form
    assert unsigned(unsigned_form) == unsigned_form


# Each class.


def test_the_table_of_this_test_holds_every_error_there_is():
    public = {getattr(errors, name) for name in errors.__all__} - {ConnectAttempt}
    assert set(CLASSES) == public


@each_class
def test_an_error_is_an_os_error_and_its_python_kind(kind):
    assert issubclass(kind, WebSocketError)
    assert issubclass(kind, OSError)
    assert issubclass(kind, CLASSES[kind][0])


@each_class
def test_an_error_is_of_no_python_kind_that_does_not_fit(kind):
    fitting = {parent for ancestor in kind.__mro__ if ancestor in CLASSES for parent in CLASSES[ancestor][0].__mro__}
    for builtin in BUILTINS:
        assert issubclass(kind, builtin) == (builtin in fitting)


@each_class
def test_an_error_carries_the_signed_hresult_twice(kind):
    error = make(kind)
    assert error.hresult == error.winerror == as_signed(CLASSES[kind][1])
    assert type(error.hresult) is int


@each_class
def test_an_error_has_the_status_of_its_hresult(kind):
    assert make(kind).status is WebErrorStatus(CLASSES[kind][2])


@each_class
def test_an_error_has_the_nearest_posix_number(kind):
    assert make(kind).errno == CLASSES[kind][3]


@each_class
def test_an_error_tells_its_message(kind):
    error = make(kind)
    assert error.message == error.strerror == "what went wrong"
    assert error.args == ("what went wrong",)


@each_class
def test_an_error_prints_its_message_and_at_the_end_its_number_in_the_documented_form(kind):
    assert str(make(kind)) == f"what went wrong [HRESULT 0x{CLASSES[kind][1]:08X}]"


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if kind is not HttpStatusError])
def test_an_error_may_have_another_hresult_than_its_class(kind):
    error = kind("why", hresult=as_signed(0x80072F84))
    assert error.hresult == error.winerror == as_signed(0x80072F84)
    assert error.status is WebErrorStatus.SERVER_UNREACHABLE
    assert str(error) == "why [HRESULT 0x80072F84]"


def test_an_hresult_given_as_member_becomes_a_plain_int():
    assert type(WebSocketError("why", hresult=HResult.E_ABORT).hresult) is int


def test_an_hresult_of_zero_is_not_taken_for_none():
    assert ConnectionLostError("why", hresult=0).hresult == 0


@pytest.mark.parametrize("name", ["winerror", "status"])
def test_what_follows_from_the_hresult_cannot_be_set(name):
    with pytest.raises(AttributeError):
        setattr(WebSocketError("why"), name, 0)


# Attributes of single classes.


def test_a_timeout_says_whether_the_rest_stays_queued():
    assert OperationTimedOutError("why").is_queued is False
    assert OperationTimedOutError("why", is_queued=True).is_queued is True


def test_a_protocol_violation_says_its_close_code():
    assert ProtocolViolationError("why").close_code == 1002
    assert ProtocolViolationError("why", close_code=1007).close_code == 1007


def test_an_http_answer_is_kept_with_the_error():
    headers = {"location": "wss://example.org/", "server": "x"}
    error = HttpStatusError("moved", status_code=301, headers=headers, body=b"see there")
    assert (error.status_code, error.headers, error.body) == (301, headers, b"see there")
    assert error.location == "wss://example.org/"


def test_the_headers_of_an_http_answer_are_found_in_any_case_and_keep_repeated_ones():
    headers = HttpHeaders([("www-authenticate", "Negotiate"), ("WWW-Authenticate", "Basic")])
    error = pickle.loads(pickle.dumps(HttpStatusError("no", status_code=401, headers=headers)))
    assert error.headers["WWW-authenticate"] == "Negotiate, Basic"
    assert error.headers.get_all("www-authenticate") == ["Negotiate", "Basic"]


def test_an_http_answer_without_headers_and_body_has_empty_ones():
    error = HttpStatusError("no", status_code=404)
    assert (error.headers, error.body, error.location) == ({}, b"", None)


def test_the_headers_of_an_http_answer_are_a_copy():
    headers = {"server": "x"}
    error = HttpStatusError("no", status_code=404, headers=headers)
    headers["server"] = "y"
    assert error.headers == {"server": "x"}


def test_every_http_status_has_the_hresult_of_the_document():
    own = {status: hresult for hresult, status in HTTP_CATALOGUE.items()}
    others = {3: 0x80190003, 4: 0x80190004, 5: 0x80190005}
    for status in range(100, 600):
        expected = own.get(status, others.get(status // 100, 0x80190001))
        assert HttpStatusError("no", status_code=status).hresult == as_signed(expected), status


def test_every_http_status_has_its_own_web_error_status_or_that_of_its_kind():
    kinds = {1: 18, 2: 18, 3: 19, 4: 20, 5: 21}
    for status in range(100, 600):
        number = status if status in HTTP_CATALOGUE.values() else kinds[status // 100]
        assert HttpStatusError("no", status_code=status).status is WebErrorStatus(number), status


@pytest.mark.parametrize("status", [0, 1, 3, 4, 5, 99, 600, 999])
def test_a_number_that_is_no_http_status_is_an_unexpected_one(status):
    error = HttpStatusError("no", status_code=status)
    assert error.hresult == as_signed(0x80190001)
    assert error.status is WebErrorStatus.UNEXPECTED_STATUS_CODE


# What a program catches in order to connect again, and whether that has a chance.


def test_what_connect_raised_before_is_caught_as_before():
    assert issubclass(ConnectTimedOutError, OperationTimedOutError)
    assert issubclass(ConnectAbortedError, ConnectionLostError)
    assert issubclass(ConnectionClosedError, ObjectClosedError)
    assert issubclass(CanceledByCloseError, OperationCanceledError)


@pytest.mark.parametrize(
    "kind",
    [InvalidArgumentError, InvalidArgumentTypeError, IllegalMethodCallError, InvalidOperationError, ObjectClosedError]
    + [OutOfBoundsError, NoUnicodeTranslationError, OperationCanceledError, OperationTimedOutError],
)
def test_what_connecting_again_cannot_mend_is_neither_base(kind):
    assert not issubclass(kind, (ConnectFailedError, ConnectionOverError))
    assert not hasattr(kind, "is_transient")


IS_FAILED_CONNECT_TRANSIENT = {
    HostNameNotResolvedError: True,
    CannotConnectError: True,
    ProxyError: True,
    ConnectTimedOutError: True,
    ConnectAbortedError: True,
    TlsError: False,
    CertificateError: False,
    HandshakeError: False,
    RedirectError: False,
}


@pytest.mark.parametrize(("kind", "is_transient"), IS_FAILED_CONNECT_TRANSIENT.items())
def test_a_failed_connect_tells_whether_it_has_a_chance_later(kind, is_transient):
    assert make(kind).is_transient is is_transient


def test_an_http_answer_has_a_chance_later_when_the_server_is_busy_or_broken():
    transient = {status for status in range(100, 600) if HttpStatusError("no", status_code=status).is_transient}
    assert transient == {408, 425, 429, *range(500, 600)}


@pytest.mark.parametrize(("hresult", "is_transient"), [(0x80190197, False), (0x80072EFD, True), (0x80072F84, True)])
def test_a_proxy_that_does_not_let_us_in_never_will(hresult, is_transient):
    assert ProxyError("no", hresult=as_signed(hresult)).is_transient is is_transient


def over(kind, cause, code=None):
    error = make(kind)
    error.close_cause = cause
    error.close_code = code
    return error


@pytest.mark.parametrize("kind", [ConnectionClosedError, CanceledByCloseError])
def test_a_connection_that_the_server_closed_has_a_chance_later_by_its_code(kind):
    codes = [1000, 1001, 1002, 1003, 1005, 1006, *range(1007, 1015), 3000, 4000, 4999]
    transient = [code for code in codes if over(kind, CloseCause.PEER, code).is_transient]
    assert transient == [1000, 1001, 1005, 1006, 1011, 1012, 1013, 1014, 3000, 4000, 4999]


@pytest.mark.parametrize("cause", set(CloseCause) - {CloseCause.PEER})
def test_a_connection_that_ended_otherwise_has_a_chance_later_when_it_was_lost(cause):
    is_lost = cause in (CloseCause.CONNECTION_LOST, CloseCause.KEEP_ALIVE)
    assert over(ConnectionClosedError, cause, 1000).is_transient is is_lost


def test_a_lost_connection_has_a_chance_later_unless_it_is_the_parent_process_s():
    assert ConnectionLostError("reset").is_transient is True
    assert over(ConnectionLostError, CloseCause.KEEP_ALIVE, 1011).is_transient is True
    assert over(ConnectionLostError, CloseCause.FORKED).is_transient is False


@pytest.mark.parametrize("kind", [ProtocolViolationError, MessageTooBigError])
def test_a_server_that_does_wrong_will_do_so_again(kind):
    assert make(kind).is_transient is False
    assert over(kind, CloseCause.PROTOCOL_ERROR, 1002).is_transient is False


@each_class
def test_an_error_of_a_connection_that_is_over_says_how_it_ended(kind):
    if issubclass(kind, ConnectionOverError):
        error = make(kind)
        code = 1002 if kind is ProtocolViolationError else None
        assert (error.close_cause, error.close_code, error.close_reason) == (CloseCause.NONE, code, "")


# Copies.

WAYS = {
    **{f"pickle {protocol}": protocol for protocol in range(pickle.HIGHEST_PROTOCOL + 1)},
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}

each_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


def again(error, way):
    return way(error) if callable(way) else pickle.loads(pickle.dumps(error, way))


def everything(error):
    return (type(error), error.args, error.message, error.strerror, error.errno, error.hresult, str(error), vars(error))


@each_way
def test_every_error_survives_being_copied(way):
    for kind in CLASSES:
        error = make(kind)
        twin = again(error, way)
        assert twin is not error
        assert everything(twin) == everything(error)


@each_way
@pytest.mark.parametrize(
    "error",
    [
        ConnectionLostError("reset", hresult=as_signed(0x80072EFF)),
        OperationTimedOutError("late", hresult=as_signed(0x800704C7), is_queued=True),
        ProtocolViolationError("bad text", close_code=1007),
        HttpStatusError("moved", status_code=308, headers={"location": "/x"}, body=b"body"),
        RedirectError("moved", location="/x"),
        CertificateError("bad", certificate_errors=[ChainValidationResult.EXPIRED]),
        HttpStatusError("who are you", status_code=407, is_from_proxy=True),
        ProxyError("refused", hresult=as_signed(0x80072EFD), is_about_server=True),
        over(ConnectionClosedError, CloseCause.PEER, 1012),
        over(ConnectionLostError, CloseCause.KEEP_ALIVE, 1011),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_an_error_carries_besides_survives_being_copied(error, way):
    twin = again(error, way)
    assert everything(twin) == everything(error)
    assert twin.status is error.status
    assert getattr(twin, "is_transient", None) is getattr(error, "is_transient", None)


@each_way
def test_what_somebody_hung_on_an_error_survives_being_copied(way):
    error = CannotConnectError("refused")
    error.failures = [("127.0.0.1", 111)]
    assert again(error, way).failures == [("127.0.0.1", 111)]


# and the copy has the class's number again.
@pytest.mark.parametrize("way", [copy.copy, pickle.HIGHEST_PROTOCOL], ids=["copy", "pickle"])
def test_an_errno_that_was_set_survives_being_copied(way):
    error = CannotConnectError("unreachable")
    error.errno = errno.ENETUNREACH
    assert again(error, way).errno == errno.ENETUNREACH


# The tree in the module's docstring.

TREE_LINE = re.compile(r"^    ([│├└─ ]*)([A-Z]\w+Error)(?: +(.*))?$")


def documented_tree():
    """Return {class name: (parent's name, rest of the line)} of the drawing in the docstring."""
    tree = {}
    ancestors = {}
    for line in errors.__doc__.splitlines():
        match = TREE_LINE.match(line)
        if match:
            depth = len(match[1]) // 4
            ancestors[depth] = match[2]
            tree[match[2]] = (ancestors[depth - 1] if depth else None, match[3])
    return tree


def test_the_tree_in_the_docstring_holds_every_class():
    assert set(documented_tree()) == {kind.__name__ for kind in CLASSES}


@each_class
def test_the_tree_in_the_docstring_names_what_a_class_is(kind):
    parent, rest = documented_tree()[kind.__name__]
    named = re.findall(r"\b[A-Z]\w+Error\b", rest or "")
    drawn = [name for name in (parent, *named) if name is not None]
    assert sorted(drawn) == sorted(base.__name__ for base in kind.__bases__)


def test_the_tree_in_the_docstring_names_each_hresult():
    for kind in CLASSES:
        rest = documented_tree()[kind.__name__][1]
        if kind in (WebSocketError, ConnectFailedError, ConnectionOverError, CertificateError, HttpStatusError):
            # No number of its own, or one that depends on the cause.
            continue
        assert f"0x{CLASSES[kind][1]:08X}" in rest, kind


def test_certificate_error_names_the_same_numbers_as_the_tree():
    endings = re.compile(r"(?:0x80072F|…)([0-9A-F]{2})\b")
    tree_line = documented_tree()["CertificateError"][1]
    assert endings.findall(CertificateError.__doc__) == endings.findall(tree_line)
