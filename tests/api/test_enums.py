"""Tests of syncws.enums: every member and number, typed from the Windows documentation."""

import enum

import pytest

from syncws import enums

# SocketMessageType, MessageWebSocketReceiveMode and the enumerations of streams.
SMALL = {
    "SocketMessageType": {"BINARY": 0, "UTF8": 1},
    "MessageWebSocketReceiveMode": {"FULL_MESSAGE": 0, "PARTIAL_MESSAGE": 1},
    "SocketSslErrorSeverity": {"NONE": 0, "IGNORABLE": 1, "FATAL": 2},
    "InputStreamOptions": {"NONE": 0, "PARTIAL": 1, "READ_AHEAD": 2},
    "UnicodeEncoding": {"UTF8": 0, "UTF16_L_E": 1, "UTF16_B_E": 2},
    "ByteOrder": {"LITTLE_ENDIAN": 0, "BIG_ENDIAN": 1},
    "HostNameType": {"DOMAIN_NAME": 0, "IPV4": 1, "IPV6": 2, "BLUETOOTH": 3},
    "AsyncStatus": {"STARTED": 0, "COMPLETED": 1, "CANCELED": 2, "ERROR": 3},
}

# Every call blocks, so there is no asynchronous operation to have a status.
ABSENT = {"AsyncStatus"}

# WebErrorStatus.
WEB_ERROR_STATUS = {
    "UNKNOWN": 0,
    "CERTIFICATE_COMMON_NAME_IS_INCORRECT": 1,
    "CERTIFICATE_EXPIRED": 2,
    "CERTIFICATE_CONTAINS_ERRORS": 3,
    "CERTIFICATE_REVOKED": 4,
    "CERTIFICATE_IS_INVALID": 5,
    "SERVER_UNREACHABLE": 6,
    "TIMEOUT": 7,
    "ERROR_HTTP_INVALID_SERVER_RESPONSE": 8,
    "CONNECTION_ABORTED": 9,
    "CONNECTION_RESET": 10,
    "DISCONNECTED": 11,
    "HTTP_TO_HTTPS_ON_REDIRECTION": 12,
    "HTTPS_TO_HTTP_ON_REDIRECTION": 13,
    "CANNOT_CONNECT": 14,
    "HOST_NAME_NOT_RESOLVED": 15,
    "OPERATION_CANCELED": 16,
    "REDIRECT_FAILED": 17,
    "UNEXPECTED_STATUS_CODE": 18,
    "UNEXPECTED_REDIRECTION": 19,
    "UNEXPECTED_CLIENT_ERROR": 20,
    "UNEXPECTED_SERVER_ERROR": 21,
    "INSUFFICIENT_RANGE_SUPPORT": 22,
    "MISSING_CONTENT_LENGTH_SUPPORT": 23,
    "MULTIPLE_CHOICES": 300,
    "MOVED_PERMANENTLY": 301,
    "FOUND": 302,
    "SEE_OTHER": 303,
    "NOT_MODIFIED": 304,
    "USE_PROXY": 305,
    "TEMPORARY_REDIRECT": 307,
    "BAD_REQUEST": 400,
    "UNAUTHORIZED": 401,
    "PAYMENT_REQUIRED": 402,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "METHOD_NOT_ALLOWED": 405,
    "NOT_ACCEPTABLE": 406,
    "PROXY_AUTHENTICATION_REQUIRED": 407,
    "REQUEST_TIMEOUT": 408,
    "CONFLICT": 409,
    "GONE": 410,
    "LENGTH_REQUIRED": 411,
    "PRECONDITION_FAILED": 412,
    "REQUEST_ENTITY_TOO_LARGE": 413,
    "REQUEST_URI_TOO_LONG": 414,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "REQUESTED_RANGE_NOT_SATISFIABLE": 416,
    "EXPECTATION_FAILED": 417,
    "INTERNAL_SERVER_ERROR": 500,
    "NOT_IMPLEMENTED": 501,
    "BAD_GATEWAY": 502,
    "SERVICE_UNAVAILABLE": 503,
    "GATEWAY_TIMEOUT": 504,
    "HTTP_VERSION_NOT_SUPPORTED": 505,
}

# ChainValidationResult, SocketSslErrorSeverity.
CHAIN_VALIDATION_RESULT = {
    "SUCCESS": 0,
    "UNTRUSTED": 1,
    "REVOKED": 2,
    "EXPIRED": 3,
    "INCOMPLETE_CHAIN": 4,
    "INVALID_SIGNATURE": 5,
    "WRONG_USAGE": 6,
    "INVALID_NAME": 7,
    "INVALID_CERTIFICATE_AUTHORITY_POLICY": 8,
    "BASIC_CONSTRAINTS_ERROR": 9,
    "UNKNOWN_CRITICAL_EXTENSION": 10,
    "REVOCATION_INFORMATION_MISSING": 11,
    "REVOCATION_FAILURE": 12,
    "OTHER_ERRORS": 13,
}

# Beyond WinRT.
OWN = {
    "CloseCause": {
        "NONE": 0,
        "PEER": 1,
        "LOCAL": 2,
        "ABORTED": 3,
        "DROPPED": 4,
        "CONNECTION_LOST": 5,
        "KEEP_ALIVE": 6,
        "PROTOCOL_ERROR": 7,
        "MESSAGE_TOO_BIG": 8,
        "FORKED": 9,
        "HANDLER": 10,
    }
}

DOCUMENTED = {**SMALL, **OWN, "WebErrorStatus": WEB_ERROR_STATUS, "ChainValidationResult": CHAIN_VALIDATION_RESULT}


def test_the_enumerations_are_those_of_the_document():
    assert set(enums.__all__) == set(DOCUMENTED) - ABSENT


@pytest.mark.parametrize("name", enums.__all__)
def test_an_enumeration_has_exactly_the_documented_members_and_numbers(name):
    members = getattr(enums, name).__members__
    assert {member: int(value) for member, value in members.items()} == DOCUMENTED[name]


@pytest.mark.parametrize("name", enums.__all__)
def test_only_the_flags_can_be_combined(name):
    kind = getattr(enums, name)
    assert issubclass(kind, enum.IntFlag if name == "InputStreamOptions" else enum.IntEnum)
    assert issubclass(kind, enum.Flag) == (name == "InputStreamOptions")


@pytest.mark.parametrize("name", enums.__all__)
def test_the_docstring_names_the_windows_enumeration(name):
    assert ("beyond WinRT" if name in OWN else f".{name}") in getattr(enums, name).__doc__


def test_stream_options_combine_to_the_sum_of_their_numbers():
    both = enums.InputStreamOptions.PARTIAL | enums.InputStreamOptions.READ_AHEAD
    assert both == 3
    assert enums.InputStreamOptions.PARTIAL in both


def test_web_error_status_has_55_values():
    assert len(enums.WebErrorStatus) == len(WEB_ERROR_STATUS) == 55


@pytest.mark.parametrize("number", [24, 100, 101, 200, 306, 308, 418, 426, 429, 506, 511])
def test_web_error_status_has_the_gaps_of_the_document(number):
    with pytest.raises(ValueError, match=str(number)):
        enums.WebErrorStatus(number)


def test_chain_validation_result_has_14_values():
    assert len(enums.ChainValidationResult) == 14
