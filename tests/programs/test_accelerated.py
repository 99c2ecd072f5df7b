"""Both forms of the library, each in a program of its own: which runs, and that a program cannot tell them apart."""

import json
import os
import subprocess
import sys

import pytest
from support.programs import ROOT

from syncws._wire.accelerated import speedups

DESCRIBE = """
import inspect, json
import syncws
from syncws._wire.decoder import Decoder
from syncws.event_args import MessageWebSocketMessageReceivedEventArgs as Args

def describe(one):
    described = {}
    for name in dir(one):
        if name.startswith("_") and name not in ("__enter__", "__exit__"):
            continue
        member = inspect.getattr_static(one, name)
        try:
            parameters = [p.name for p in inspect.signature(member).parameters.values()]
        except (TypeError, ValueError):
            parameters = None
        described[name] = parameters
    return described

text, binary = Decoder(1 << 20, Args).receive_data(bytes([0x81, 2]) + b"hi" + bytes([0x82, 3]) + b"abc")
reader = text.get_data_reader()
kinds = [Args, syncws.DataReader, syncws.DataWriter]
answers = [repr(text), repr(binary), repr(reader), text.data.hex(), binary.text, text.length]
answers.append(isinstance(reader, syncws.DataReader))
answers.append(inspect.getdoc(Args.get_data_reader))
answers.append([p.name for p in inspect.signature(syncws.DataWriter).parameters.values()])
for name in ("write_string", "write_bytes", "detach_stream"):
    answers.append(inspect.getdoc(getattr(syncws.DataWriter, name)))
stream = syncws.InMemoryRandomAccessStream()
for use in (
    lambda w: w.write_string("ab\\u0142") + w.store(),
    lambda w: w.write_string(""),
    lambda w: w.write_string("\\ud800"),
    lambda w: w.write_string(b"x"),
    lambda w: w.write_string(),
    lambda w: w.write_bytes(b"abc"),
    lambda w: w.write_bytes(b""),
    lambda w: w.write_bytes(bytearray(b"abc")),
    lambda w: w.write_bytes("x"),
    lambda w: setattr(w, "unicode_encoding", syncws.UnicodeEncoding.UTF16LE) or w.write_string("ab"),
    lambda w: w.close() or w.write_string("x"),
    lambda w: w.close() or w.write_bytes(b"x"),
    lambda w: w.close() or w.detach_stream(),
    lambda w: w.detach_stream() is w or w.detach_stream(),
    lambda w: w.detach_stream() is w or w.store(),
    lambda w: w.write_string("x") and w.__exit__(None, None, None) or repr(w),
    lambda w: w.__exit__(None, None, None) or w.write_bytes(b"x"),
    lambda w: w.__enter__() is w,
    lambda w: w.anything,
    lambda w: setattr(w, "anything", 1),
):
    for made in (lambda: syncws.DataWriter(), lambda: syncws.DataWriter(stream.get_output_stream_at(0))):
        writer = made()
        try:
            answers.append(repr(use(writer)))
        except Exception as error:
            answers.append([type(error).__name__, str(error) if isinstance(error, syncws.WebSocketError) else ""])
        answers.append([writer.unstored_buffer_length, repr(writer), writer._parts and repr(writer._parts)])
        writer.close()
for arguments in ((None,), (5,), (stream,), (stream, 1)):
    try:
        with syncws.DataWriter(*arguments) as writer:
            answers.append(repr(writer))
    except Exception as error:
        answers.append([type(error).__name__, str(error) if isinstance(error, syncws.WebSocketError) else ""])
for args in (text, binary):
    for use in (
        lambda r: r.read_bytes(1).hex() + r.read_bytes(1).hex(),
        lambda r: r.read_string(2),
        lambda r: r.read_string(1),
        lambda r: r.read_string(9),
        lambda r: r.read_bytes(9),
        lambda r: r.read_bytes(-1),
        lambda r: r.read_bytes(True),
        lambda r: r.read_bytes("x"),
        lambda r: r.read_string(True),
        lambda r: r.read_string(None),
        lambda r: r.read_bytes(bytearray(2)),
        lambda r: (r.read_byte(), r.read_string(1), r.unconsumed_buffer_length),
        lambda r: setattr(r, "unicode_encoding", syncws.UnicodeEncoding.UTF16LE) or r.read_string(1),
        lambda r: setattr(r, "unconsumed_buffer_length", 1),
        lambda r: r.close() or r.read_bytes(1),
        lambda r: r.__exit__(None, None, None) or r.read_string(2),
        lambda r: r.__exit__(None, None, None) or repr(r),
        lambda r: r.load(1),
        lambda r: r.anything,
        lambda r: setattr(r, "anything", 1),
    ):
        reader = args.get_data_reader()
        try:
            answers.append(repr(use(reader)))
        except Exception as error:
            answers.append([type(error).__name__, str(error) if isinstance(error, syncws.WebSocketError) else ""])
        answers.append(reader.unconsumed_buffer_length)
print(json.dumps([syncws.accelerated, [describe(kind) for kind in kinds], answers]))
"""


def described(**environment):
    done = subprocess.run(
        [sys.executable, "-c", DESCRIBE],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.mark.skipif(speedups is None, reason="in plain Python")
def test_a_program_cannot_tell_the_two_forms_apart():
    compiled = described(SYNCWS_PURE_PYTHON="0")
    python = described(SYNCWS_PURE_PYTHON="1")
    assert (compiled[0], python[0]) == (True, False)
    assert compiled[1] == python[1]
    assert compiled[2] == python[2]


def test_the_environment_forces_plain_python():
    assert described(SYNCWS_PURE_PYTHON="1")[0] is False
