"""Tests of sockets whose DataWriter or DataReader is dropped: the seed's rule that the owner takes its stream along."""

import re
import warnings

import pytest
from support import echo, running_server, server_frame
from support.programs import run
from support.scripts import BINARY, FIN, TEXT, connected, noting, sends
from support.stream_websocket import assert_hresult, connected_stream

from syncws import DataReader, DataWriter, ObjectClosedError, SocketMessageType


def send_and_forget(socket, text):
    writer = DataWriter(socket.output_stream)
    writer.write_string(text)
    writer.store()


def test_a_second_writer_of_a_function_that_forgets_to_detach_is_refused():
    frames = []
    with connected(noting(frames)) as socket:
        socket.control.message_type = SocketMessageType.UTF8
        with pytest.warns(ResourceWarning, match="a DataWriter was dropped"):
            send_and_forget(socket, "first")
        with pytest.raises(ObjectClosedError) as raised:
            send_and_forget(socket, "second")
        socket.close()
    assert_hresult(raised, 0x80000013)
    assert frames[0] == (FIN | TEXT, b"first")
    assert len([frame for frame in frames if frame[0] == FIN | TEXT]) == 1


def test_a_second_reader_of_a_function_that_forgets_to_detach_is_refused():
    with connected_stream(sends(server_frame(BINARY, b"ab"))) as socket:
        with pytest.warns(ResourceWarning, match="a DataReader was dropped"):
            DataReader(socket.input_stream).load(1)
        with pytest.raises(ObjectClosedError) as raised:
            DataReader(socket.input_stream).load(1)
        socket.output_stream.write(b"still open")
    assert_hresult(raised, 0x80000013)


def test_a_writer_may_outlive_its_socket_quietly():
    with connected(noting([])) as socket:
        writer = DataWriter(socket.output_stream)
        writer.write_string("x")
        writer.store()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del writer


def test_a_program_that_ends_with_writer_and_reader_in_its_hands_is_told_of_the_connection_alone():
    script = """
        socket = StreamWebSocket()
        socket.connect(uri)
        writer, reader = DataWriter(socket.output_stream), DataReader(socket.input_stream)
        """
    with running_server(echo) as uri:
        done = run(script, uri, "-W", "always")
    assert done.returncode == 0
    assert re.findall(r"\w*Warning: (.*?):", done.stderr) == ["connections that were open when the program ended"]
