"""Tests of tls.trust: whom a connection without an ssl_context trusts, and how long others share its context."""

import contextlib
import errno
import os
import ssl

import pytest
import trustme
from support import settings_with
from support.certificates import make, make_authority

from syncws import Certificate, ChainValidationResult, InvalidArgumentError
from syncws._net.tls import trust
from syncws._net.tls.context import make_plan
from syncws._net.tls.trust import shared_context, trusting_context


@pytest.fixture(autouse=True)
def shared(monkeypatch):
    """What is shared: nothing at first."""
    monkeypatch.setattr(trust, "_shared", {})
    return trust._shared


@pytest.fixture
def ca_file(tmp_path):
    path = tmp_path / "authority.pem"
    trustme.CA().cert_pem.write_to_path(path)
    return path


@contextlib.contextmanager
def no_descriptor():
    """Have the system refuse every further descriptor."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def write_another(path):
    """Write a file as a program would that takes care: the new one takes the old one's place."""
    other = path.with_name("other")
    trustme.CA().cert_pem.write_to_path(other)
    os.replace(other, path)


def subjects(context):
    return [authority["serialNumber"] for authority in context.get_ca_certs()]


def test_connections_with_the_same_settings_share_a_context(ca_file):
    settings = settings_with(ca_file=ca_file, trusts_system_authorities=False)
    other = settings_with(ca_file=str(ca_file), trusts_system_authorities=False)
    assert make_plan(settings).handshake is make_plan(other).handshake
    assert shared_context() is shared_context()
    assert len({id(shared_context(ca_file, trusts)) for trusts in (True, False)} | {id(shared_context())}) == 3


def test_a_context_to_be_changed_is_not_shared(ca_file):
    made = make("client", make_authority())
    certificate = Certificate.from_pem(made.pem, made.key_pem())
    contexts = [
        make_plan(settings_with(ca_file=ca_file, client_certificate=one)).handshake for one in (None, certificate, None)
    ]
    assert contexts[0] is contexts[2] is not contexts[1]


def test_the_rules_are_shared_where_some_errors_are_let_pass(ca_file):
    forgiving = settings_with(
        ca_file=ca_file, ignorable_server_certificate_errors=frozenset({ChainValidationResult.EXPIRED})
    )
    plan = make_plan(forgiving)
    assert plan.rules is shared_context(ca_file)
    assert plan.handshake.verify_mode is ssl.CERT_NONE
    assert plan.rules.verify_mode is ssl.CERT_REQUIRED


def test_a_context_is_shared_only_as_long_as_new_ones_are_of_its_class():
    truststore = pytest.importorskip("truststore", reason="of the extra test")
    before = shared_context()
    truststore.inject_into_ssl()
    try:
        replaced = shared_context()
    finally:
        truststore.extract_from_ssl()
    assert isinstance(replaced, truststore.SSLContext)
    assert shared_context() is before


def test_a_file_that_has_changed_is_read_anew(ca_file):
    first = subjects(shared_context(ca_file, trusts_system=False))
    write_another(ca_file)
    second = subjects(shared_context(ca_file, trusts_system=False))
    assert first != second
    assert second == subjects(trusting_context(ca_file, trusts_system=False))


def test_a_file_that_has_gone_is_told_also_when_it_was_shared(ca_file):
    shared_context(ca_file)
    ca_file.unlink()
    with pytest.raises(InvalidArgumentError, match="cannot be read"):
        shared_context(ca_file)


@pytest.mark.skipif(os.name == "nt", reason="Windows has a store of its own besides")
def test_the_environment_is_looked_at_each_time(ca_file, monkeypatch):
    before = shared_context()
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    monkeypatch.setenv("SSL_CERT_DIR", str(ca_file.parent))
    told = shared_context()
    assert told is not before
    assert len(subjects(told)) == 1
    write_another(ca_file)
    assert subjects(shared_context()) != subjects(told)


def test_all_is_read_anew_after_five_minutes(clock, ca_file):
    context = shared_context(ca_file)
    clock.advance(299.0)
    assert shared_context(ca_file) is context
    clock.advance(1.0)
    renewed = shared_context(ca_file)
    assert renewed is not context
    assert shared_context(ca_file) is renewed


def test_with_a_file_for_secrets_nothing_is_shared(ca_file, tmp_path, monkeypatch):
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    assert shared_context(ca_file) is not shared_context(ca_file)


def test_no_more_than_a_few_are_kept(tmp_path, shared):
    for number in range(20):
        path = tmp_path / str(number)
        trustme.CA().cert_pem.write_to_path(path)
        context = shared_context(path, trusts_system=False)
        assert shared_context(path, trusts_system=False) is context
        assert len(shared) <= 8


# OpenSSL says nothing when it cannot read the system's authorities: a context without any was shared for five minutes.


def test_authorities_that_cannot_be_read_for_want_of_a_descriptor_are_read_when_there_is_one(ca_file, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    with pytest.raises(OSError, match="open files") as caught, no_descriptor():
        shared_context()
    assert caught.value.errno == errno.EMFILE
    assert len(subjects(shared_context())) == 1


def test_authorities_of_one_s_own_are_not_wrong_for_want_of_a_descriptor(ca_file):
    with pytest.raises(OSError, match="open files") as caught, no_descriptor():
        shared_context(ca_file, trusts_system=False)
    assert caught.value.errno == errno.EMFILE
    assert len(subjects(shared_context(ca_file, trusts_system=False))) == 1


def test_authorities_of_one_s_own_are_not_wrong_because_of_an_alarm(ca_file, monkeypatch):
    def alarm(*_, **__):
        raise TimeoutError("from the program's alarm")

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", alarm)
    with pytest.raises(TimeoutError, match="from the program's alarm"):
        shared_context(ca_file, trusts_system=False)


@pytest.mark.skipif(os.name == "nt", reason="Windows has authorities besides the file's")
@pytest.mark.parametrize("content", ["", "no certificate"])
def test_a_file_of_the_system_without_authorities_leaves_none(tmp_path, monkeypatch, content):
    path = tmp_path / "none.pem"
    path.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "nowhere"))
    assert subjects(shared_context()) == []
