"""Tests of what people type every day: a misspelt event, a socket in a condition, a value that is printed."""

import inspect
import json
import pathlib
import pydoc
import re
import threading

import jedi
import pytest
from support import LIMIT, echo, join, running_server

import syncws
from syncws import (
    Buffer,
    CloseCause,
    DataReader,
    DataWriter,
    Deferral,
    HResult,
    InputStreamOptions,
    MessageWebSocket,
    MessageWebSocketControl,
    OperationTimedOutError,
    PartialTextReader,
    ReconnectingWebSocket,
    State,
    StreamWebSocket,
    WebErrorStatus,
)
from syncws._arguments.other_names import (
    ATTRIBUTES,
    EVENTS,
    NEEDLESS,
    RECONNECTING_EVENTS,
    RECONNECTING_KEYWORDS,
    SETTINGS,
)
from syncws.events import EventMember
from syncws.hresult import hresult_of_http_status

SOCKETS = pytest.mark.parametrize("make", [MessageWebSocket, StreamWebSocket])


@pytest.mark.parametrize(
    ("name", "meant"),
    [("message_recieved", "message_received"), ("controls", "control"), *EVENTS.items()],
)
def test_a_misspelt_attribute_or_an_event_elsewhere_is_refused_and_the_one_that_is_meant_named(name, meant):
    with pytest.raises(AttributeError, match=f"no attribute {name}; did you mean {meant}"):
        setattr(MessageWebSocket(), name, print)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("conected", "connected"),
        ("keep_running", "close()"),
        *RECONNECTING_EVENTS.items(),
    ],
)
def test_a_reconnecting_socket_refuses_such_an_attribute_too(name, meant):
    with pytest.raises(AttributeError, match=f"no attribute {name}; did you mean {re.escape(meant)}"):
        setattr(syncws.ReconnectingWebSocket("ws://localhost:1/"), name, print)


@pytest.mark.parametrize("name", ["onopen", "onmessage", "onerror", "onclose"])
def test_an_event_in_the_way_of_javascript_is_told_as_the_same_with_an_underscore(name):
    with pytest.raises(AttributeError, match=f"no attribute {name}; did you mean {EVENTS['on_' + name[2:]]}"):
        setattr(MessageWebSocket(), name, print)


@pytest.mark.parametrize(
    "name",
    ["bot", "code", "connected_at", "count", "log", "message", "port", "received", "sent", "session", "status", "url"],
)
@pytest.mark.parametrize("make", [MessageWebSocket, lambda: syncws.ReconnectingWebSocket("ws://localhost:1/")])
def test_a_socket_may_be_given_attributes_that_are_no_misspelt_events(make, name):
    socket = make()
    setattr(socket, name, [])
    assert getattr(socket, name) == []


@pytest.mark.parametrize(("name", "why"), NEEDLESS.items())
def test_a_keyword_for_what_needs_none_is_told_with_the_reason(name, why):
    with pytest.raises(TypeError, match=re.escape(f"no setting {name}; {why}")):
        syncws.connect("ws://localhost:1/", **{name: 1})


@pytest.mark.parametrize(("name", "meant"), SETTINGS.items())
def test_a_setting_by_the_name_that_it_has_elsewhere_is_told_with_ours(name, meant):
    told = re.escape(f"no setting {name}; did you mean {meant}?")
    with pytest.raises(AttributeError, match=told):
        setattr(MessageWebSocket().control, name, 1)
    if name not in inspect.signature(syncws.connect).parameters:
        with pytest.raises(TypeError, match=told):
            syncws.connect("ws://localhost:1/", **{name: 1})


@pytest.mark.parametrize(("name", "meant"), RECONNECTING_KEYWORDS.items())
def test_a_keyword_from_elsewhere_that_means_something_else_when_reconnecting_is_told_with_that(name, meant):
    if name not in inspect.signature(syncws.ReconnectingWebSocket).parameters:
        with pytest.raises(TypeError, match=re.escape(f"no argument {name}; did you mean {meant}?")):
            syncws.ReconnectingWebSocket("ws://localhost:1/", **{name: 1})


@pytest.mark.parametrize(
    ("kind", "connect"), [(MessageWebSocket, syncws.connect), (ReconnectingWebSocket, ReconnectingWebSocket)]
)
def test_an_event_that_is_given_as_a_keyword_is_told_to_take_handlers_later(kind, connect):
    events = [name for name in dir(kind) if isinstance(inspect.getattr_static(kind, name), EventMember)]
    assert "message_received" in events
    for name in events:
        with pytest.raises(TypeError, match=re.escape(f" {name}; did you mean socket.{name} += handler?")):
            connect("ws://localhost:1/", **{name: print})


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("on_connecting", "on_connecting= of reconnecting()"),
        ("policy", "policy= of reconnecting()"),
        ("unix_path", "unix_connect()"),
    ],
)
def test_an_argument_of_reconnecting_that_connect_is_given_is_told_as_one(name, meant):
    with pytest.raises(TypeError, match=re.escape(f"no setting {name}; did you mean {meant}?")):
        syncws.connect("ws://localhost:1/", **{name: None})


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("timout", "timeout= of connect()"),
        ("headrs", "headers= of syncws.connect()"),
        ("subprotocol", "subprotocols= of connect()"),
        ("cancelation_token", "cancellation_token= of connect()"),
        ("sockett", "socket= of connect()"),
        ("back_off", "backoff= of reconnecting()"),
        ("max_atempts", "max_attempts= of reconnecting()"),
        # Another client's.
        ("max_sizes", "max_message_size"),
        ("on_mesage", "message_received of a MessageWebSocket"),
        ("additional_header", "headers= of syncws.connect()"),
        ("ping_timeouts", "keep_alive_timeout"),
    ],
)
def test_a_misspelt_argument_is_told_as_one(written, meant):
    with pytest.raises(TypeError, match=re.escape(f"no setting {written}; did you mean {meant}")):
        syncws.connect("ws://localhost:1/", **{written: 1})


def test_a_setting_of_the_other_socket_is_told_as_one():
    of_messages, of_streams = MessageWebSocketControl._settings, syncws.StreamWebSocketControl._settings
    for name in of_messages.keys() - of_streams.keys():
        with pytest.raises(AttributeError, match=f"no setting {name}; did you mean {name} of a MessageWebSocket"):
            setattr(StreamWebSocket().control, name, 1)
    for name in of_streams.keys() - of_messages.keys():
        with pytest.raises(AttributeError, match=f"no setting {name}; it is a StreamWebSocket's"):
            setattr(MessageWebSocket().control, name, 1)


@pytest.mark.parametrize("meant", sorted({*SETTINGS.values(), *RECONNECTING_KEYWORDS.values(), *ATTRIBUTES.values()}))
def test_what_is_meant_is_there(meant):
    ours = {*dir(syncws.MessageWebSocketControl), *dir(MessageWebSocket), *dir(syncws.WebSocketClosedEventArgs)}
    ours |= {*inspect.signature(syncws.connect).parameters, *dir(syncws), "args", "error"}
    ours |= {*dir(syncws.ReconnectingWebSocket), *inspect.signature(syncws.ReconnectingWebSocket).parameters}
    named = re.findall(r"[a-z]+(?:_[a-z]+)+|\w+(?=\(\))|\w+(?==)|\w+(?='s)|[A-Z][a-z]\w+|(?<=socket\.)\w+|^\w+$", meant)
    assert named
    assert set(named) <= ours


@SOCKETS
def test_a_setting_that_is_set_on_the_socket_is_refused_and_its_control_named(make):
    socket = make()
    for name in socket.control._settings:
        with pytest.raises(AttributeError, match=f"no attribute {name}; did you mean control.{name}\\?"):
            setattr(socket, name, 1)


@SOCKETS
@pytest.mark.parametrize(("name", "meant"), ATTRIBUTES.items())
def test_what_connect_takes_or_ends_a_loop_elsewhere_is_refused_on_the_socket_and_its_place_named(make, name, meant):
    with pytest.raises(AttributeError, match=re.escape(f"no attribute {name}; did you mean {meant}?")):
        setattr(make(), name, 1)


def test_a_keyword_that_is_set_on_a_reconnecting_socket_is_refused_and_its_place_named():
    socket = syncws.ReconnectingWebSocket("ws://localhost:1/")
    keywords = {*inspect.signature(syncws.ReconnectingWebSocket).parameters, *MessageWebSocketControl._settings}
    # The first is no name, and an event is nearer to the second.
    for name in keywords - {"settings", "on_connected"}:
        with pytest.raises(AttributeError, match=f"no attribute {name}; did you mean {name}= of ReconnectingWebSocket"):
            setattr(socket, name, 1)


@SOCKETS
def test_a_socket_may_be_given_attributes_that_are_nothing_like_its_own(make):
    socket = make()
    socket.log = []
    assert socket.log == []


def test_a_subclass_may_have_attributes_of_its_own():
    class Counting(MessageWebSocket):
        def __init__(self):
            super().__init__()
            self.count = 0

    assert Counting().count == 0


def test_a_subclass_may_have_a_lock_and_flags_under_the_names_that_programs_give_them():
    class Bot(MessageWebSocket):
        def __init__(self):
            super().__init__()
            self._lock = threading.Lock()
            self._uri = self._state = "the program's own"
            self._opened = self._closed = self._connecting = self._message_received = False
            self.opened += self._note_opened
            self.closed += self._note_closed

        def _note_opened(self, sender, information):
            self._opened = True

        def _note_closed(self, sender, args):
            self._closed = True

        def stop(self):
            with self._lock:
                self.close()

    bot = Bot()
    with running_server(echo) as uri:
        bot.connect(uri)
        bot.send("x")
        assert bot.receive(LIMIT) == "x"
        stopping = threading.Thread(target=bot.stop, daemon=True)
        stopping.start()
        join(stopping)
    assert (bot._opened, bot._closed, bot._connecting) == (True, True, False)
    assert bot._uri == bot._state == "the program's own"


def test_so_may_a_subclass_of_a_reconnecting_socket():
    class Bot(ReconnectingWebSocket):
        def __init__(self, uri):
            super().__init__(uri)
            self._lock = threading.Lock()
            self._worker = self._current = None
            self._connected = self._disconnected = False
            self.connected += self._note_connected
            self.disconnected += self._note_disconnected

        def _note_connected(self, sender, args):
            self._connected = True
            self.send("x")
            self.close()

        def _note_disconnected(self, sender, args):
            self._disconnected = True

    with running_server(echo) as uri, Bot(uri) as bot:
        assert bot.wait_closed(LIMIT)
    assert (bot._connected, bot._disconnected) == (True, True)


@pytest.mark.parametrize("name", [name for name, value in vars(syncws).items() if inspect.isclass(value)])
def test_help_describes_each_method(name):
    described = getattr(syncws, name)
    shown = pydoc.plain(pydoc.render_doc(described))
    for method in vars(described):
        if not method.startswith("_") and inspect.isroutine(getattr(described, method)):
            assert inspect.getdoc(getattr(described, method)).splitlines()[0] in shown, method


@SOCKETS
def test_an_event_in_a_condition_is_refused_with_advice(make):
    with pytest.raises(TypeError, match="is_open"):
        bool(make().closed)


@SOCKETS
def test_state_is_open_and_uri_tell_how_far_a_socket_has_come(make):
    socket = make()
    assert (socket.state, socket.is_open, socket.uri) == (State.NEW, False, None)
    with running_server(echo) as uri:
        socket.connect(f"{uri}?token=mine")
        assert (socket.state, socket.is_open, socket.uri) == (State.CONNECTED, True, f"{uri}?token=mine")
        socket.close()
    assert (socket.state, socket.is_open, socket.uri) == (State.CLOSED, False, f"{uri}?token=mine")


def test_a_connection_that_the_server_ended_is_not_open():
    with running_server(lambda connection: connection.recv()) as uri, syncws.connect(uri) as socket:
        socket.send("go")
        socket.wait_closed()
        assert (socket.state, socket.is_open) == (State.CLOSED, False)


@pytest.mark.parametrize(
    "value",
    [CloseCause.CONNECTION_LOST, WebErrorStatus.TIMEOUT, HResult.E_FAIL, InputStreamOptions.PARTIAL, CloseCause.NONE],
)
def test_an_enumeration_prints_its_name(value):
    assert str(value) == f"{value}" == value.name
    assert json.dumps(value) == f"{value:d}" == str(int(value))


def test_an_error_prints_the_name_of_its_status():
    assert f"{OperationTimedOutError('late').status}" == "TIMEOUT"


def test_flags_print_their_names():
    assert str(InputStreamOptions(0)) == "NONE"
    assert set(str(InputStreamOptions(3)).split("|")) == {"PARTIAL", "READ_AHEAD"}


def test_an_hresult_is_found_by_either_form():
    for member in HResult:
        assert HResult(int(member)) is HResult(int(member) + (1 << 32)) is member


def test_the_hresult_of_every_http_status_has_a_name():
    for status in range(100, 600):
        number = hresult_of_http_status(status)
        assert HResult(number) is HResult(number & 0xFFFF_FFFF)


@pytest.mark.parametrize("number", [0, 1, 0x8000_0001, -1, 1 << 32, 1 << 64, "0x80072EFD", None])
def test_what_is_no_hresult_of_the_library_is_a_value_error(number):
    with pytest.raises(ValueError, match="HResult"):
        HResult(number)


def test_no_object_of_the_public_api_shows_its_address():
    classes = [value for name in syncws.__all__ if inspect.isclass(value := getattr(syncws, name))]
    assert [cls.__name__ for cls in classes if cls.__repr__ is object.__repr__] == []


SHOWN = {
    "a Deferral": lambda: Deferral(print),
    "a DataWriter": DataWriter,
    "a DataReader": lambda: DataReader.from_buffer(b"abc"),
    "a PartialTextReader": PartialTextReader,
    "a Buffer": lambda: Buffer(3),
    "an output stream": lambda: MessageWebSocket().output_stream,
    "an input stream": lambda: StreamWebSocket().input_stream,
    "an event": lambda: MessageWebSocket().closed,
    "a control": lambda: MessageWebSocket().control,
    "information": lambda: StreamWebSocket().information,
}


@pytest.mark.parametrize("make", SHOWN.values(), ids=SHOWN)
def test_an_object_shows_what_it_is(make):
    assert " at 0x" not in repr(make())


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("create_connection", "; did you mean connect?"),
        ("WebSocketApp", "; did you mean MessageWebSocket, or ReconnectingWebSocket?"),
        # Another name of ours is nearer to each of these than what is meant.
        ("reconnect", "; did you mean reconnecting, or ReconnectingWebSocket?"),
        ("TimeoutError", "; did you mean OperationTimedOutError?"),
        ("WebSocketPayloadException", "; did you mean ProtocolViolationError?"),
        ("WebSocketState", "; did you mean State, or is_open?"),
        ("CloseCode", "; did you mean the number, as in close(1000)?"),
        ("NegotiationError", "; did you mean HandshakeError?"),
        ("WebSocketReceiveResult", "; did you mean MessageWebSocketMessageReceivedEventArgs?"),
        ("WebSocketStream", "; did you mean StreamWebSocket?"),
        ("unix_reconnect", "; did you mean unix_path= of reconnecting, or of ReconnectingWebSocket?"),
        ("WebSocketDisconnect", "; did you mean ConnectionClosedError?"),
        ("WebSocketInvalidTypeReceived", "; did you mean IllegalMethodCallError?"),
        ("WSServerHandshakeError", "; did you mean HttpStatusError?"),
        ("ClientError", "; did you mean WebSocketError?"),
        ("WebSocketTimeout", "; did you mean OperationTimedOutError?"),
        ("websocket_connect", "; did you mean connect?"),
        ("persist", "; did you mean reconnecting, or ReconnectingWebSocket?"),
        ("MessageWebsocket", "; did you mean MessageWebSocket?"),
        # A misspelt name of another client's, to which one of ours is less near.
        ("create_conection", "; did you mean connect?"),
        ("zzz", ""),
        ("_zzz", ""),
    ],
)
def test_a_name_of_another_client_s_module_is_told_what_it_is_here(name, end):
    with pytest.raises(AttributeError) as raised:
        getattr(syncws, name)
    assert str(raised.value) == f"module 'syncws' has no attribute '{name}'{end}"


@pytest.mark.parametrize(
    ("made", "method"),
    [("connect('ws://h')", "send"), ("StreamWebSocket()", "input_stream"), ("DataWriter()", "write_uint32")],
)
def test_a_notebook_completes_what_a_with_block_binds(made, method):
    project = jedi.Project(pathlib.Path(syncws.__file__).parents[1])
    here = jedi.InterpreterEnvironment()
    try:
        script = jedi.Script(f"import syncws\nwith syncws.{made} as it:\n    it.", project=project, environment=here)
    except NotImplementedError as error:
        pytest.skip(f"Jedi does not know this Python: {error}")
    assert method in [completion.name for completion in script.complete()]


def test_each_name_that_is_told_is_there():
    from syncws._arguments.other_names import CLIENTS

    for meant in CLIENTS.values():
        for name in re.findall(r"\b[A-Z]\w+|connect$|enable_trace", meant):
            assert name in syncws.__all__, name
