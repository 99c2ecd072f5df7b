"""The fuzzer's saved inputs are replayed, each whole, byte by byte and in random pieces; and the fuzzer's own parts."""

import importlib.util
import itertools
import subprocess
import sys
from pathlib import Path

import pytest
from support import LIMIT

from compliance import corpus, fuzz, targets
from compliance.mutator import Mutator, shrink
from syncws._net.http import head as http_head
from syncws._streams import reader_core
from syncws._wire.decoder import Decoder
from syncws._wire.deflate import Inflater
from syncws.errors import HandshakeError

ROOT = Path(__file__).parents[2]
TARGETS = targets.TARGETS
each_target = pytest.mark.parametrize("name", TARGETS)


@pytest.fixture(autouse=True)
def give_back():
    yield
    targets.release()


@each_target
def test_every_saved_input_is_read_alike_in_every_split(name):
    inputs = corpus.load(name)
    assert 20 <= len(inputs) <= 300
    assert max(map(len, inputs)) <= corpus.MAX_INPUT_BYTES
    bad = [(data.hex(), error) for data in inputs if (error := fuzz.failure(TARGETS[name], data)) is not None]
    assert not bad, f"python -m compliance.fuzz --target {name} --input {bad[0][0]}: {bad[0][1]}"


@pytest.mark.slow
@each_target
def test_changed_inputs_are_read_alike_in_every_split(name):
    result = fuzz.run_seeded(name, 1500, 9)
    assert result.bad is None, f"python -m compliance.fuzz --target {name} --input {result.bad.hex()}"
    assert result.inputs == 1500


# What the saved inputs are for: planted defects that they find.


def defects_found(name):
    return [error for data in corpus.load(name) if (error := fuzz.failure(TARGETS[name], data)) is not None]


class ForgetfulDecoder(Decoder):
    """Loses what it has of an unfinished header."""

    def receive_data(self, data):
        self._unread = b""
        return super().receive_data(data)


class RaisingDecoder(Decoder):
    """Lets an error out that is not documented."""

    def _end_message(self, events):
        raise KeyError("planted")


@pytest.mark.parametrize(("decoder", "error"), [(ForgetfulDecoder, targets.Finding), (RaisingDecoder, KeyError)])
def test_the_saved_frames_find_a_defect_of_the_decoder(monkeypatch, decoder, error):
    monkeypatch.setattr(targets, "Decoder", decoder)
    found = defects_found("frames")
    assert found
    assert {type(one) for one in found} == {error}


class ForgetfulInflater(Inflater):
    """Loses its context where a message is fed in several parts."""

    def feed(self, data, *, is_last):
        super().feed(data, is_last=is_last)
        self._engine = None


def test_the_saved_messages_find_a_defect_of_the_inflater(monkeypatch):
    monkeypatch.setattr(targets, "Inflater", ForgetfulInflater)
    assert any(isinstance(one, targets.Finding) for one in defects_found("deflate"))


def test_the_saved_frames_find_a_wrong_code(monkeypatch):
    monkeypatch.setattr(targets, "_CODES_OF_ERROR", {})
    assert any("violation 1002" in str(one) for one in defects_found("frames"))


def test_the_saved_answers_find_a_defect_of_the_handshake(monkeypatch):
    # Looks for the empty line in the latest piece only.
    find = http_head._end_of_head
    monkeypatch.setattr(http_head, "_end_of_head", lambda buffer, start: find(buffer, start + 3 if start else 0))
    assert any(isinstance(one, targets.Finding) for one in defects_found("handshake"))


def test_the_saved_answers_find_an_error_that_is_not_documented(monkeypatch):
    monkeypatch.setattr(targets, "HandshakeError", ZeroDivisionError)
    assert any(isinstance(one, HandshakeError) for one in defects_found("handshake"))


def test_the_saved_steps_find_a_defect_of_the_reader(monkeypatch):
    append = reader_core.ReaderCore._append

    def append_but_one(reader, arrived):
        append(reader, memoryview(bytes(arrived[:-1]) + b"?") if len(arrived) > 1 else arrived)

    monkeypatch.setattr(reader_core.ReaderCore, "_append", append_but_one)
    assert any(isinstance(one, targets.Finding) for one in defects_found("reader"))


# The fuzzer's parts.


@each_target
def test_the_mutator_gives_the_same_inputs_for_a_seed(name):
    def first(seed):
        return list(itertools.islice(Mutator(name, corpus.load(name), seed, 100), 200))

    assert first(1) == first(1)
    assert first(1) != first(2)
    assert len(set(first(1))) > 150
    assert max(map(len, first(1))) <= 100


def test_shrinking_leaves_what_is_bad():
    assert shrink(b"a" * 100 + b"!" + b"b" * 100 + b"?", lambda data: b"!" in data and b"?" in data) == b"!?"


def test_shrinking_gives_up_after_a_number_of_tries():
    tried = []
    shrink(b"a" * 100, lambda data: bool(tried.append(data)), most=7)
    assert len(tried) == 7


def test_only_inputs_that_go_a_new_way_are_chosen():
    message, other_message, ping = b"\0\x81\x05hello", b"\0\x81\x05HELLO", b"\0\x89\x00"
    assert corpus.choose(TARGETS["frames"], [message], [other_message, ping]) == [message, ping]


def test_saving_keeps_the_shortest(monkeypatch, tmp_path):
    monkeypatch.setattr(corpus, "FOLDER", tmp_path)
    monkeypatch.setattr(corpus, "_MAX_SAVED", 2)
    assert corpus.save("frames", [b"long one", b"b", b"a", b"b"]) == 2
    assert corpus.load("frames") == [b"a", b"b"]


def test_a_bad_input_is_shown_with_how_to_feed_it_again(monkeypatch, capsys):
    monkeypatch.setattr(targets, "Decoder", RaisingDecoder)
    monkeypatch.setattr(fuzz.sys, "argv", ["fuzz", "--target", "frames", "--engine", "seeded", "--inputs", "5000"])
    assert fuzz.main() == 1
    output = capsys.readouterr().out
    assert "KeyError('planted')" in output
    again = output.split("--input ")[1].split()[0]
    monkeypatch.setattr(fuzz.sys, "argv", ["fuzz", "--target", "frames", "--input", again])
    assert fuzz.main() == 1
    # A limit, and two frames: a message of one, if it is small, goes another way.
    assert len(again) <= 2 * 5


def run_fuzz(*arguments):
    command = [sys.executable, "-m", "compliance.fuzz", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=2 * LIMIT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return [line.split() for line in done.stdout.splitlines()[1:]]


def test_the_command_prints_a_row_for_each_target():
    rows = run_fuzz("--engine", "seeded", "--inputs", "50")
    assert [(row[0], row[2], row[5]) for row in rows] == [(name, "50", "0") for name in TARGETS]


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="the extra fuzz is not installed")
def test_the_guided_engine_runs_the_inputs_asked_for():
    (row,) = run_fuzz("--target", "frames", "--engine", "guided", "--inputs", "500")
    assert row[:3] == ["frames", "guided", "500"]
    assert int(row[6]) > 50
