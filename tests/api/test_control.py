"""Tests of MessageWebSocketControl, and of what both control classes share.

How a control is made, what each property takes, and the freezing at connect.
"""

import gc
import math
import ssl
import weakref
from collections.abc import MutableSequence

import pytest
from support import LIMIT, echo, running_server
from support.scripts import connected, offering, uri_of_nobody
from support.settings import DEFAULTS as EVERY_DEFAULT

from syncws import (
    HResult,
    IllegalMethodCallError,
    InvalidArgumentError,
    InvalidArgumentTypeError,
    MessageWebSocket,
    MessageWebSocketControl,
    MessageWebSocketReceiveMode,
    SocketMessageType,
    StreamWebSocket,
    StreamWebSocketControl,
)

FULL, PARTIAL = MessageWebSocketReceiveMode.FULL_MESSAGE, MessageWebSocketReceiveMode.PARTIAL_MESSAGE
DEFAULTS = EVERY_DEFAULT[MessageWebSocketControl]
TIMEOUTS = [
    "connect_timeout",
    "happy_eyeballs_delay",
    "send_timeout",
    "receive_timeout",
    "close_timeout",
    "keep_alive_interval",
]
NUMBERS = {
    "max_message_size": (0, 0xFFFF_FFFF),
    "outbound_buffer_size_in_bytes": (0, 0x7FFF_FFFF),
    "max_connect_addresses": (1, 100),
    "inbox_size_in_bytes": (1, 0xFFFF_FFFF),
}
FROZEN = sorted(set(DEFAULTS) - {"message_type"})

# Every way to change a list, and what becomes of ["a", "b"].
EDITS = {
    "append": (lambda protocols: protocols.append("c"), ["a", "b", "c"]),
    "insert": (lambda protocols: protocols.insert(0, "c"), ["c", "a", "b"]),
    "extend": (lambda protocols: protocols.extend(["c", "d"]), ["a", "b", "c", "d"]),
    "set one": (lambda protocols: protocols.__setitem__(0, "c"), ["c", "b"]),
    "set a slice": (lambda protocols: protocols.__setitem__(slice(0, 1), ["c", "d"]), ["c", "d", "b"]),
    "delete one": (lambda protocols: protocols.__delitem__(0), ["b"]),
    "delete a slice": (lambda protocols: protocols.__delitem__(slice(None)), []),
    "pop": (lambda protocols: protocols.pop(), ["a"]),
    "remove": (lambda protocols: protocols.remove("a"), ["b"]),
    "reverse": (lambda protocols: protocols.reverse(), ["b", "a"]),
    "clear": (lambda protocols: protocols.clear(), []),
    "add in place": (lambda protocols: protocols.__iadd__(["c"]), ["a", "b", "c"]),
}
each_edit = pytest.mark.parametrize(("edit", "edited"), EDITS.values(), ids=EDITS)
ADDITIONS = {
    "append": lambda protocols, value: protocols.append(value),
    "insert": lambda protocols, value: protocols.insert(0, value),
    "extend": lambda protocols, value: protocols.extend([value]),
    "set one": lambda protocols, value: protocols.__setitem__(1, value),
    "set a slice": lambda protocols, value: protocols.__setitem__(slice(1, 2), [value]),
    "add in place": lambda protocols, value: protocols.__iadd__([value]),
}


@pytest.fixture
def control():
    return MessageWebSocket().control


@pytest.fixture
def protocols(control):
    control.supported_protocols.extend(["a", "b"])
    return control.supported_protocols


@pytest.fixture
def socket():
    """A socket that is connected."""
    with connected(echo, offering("a", "b"), run=running_server) as socket:
        yield socket


def assert_refused(raised):
    assert raised.value.hresult == HResult.E_INVALIDARG


# The object.


SOCKETS = [(MessageWebSocket, MessageWebSocketControl), (StreamWebSocket, StreamWebSocketControl)]


@pytest.mark.parametrize(("socket_class", "control_class"), SOCKETS)
def test_a_control_cannot_be_made(socket_class, control_class):
    with pytest.raises(TypeError, match=rf"use {socket_class.__name__}\.control"):
        control_class()


@pytest.mark.parametrize(("socket_class", "control_class"), SOCKETS)
def test_a_socket_has_one_control_object(socket_class, control_class):
    socket = socket_class()
    assert socket.control is socket.control
    assert type(socket.control) is control_class


def test_two_sockets_have_controls_of_their_own():
    first, second = MessageWebSocket(), MessageWebSocket()
    first.control.close_timeout = 1
    first.control.supported_protocols.append("a")
    assert second.control.close_timeout == 10
    assert list(second.control.supported_protocols) == []


def test_control_cannot_be_assigned():
    socket = MessageWebSocket()
    with pytest.raises(AttributeError):
        socket.control = socket.control


def test_a_mistyped_property_is_no_new_attribute(control):
    with pytest.raises(AttributeError):
        control.max_mesage_size = 5


@pytest.mark.parametrize(("socket_class", "control_class"), SOCKETS)
def test_each_setting_has_its_default(socket_class, control_class):
    control = socket_class().control
    for name, default in EVERY_DEFAULT[control_class].items():
        value = getattr(control, name)
        assert (value, type(value)) == (default, type(default)), name


@pytest.mark.parametrize("control_class", EVERY_DEFAULT)
def test_a_control_has_no_properties_but_these(control_class):
    names = {name for name in dir(control_class) if not name.startswith("_")}
    assert names == {
        *EVERY_DEFAULT[control_class],
        "ignorable_server_certificate_errors",
        "supported_protocols",
        "socket_options",
        "actual_unsolicited_pong_interval",
        "copy_from",
        "update",
    }


def test_a_message_socket_has_no_no_delay(control):
    with pytest.raises(AttributeError):
        control.no_delay = True


def test_repr_tells_whether_the_settings_are_frozen(control, socket):
    assert repr(control) == "<MessageWebSocketControl settable>"
    socket.control.message_type = SocketMessageType.UTF8
    assert repr(socket.control) == "<MessageWebSocketControl frozen supported_protocols=[***, ***] message_type=UTF8>"


# message_type.


@pytest.mark.parametrize("value", [SocketMessageType.UTF8, 1])
def test_message_type_takes_a_member_or_its_number(control, value):
    control.message_type = value
    assert control.message_type is SocketMessageType.UTF8


@pytest.mark.parametrize("value", [2, -1, None, "UTF8", "binary", [], object()])
def test_message_type_refuses_everything_else(control, value):
    shown = value if isinstance(value, int) else type(value).__name__
    wanted = rf"message_type must be a SocketMessageType \(BINARY, UTF8\), not {shown}"
    with pytest.raises(InvalidArgumentTypeError, match=wanted) as raised:
        control.message_type = value
    assert_refused(raised)
    assert control.message_type is SocketMessageType.BINARY


# receive_mode, and the default of max_message_size that hangs on it.


@pytest.mark.parametrize(("value", "mode"), [(PARTIAL, PARTIAL), (1, PARTIAL), (FULL, FULL), (0, FULL)])
def test_receive_mode_takes_a_member_or_its_number(control, value, mode):
    control.receive_mode = FULL if mode is PARTIAL else PARTIAL
    control.receive_mode = value
    assert control.receive_mode is mode


@pytest.mark.parametrize("value", [2, -1, None, "PARTIAL_MESSAGE", True, 1.0, SocketMessageType.UTF8, [], object()])
@pytest.mark.parametrize("mode", [FULL, PARTIAL])
def test_receive_mode_refuses_everything_else_and_does_not_change(control, mode, value):
    control.receive_mode = mode
    with pytest.raises(InvalidArgumentTypeError, match="receive_mode must be a MessageWebSocketReceiveMode") as raised:
        control.receive_mode = value
    assert_refused(raised)
    assert control.receive_mode is mode


def test_without_a_setting_partial_messages_have_no_size_limit(control):
    control.receive_mode = PARTIAL
    assert control.max_message_size == 0xFFFF_FFFF
    control.receive_mode = FULL
    assert control.max_message_size == 64 * 1024 * 1024


@pytest.mark.parametrize("size", [0, 5, 64 * 1024 * 1024, 0xFFFF_FFFF])
@pytest.mark.parametrize("first", [FULL, PARTIAL])
def test_a_size_limit_that_was_set_holds_in_both_receive_modes(control, first, size):
    control.receive_mode = first
    control.max_message_size = size
    for mode in (1, 0):
        control.receive_mode = mode
        assert control.max_message_size == size


# Time limits.


@pytest.mark.parametrize("name", TIMEOUTS)
def test_a_time_limit_takes_seconds_and_gives_a_float(control, name):
    for value in (0, 0.0, 0.001, 5, 1e9):
        setattr(control, name, value)
        assert getattr(control, name) == value
        assert type(getattr(control, name)) is float


@pytest.mark.parametrize("name", TIMEOUTS)
def test_a_time_limit_may_be_for_ever(control, name):
    for value in (None, math.inf):
        setattr(control, name, 5)
        setattr(control, name, value)
        assert getattr(control, name) is None


@pytest.mark.parametrize("name", TIMEOUTS)
def test_a_negative_time_limit_is_refused(control, name):
    for value in (-1, -0.001, -math.inf, math.nan):
        with pytest.raises(InvalidArgumentError, match=f"{name} must be 0 or more seconds, .*got {value}") as raised:
            setattr(control, name, value)
        assert_refused(raised)
        assert getattr(control, name) == DEFAULTS[name]


@pytest.mark.parametrize("name", TIMEOUTS)
def test_a_time_limit_that_is_no_number_is_refused(control, name):
    for value in ("5", True, False, b"5", [5], 5j):
        with pytest.raises(InvalidArgumentTypeError, match=f"{name} must be seconds as a number") as raised:
            setattr(control, name, value)
        assert_refused(raised)


@pytest.mark.parametrize("value", [10**400, -(10**400)], ids=["high", "low"])
def test_a_time_limit_beyond_all_floats_is_refused(control, value):
    with pytest.raises(InvalidArgumentError, match="receive_timeout") as raised:
        control.receive_timeout = value
    assert_refused(raised)


# Numbers.


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_may_be_at_the_ends_of_its_range(control, name):
    for value in NUMBERS[name]:
        setattr(control, name, value)
        assert getattr(control, name) == value


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_beyond_its_range_is_refused(control, name):
    lowest, highest = NUMBERS[name]
    for value in (lowest - 1, highest + 1, -(1 << 70), 1 << 70):
        message = f"{name} must be from {lowest} to {highest}, got {value}"
        with pytest.raises(InvalidArgumentError, match=message) as raised:
            setattr(control, name, value)
        assert_refused(raised)
        assert getattr(control, name) == DEFAULTS[name]


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_that_is_no_int_is_refused(control, name):
    for value in (None, "5", 5.0, True, b"5", [5]):
        message = f"{name} must be an int, not {type(value).__name__}"
        with pytest.raises(InvalidArgumentTypeError, match=message) as raised:
            setattr(control, name, value)
        assert_refused(raised)


def test_an_outbound_buffer_size_of_0_is_the_systems_again(control):
    control.outbound_buffer_size_in_bytes = 4096
    control.outbound_buffer_size_in_bytes = 0
    assert control.outbound_buffer_size_in_bytes == 0


# ssl_context.


@pytest.mark.parametrize("name", ["ssl_context", "proxy_ssl_context"])
def test_ssl_context_takes_a_context_and_none(control, name):
    context = ssl.create_default_context()
    setattr(control, name, context)
    assert getattr(control, name) is context
    setattr(control, name, None)
    assert getattr(control, name) is None


@pytest.mark.parametrize("name", ["ssl_context", "proxy_ssl_context"])
@pytest.mark.parametrize("value", [True, "TLS", ssl.SSLContext, 5])
def test_ssl_context_refuses_everything_else(control, name, value):
    with pytest.raises(InvalidArgumentTypeError, match=rf"{name} must be an ssl\.SSLContext or None") as raised:
        setattr(control, name, value)
    assert_refused(raised)


@pytest.mark.parametrize("name", ["ssl_context", "proxy_ssl_context"])
def test_a_context_of_a_server_is_refused_when_it_is_set(control, name):
    with pytest.raises(InvalidArgumentError, match=rf"{name} is a server's: make it with ssl\.create_default_context"):
        setattr(control, name, ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))
    assert getattr(control, name) is None


def test_who_wants_no_limit_of_messages_is_told_how(control):
    with pytest.raises(InvalidArgumentTypeError, match="must be an int, not NoneType; 0xFFFFFFFF for no limit"):
        control.max_message_size = None


# supported_protocols.


def test_no_subprotocols_are_offered_by_default(control):
    assert control.supported_protocols == []
    assert len(control.supported_protocols) == 0


def test_supported_protocols_is_one_mutable_sequence(control):
    assert isinstance(control.supported_protocols, MutableSequence)
    assert control.supported_protocols is control.supported_protocols


def test_supported_protocols_cannot_be_assigned(control):
    with pytest.raises(InvalidArgumentTypeError, match=r"as by control\.supported_protocols\.extend\("):
        control.supported_protocols = ["a"]


def test_supported_protocols_can_be_extended_in_place(control):
    control.supported_protocols += ["a", "b"]
    assert control.supported_protocols == ["a", "b"]


def test_supported_protocols_can_be_read_like_a_list(protocols):
    assert protocols[0] == "a"
    assert protocols[-1] == "b"
    assert protocols[:1] == ["a"]
    assert list(protocols) == ["a", "b"]
    assert "a" in protocols
    assert protocols.index("b") == 1
    assert protocols.count("b") == 1
    assert list(reversed(protocols)) == ["b", "a"]


def test_supported_protocols_leaves_no_control_to_the_garbage_collector():
    gc.disable()
    try:
        control = MessageWebSocketControl._create()
        protocols = control.supported_protocols
        gone = weakref.ref(control)
        del control
        assert gone() is None
    finally:
        gc.enable()
    protocols.append("a")
    assert protocols == ["a"]


def test_supported_protocols_equals_lists_and_tuples_of_the_same(protocols, control):
    assert protocols == ["a", "b"]
    assert protocols == ("a", "b")
    assert protocols == control.supported_protocols
    assert protocols != ["b", "a"]
    assert protocols != "ab"


def test_supported_protocols_is_not_hashable(protocols):
    with pytest.raises(TypeError, match="unhashable"):
        hash(protocols)


def test_supported_protocols_shows_its_entries(protocols):
    assert repr(protocols) == "['a', 'b']"


@each_edit
def test_supported_protocols_can_be_edited_like_a_list(protocols, edit, edited):
    edit(protocols)
    assert list(protocols) == edited


def test_supported_protocols_keeps_the_case(protocols):
    protocols.append("A")
    assert list(protocols) == ["a", "b", "A"]


@pytest.mark.parametrize("how", ADDITIONS)
def test_a_subprotocol_that_is_no_token_is_refused(protocols, how):
    for value in ("", " ", "a b", "a,b", "a/b", "a\r\nb", "a\x00", "ü", '"q"', "a;b", "\ud800"):
        with pytest.raises(InvalidArgumentError, match=r"subprotocol number \d is not a token") as raised:
            ADDITIONS[how](protocols, value)
        assert_refused(raised)
        assert list(protocols) == ["a", "b"]


@pytest.mark.parametrize("how", ADDITIONS)
def test_a_subprotocol_that_is_there_already_is_refused(protocols, how):
    with pytest.raises(InvalidArgumentError, match=r"subprotocol number \d is in the list already") as raised:
        ADDITIONS[how](protocols, "a")
    assert_refused(raised)
    assert list(protocols) == ["a", "b"]


@pytest.mark.parametrize("how", ADDITIONS)
def test_a_subprotocol_that_is_no_str_is_refused(protocols, how):
    for value in (None, 5, b"chat", ["chat"]):
        with pytest.raises(InvalidArgumentTypeError, match="must be str") as raised:
            ADDITIONS[how](protocols, value)
        assert_refused(raised)
        assert list(protocols) == ["a", "b"]


def test_an_entry_may_be_set_to_itself(protocols):
    protocols[0] = "a"
    assert list(protocols) == ["a", "b"]


def test_a_slice_may_swap_entries(protocols):
    protocols[:] = ["b", "a"]
    assert list(protocols) == ["b", "a"]


@pytest.mark.parametrize("value", ["chat", 5, None])
def test_what_is_no_sequence_of_str_is_refused_in_the_place_of_a_slice(protocols, value):
    wanted = rf'must be a sequence of str, as in \["chat"\], not {type(value).__name__}'
    with pytest.raises(InvalidArgumentTypeError, match=wanted) as raised:
        protocols[:] = value
    assert_refused(raised)
    assert list(protocols) == ["a", "b"]


def test_extending_by_one_str_is_refused_and_not_taken_letter_by_letter(protocols):
    with pytest.raises(InvalidArgumentTypeError):
        protocols.extend("chat")
    assert list(protocols) == ["a", "b"]


# Frozen at connect.


@pytest.mark.parametrize("name", FROZEN)
def test_after_connect_a_property_cannot_be_set(socket, name):
    with pytest.raises(IllegalMethodCallError, match="only message_type can") as raised:
        setattr(socket.control, name, DEFAULTS[name])
    assert raised.value.hresult == HResult.E_ILLEGAL_METHOD_CALL


def test_after_connect_every_property_can_be_read(socket):
    assert {name: getattr(socket.control, name) for name in DEFAULTS} == DEFAULTS


def test_after_connect_message_type_can_be_set(socket):
    socket.control.message_type = SocketMessageType.UTF8
    assert socket.control.message_type is SocketMessageType.UTF8


@each_edit
def test_after_connect_supported_protocols_cannot_be_edited(socket, edit, edited):
    with pytest.raises(IllegalMethodCallError) as raised:
        edit(socket.control.supported_protocols)
    assert raised.value.hresult == HResult.E_ILLEGAL_METHOD_CALL
    assert list(socket.control.supported_protocols) == ["a", "b"]


def test_the_settings_stay_frozen_after_close(socket):
    socket.close()
    with pytest.raises(IllegalMethodCallError):
        socket.control.close_timeout = 1


@pytest.mark.parametrize("name", FROZEN)
def test_after_a_failed_connect_a_property_can_be_set_again(name):
    socket = MessageWebSocket()
    with pytest.raises(OSError, match="HRESULT"):
        socket.connect(uri_of_nobody())
    setattr(socket.control, name, DEFAULTS[name])
    socket.control.supported_protocols.append("c")


def test_a_bad_uri_freezes_nothing(control):
    socket = MessageWebSocket()
    with pytest.raises(InvalidArgumentError):
        socket.connect("http://localhost/")
    socket.control.close_timeout = 1


def test_a_number_too_long_to_be_written_out_is_refused_like_any_other(control):
    with pytest.raises(InvalidArgumentError, match="got an integer of 33220 bits"):
        control.max_message_size = 10**10000


# The resolver.


@pytest.mark.parametrize("value", ["127.0.0.1", 5, object()])
def test_what_is_no_resolver_is_refused(control, value):
    with pytest.raises(InvalidArgumentTypeError, match=r"resolver must be a dns\.resolver\.Resolver") as caught:
        control.resolver = value
    assert caught.value.hresult == HResult.E_INVALIDARG
    assert control.resolver is None


def test_a_socket_asks_its_own_resolver():
    asked = []

    class Loopback:
        lifetime = LIMIT

        def resolve(self, name, kind, **_):
            asked.append((name, kind))
            return ["127.0.0.1"] if kind == "A" else []

    socket = MessageWebSocket()
    socket.control.resolver = Loopback()
    with running_server(echo) as uri, socket:
        socket.connect(uri.replace("localhost", "example.org"))
        assert str(socket.information.remote_address) == "127.0.0.1"
    assert sorted(asked) == [("example.org", "A"), ("example.org", "AAAA")]
