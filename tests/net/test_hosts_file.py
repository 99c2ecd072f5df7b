"""The hosts file in all the forms in which people write it."""

import errno
import io
import os
import tracemalloc

import pytest

from syncws._net import hosts_file as module
from syncws._net.resolver import addresses_without_waiting
from syncws.errors import HostNameNotResolvedError
from syncws.hresult import HResult


@pytest.fixture
def hosts(monkeypatch, tmp_path):
    path = tmp_path / "hosts"
    monkeypatch.setattr(module, "hosts_file", lambda: path)
    return path


def found(host="box"):
    return [address.text for address in addresses_without_waiting(host)]


@pytest.mark.parametrize("host", ["box", "BOX", "box.example", "box.", "alias", "alias.", "Upper.Example"])
def test_a_line_may_hold_several_names_in_any_case(hosts, host):
    hosts.write_text("# comment\n\n192.0.2.7 box.example box Alias. UPPER.example # box2\n")
    assert found(host) == ["192.0.2.7"]


FORMS = {
    "plain": b"192.0.2.7 box\n",
    "no line end": b"192.0.2.7 box",
    "CR LF": b"192.0.2.6 other\r\n192.0.2.7 box\r\n192.0.2.8 more\r\n",
    "tabs": b"\t192.0.2.7\t\tbox\t\n",
    "comment behind": b"192.0.2.7 box#comment\n",
    "comment line": b"# 192.0.2.6 box\n192.0.2.7 box\n",
    "byte order mark": b"\xef\xbb\xbf192.0.2.7 box\n",
    "no text": b"\xff\xfe garbage box\n192.0.2.7 box\n",
    "twice": b"192.0.2.7 box box\n192.0.2.7 box\n::ffff:192.0.2.7 box\n",
    "longest line": b"192.0.2.7 box" + b" " * (64 * 1024 - 14) + b"\n",
    "no address": b"300.1.2.3 box\nbox box\nbox\n\n192.0.2.7 box\n",
    "blocked besides": b"0.0.0.0 box\n192.0.2.7 box\n",
}


@pytest.mark.parametrize("content", FORMS.values(), ids=FORMS)
def test_the_file_is_read_in_whatever_form(hosts, content):
    hosts.write_bytes(content)
    assert found() == ["192.0.2.7"]


def test_families_take_turns(hosts):
    hosts.write_text("2001:DB8::7 box\n2001:db8::8 box\n192.0.2.7 box\n")
    assert found() == ["2001:db8::7", "192.0.2.7", "2001:db8::8"]


def test_an_address_may_have_a_zone_id(hosts):
    hosts.write_text("fe80::1%eth0 box\n")
    assert found() == ["fe80::1%eth0"]


NOTHING = {
    "other name": b"192.0.2.7 other # box",
    "part of a name": b"192.0.2.7 boxes mailbox box.example",
    "no address": b"nonsense box",
    "only the name": b"box",
    "only an address": b"192.0.2.7",
    "empty": b"",
    "a longer line than there can be": b"192.0.2.7 " + b" " * 64 * 1024 + b" box\n",
    "the end of a longer line": b"x" * 64 * 1024 + b"192.0.2.7 box\n",
}


@pytest.mark.parametrize("content", NOTHING.values(), ids=NOTHING)
def test_other_lines_mean_nothing(hosts, content):
    hosts.write_bytes(content)
    assert found() == []


def test_a_longer_line_does_not_hide_the_next(hosts):
    hosts.write_bytes(b"x" * 200_000 + b"\n192.0.2.7 box\n")
    assert found() == ["192.0.2.7"]


def test_no_file_is_no_error(hosts):
    assert found() == []


def test_a_file_that_cannot_be_read_is_no_error(hosts):
    hosts.mkdir()
    assert found() == []


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_a_name_that_the_file_blocks_is_not_looked_up_elsewhere(hosts, address):
    hosts.write_text(f"{address} ads.example box\n")
    with pytest.raises(
        HostNameNotResolvedError, match=rf"'box' has no address: the hosts file blocks it \({address}\)"
    ) as e:
        found()
    assert e.value.hresult == HResult.WININET_E_NAME_NOT_RESOLVED


# Size.


@pytest.mark.slow
def test_a_long_file_is_not_held_in_memory(hosts):
    with hosts.open("wb") as file:
        file.writelines(b"192.0.2.1 ads%d.example\n" % number for number in range(100_000))
        file.write(b"192.0.2.7 box\n")
        size = file.tell()
    tracemalloc.start()
    try:
        assert found() == ["192.0.2.7"]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size > 2_000_000
    assert peak < 300_000


def test_a_line_without_an_end_is_not_held_in_memory(hosts):
    with hosts.open("wb") as file:
        file.truncate(8_000_000)
    tracemalloc.start()
    try:
        assert found() == []
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 300_000


def test_what_lies_behind_the_limit_is_not_read(hosts, monkeypatch):
    monkeypatch.setattr(module, "_MAX_BYTES", 20)
    hosts.write_text("192.0.2.7 box\n192.0.2.8 box\n192.0.2.9 box\n")
    assert found() == ["192.0.2.7", "192.0.2.8"]


def test_what_was_read_before_the_file_broke_counts(hosts, monkeypatch):
    class Breaking(io.BytesIO):
        def readline(self, size):
            return super().readline(size) or self.fail()

        def fail(self):
            raise OSError(errno.EIO, "the disk is gone")

    monkeypatch.setattr("builtins.open", lambda *_: Breaking(b"192.0.2.7 box\n"))
    assert found() == ["192.0.2.7"]


def test_what_an_alarm_raises_while_the_file_is_read_is_what_the_caller_gets(hosts, monkeypatch):
    def alarm(*_):
        raise TimeoutError("from the program's alarm")

    monkeypatch.setattr(module, "_addresses_in", alarm)
    hosts.write_text("192.0.2.7 box\n")
    with pytest.raises(TimeoutError, match="from the program's alarm"):
        found()


# Where it is.


def test_the_file_is_where_this_system_has_it():
    assert module.hosts_file().endswith(r"\System32\drivers\etc\hosts" if os.name == "nt" else "/etc/hosts")


@pytest.mark.parametrize(("root", "start"), [("D:/Windows", "D:/Windows"), (None, r"C:\Windows")])
def test_on_windows_it_is_under_the_system_s_root(monkeypatch, root, start):
    if root is None:
        monkeypatch.delenv("SYSTEMROOT", raising=False)
    else:
        monkeypatch.setenv("SYSTEMROOT", root)
    monkeypatch.setattr(os, "name", "nt")
    path = module.hosts_file()
    monkeypatch.undo()
    assert path == start + r"\System32\drivers\etc\hosts"
