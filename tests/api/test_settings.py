"""Tests of what all settings have in common: descriptors, keywords, several at once, handed to another socket."""

import datetime as dt
import inspect
import os
import ssl
from collections.abc import Iterable, MutableSequence, Sequence
from http.cookiejar import CookieJar
from typing import get_args, get_origin, get_type_hints

import pytest
from support import echo, running_server, settings_with
from support.message_websocket import unheard_listener
from support.scripts import uri_of_nobody
from support.settings import OTHERS

import syncws
from syncws import (
    IllegalMethodCallError,
    InvalidArgumentError,
    InvalidArgumentTypeError,
    MessageWebSocket,
    MessageWebSocketControl,
    SocketMessageType,
    StreamWebSocket,
    StreamWebSocketControl,
)
from syncws._arguments.kept_settings import KeptSettings
from syncws._arguments.setting import ListSetting, Setting
from syncws.control import MessageWebSocketSettings, StreamWebSocketSettings

# What the library imports for its annotations only when they are checked.
LOADED_LATE = {"os": os, "ssl": ssl, "CookieJar": CookieJar}

KEYWORDS = {MessageWebSocketControl: MessageWebSocketSettings, StreamWebSocketControl: StreamWebSocketSettings}
SETTINGS = [(control_class, name) for control_class in KEYWORDS for name in control_class._settings]
each_setting = pytest.mark.parametrize(("control_class", "name"), SETTINGS)


def others_of(control_class):
    return {name: OTHERS[name] for name in control_class._settings}


def values_of(control):
    return {name: getattr(control, name) for name in control._settings}


def with_tuples(values):
    return {name: tuple(value) if isinstance(value, MutableSequence) else value for name, value in values.items()}


@pytest.fixture
def control():
    return MessageWebSocket().control


@pytest.fixture
def stream_control():
    return StreamWebSocket().control


# The descriptors.


@pytest.mark.parametrize("control_class", KEYWORDS)
def test_the_keywords_are_the_settings_with_their_types(control_class):
    keywords = get_type_hints(KEYWORDS[control_class], localns=LOADED_LATE)
    types = {}
    for name, setting in control_class._settings.items():
        if isinstance(setting, ListSetting):
            types[name] = Iterable[get_args(get_type_hints(setting.check_all)["return"])]
        else:
            types[name] = get_type_hints(setting.check, localns=LOADED_LATE)["return"]
    assert keywords == types
    assert not KEYWORDS[control_class].__required_keys__


def test_each_attribute_that_keeps_a_setting_has_its_type():
    keywords = get_type_hints(MessageWebSocketSettings, localns=LOADED_LATE)
    settings = MessageWebSocketControl._settings
    kept = get_type_hints(KeptSettings, localns={**vars(syncws), **LOADED_LATE, "dt": dt})
    for attribute in kept.keys() - {"_default_inbox_size"}:
        name = attribute.removeprefix("_")
        if isinstance(settings[name], ListSetting):
            assert get_origin(kept[attribute]) is Sequence
        else:
            # None where the default depends on the control.
            assert kept[attribute] in (keywords[name], keywords[name] | None)


@each_setting
def test_a_default_passes_the_setting_s_own_check(control_class, name):
    control = control_class._create()
    default = getattr(control, name)
    assert control_class._settings[name].accept(control, default) == default


@each_setting
def test_help_tells_what_a_setting_means_and_what_it_refuses(control_class, name):
    doc = inspect.getdoc(getattr(control_class, name))
    meaning, _, errors = doc.partition("\n\nRaises:\n")
    assert meaning[0].isupper() or meaning[0].isdigit()
    assert "InvalidArgument" in errors
    assert all(line.startswith("    ") for line in errors.splitlines())
    assert ("set after connect (0x8000000E)" in errors) is (name != "message_type")
    default = getattr(control_class._create(), name)
    if not isinstance(default, MutableSequence):
        assert "efault" in meaning
    assert inspect.isdatadescriptor(inspect.getattr_static(control_class, name))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("connect_timeout", "Default: 60."),
        ("max_connect_addresses", "Default: 5."),
        ("message_type", "Default: BINARY."),
        ("desired_unsolicited_pong_interval", "Default: timedelta(0)."),
    ],
)
def test_help_shows_the_default(name, shown):
    assert shown in inspect.getdoc(getattr(MessageWebSocketControl, name)).splitlines()


def test_a_setting_works_without_docstrings_too():
    class Control:
        def _check_settable(self):
            pass

        size = Setting(1, lambda value, what: value, "A size.")

    control = Control()
    control.size = 2
    assert (control.size, Control().size) == (2, 1)


def test_a_mistyped_name_is_told_with_the_nearest(control):
    with pytest.raises(AttributeError, match=r"no setting max_mesage_size; did you mean max_message_size\?"):
        control.max_mesage_size = 5
    with pytest.raises(AttributeError, match=r"no setting zzz$"):
        control.zzz = 5


@pytest.mark.parametrize("name", ["update", "copy_from"])
def test_a_method_cannot_be_assigned(control, name):
    with pytest.raises(AttributeError, match=name):
        setattr(control, name, None)


# What a connection works with.


@pytest.mark.parametrize("control_class", KEYWORDS)
def test_a_snapshot_has_every_setting_and_keeps_it(control_class):
    control = control_class._create()
    control.update(**others_of(control_class))
    snapshot = control._snapshot((("X", "y"),))
    control.update(**values_of(control_class._create()))
    assert values_of(snapshot) == with_tuples(others_of(control_class))
    assert snapshot._request_headers == (("X", "y"),)


def test_a_snapshot_of_nothing_set_has_the_defaults(control):
    assert values_of(control._snapshot()) == with_tuples(values_of(control))


def test_a_snapshot_cannot_be_changed(control):
    snapshot = control._snapshot()
    with pytest.raises(IllegalMethodCallError):
        snapshot.close_timeout = 1
    with pytest.raises(IllegalMethodCallError):
        snapshot.supported_protocols.append("a")
    control.supported_protocols.append("b")
    with pytest.raises(AttributeError):
        control._snapshot().supported_protocols.append("a")


def test_a_changed_copy_leaves_the_snapshot_as_it_was():
    credential = OTHERS["server_credential"]
    snapshot = settings_with(server_credential=credential, proxy="http://proxy")
    changed = snapshot._replaced(server_credential=None, request_headers=(("X", "y"),))
    assert (changed.server_credential, changed.proxy, changed._request_headers) == (None, "http://proxy", (("X", "y"),))
    assert (snapshot.server_credential, snapshot._request_headers) == (credential, ())
    assert changed._made_plans is snapshot._made_plans


@pytest.mark.parametrize(("size", "limit"), [(0xFFFF_FFFF, 1 << 63), (0xFFFF_FFFE, 0xFFFF_FFFE), (0, 0)])
def test_the_largest_message_size_is_no_limit(size, limit):
    assert settings_with(max_message_size=size)._message_limit() == limit


# Several at once.


@pytest.mark.parametrize("control_class", KEYWORDS)
def test_update_sets_every_setting(control_class):
    control = control_class._create()
    control.update(**others_of(control_class))
    assert values_of(control) == others_of(control_class)


def test_update_of_nothing_changes_nothing(control):
    control.update()
    assert values_of(control) == values_of(MessageWebSocket().control)


@pytest.mark.parametrize(
    ("bad", "error_class"),
    [
        ({"max_redirects": -1}, InvalidArgumentError),
        ({"proxy": 5}, InvalidArgumentTypeError),
        ({"supported_protocols": ["c", "c"]}, InvalidArgumentError),
        ({"no_delay": True}, TypeError),
    ],
    ids=str,
)
def test_update_with_a_bad_value_changes_nothing(control, bad, error_class):
    control.supported_protocols.append("a")
    before = {**values_of(control), "supported_protocols": ["a"]}
    good = {"close_timeout": 1, "supported_protocols": ["b"], "message_type": 1}
    with pytest.raises(error_class):
        control.update(**{**good, **bad})
    with pytest.raises(error_class):
        control.update(**{**bad, **{name: value for name, value in good.items() if name not in bad}})
    assert values_of(control) == before


def test_update_takes_a_list_as_any_iterable_and_replaces_the_entries(control):
    protocols = control.supported_protocols
    protocols.append("old")
    control.update(supported_protocols=(letter for letter in "ab"))
    assert control.supported_protocols is protocols
    assert protocols == ["a", "b"]
    control.update(supported_protocols=protocols)
    assert protocols == ["a", "b"]


def test_update_names_the_setting_that_is_not_there(stream_control):
    with pytest.raises(TypeError, match="StreamWebSocketControl has no setting no_dealy; did you mean no_delay"):
        stream_control.update(no_dealy=True)


def test_after_connect_update_sets_message_type_alone():
    with running_server(echo) as uri, syncws.connect(uri) as socket:
        socket.control.update(message_type=SocketMessageType.UTF8)
        with pytest.raises(IllegalMethodCallError):
            socket.control.update(message_type=SocketMessageType.BINARY, close_timeout=1)
        assert socket.control.message_type is SocketMessageType.UTF8


# From one control to another.


@pytest.mark.parametrize("control_class", KEYWORDS)
def test_a_control_takes_over_every_setting_of_another(control_class):
    source, target = control_class._create(), control_class._create()
    source.update(**others_of(control_class))
    target.copy_from(source)
    assert values_of(target) == others_of(control_class)


@pytest.mark.parametrize("classes", [list(KEYWORDS), list(KEYWORDS)[::-1]])
def test_a_control_of_the_other_class_gives_what_both_have(classes):
    source, target = classes[0]._create(), classes[1]._create()
    source.update(**others_of(classes[0]))
    target.copy_from(source)
    own = values_of(classes[1]._create())
    assert values_of(target) == {**own, **{name: OTHERS[name] for name in own.keys() & others_of(classes[0]).keys()}}


def test_what_the_other_class_has_not_stays_as_it_was(control, stream_control):
    control.max_message_size, stream_control.no_delay = 9, False
    control.copy_from(stream_control)
    stream_control.copy_from(control)
    assert (control.max_message_size, stream_control.no_delay) == (9, False)


def test_what_was_not_set_goes_back_to_the_own_default(control, stream_control):
    stream_control.update(inbox_size_in_bytes=5, close_timeout=1, supported_protocols=["a"])
    stream_control.copy_from(control)
    assert values_of(stream_control) == values_of(StreamWebSocket().control)
    control.receive_mode = 1
    assert stream_control.inbox_size_in_bytes == 1024 * 1024


def test_a_copied_size_limit_still_depends_on_the_receive_mode(control):
    other = MessageWebSocket().control
    other.copy_from(control)
    other.receive_mode = 1
    assert other.max_message_size == 0xFFFF_FFFF


def test_copied_lists_are_lists_of_their_own(control):
    control.supported_protocols.append("a")
    other = MessageWebSocket().control
    other.copy_from(control)
    other.supported_protocols.append("b")
    assert control.supported_protocols == ["a"]
    assert other.supported_protocols == ["a", "b"]


def test_a_control_copied_from_itself_stays_as_it_is(control):
    control.update(**others_of(MessageWebSocketControl))
    control.copy_from(control)
    assert values_of(control) == others_of(MessageWebSocketControl)


@pytest.mark.parametrize("other", [None, {}, MessageWebSocketControl, "control"])
def test_what_is_no_control_is_refused(control, other):
    with pytest.raises(InvalidArgumentTypeError, match="are copied from a control"):
        control.copy_from(other)


def test_the_settings_of_a_connected_socket_may_be_taken_over_but_not_changed():
    with running_server(echo) as uri, syncws.connect(uri, close_timeout=3, subprotocols=()) as socket:
        fresh = MessageWebSocket()
        fresh.control.copy_from(socket.control)
        assert fresh.control.close_timeout == 3
        fresh.control.close_timeout = 4
        with pytest.raises(IllegalMethodCallError):
            socket.control.copy_from(fresh.control)
        assert socket.control.close_timeout == 3


# connect().


def test_the_function_connect_takes_every_setting(monkeypatch):
    made = []
    monkeypatch.setattr(MessageWebSocket, "connect", lambda self, *_, **__: made.append(self))
    socket = syncws.connect("ws://localhost/", **others_of(MessageWebSocketControl))
    assert made == [socket]
    assert values_of(socket.control) == others_of(MessageWebSocketControl)


def test_the_function_connect_names_an_unknown_setting_before_any_connection():
    with unheard_listener() as uri, pytest.raises(TypeError, match="no setting max_size; did you mean max_"):
        syncws.connect(uri, timeout=0.2, max_size=5)


def test_the_function_connect_takes_subprotocols_by_one_name():
    with pytest.raises(TypeError, match="the same setting"):
        syncws.connect(uri_of_nobody(), subprotocols=["a"], supported_protocols=["a"])
