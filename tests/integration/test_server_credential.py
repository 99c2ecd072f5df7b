"""control.server_credential, by Basic: once, after a 401 that offers it; and PasswordCredential by itself."""

import pytest
from support import LIMIT, scripted_server
from support.handlers import CredentialServer

from syncws import (
    HResult,
    HttpStatusError,
    InvalidArgumentError,
    InvalidArgumentTypeError,
    MessageWebSocket,
    PasswordCredential,
    StreamWebSocket,
    WebErrorStatus,
)

CREDENTIAL = ("label", "Aladdin", "open sesame")


def connect(uri, make=MessageWebSocket, credential=CREDENTIAL, headers=()):
    socket = make()
    if credential is not None:
        socket.control.server_credential = PasswordCredential(*credential)
    for name, value in headers:
        socket.set_request_header(name, value)
    socket.connect(uri, timeout=LIMIT)
    socket.abort()
    assert socket.wait_closed(LIMIT)
    return socket


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
@pytest.mark.parametrize("make", [MessageWebSocket, StreamWebSocket])
def test_the_credential_is_sent_after_a_challenge_and_not_before(make, version):
    server = CredentialServer(refusing=version)
    with scripted_server(server, connections=2) as uri:
        connect(uri, make)
    # RFC 7617 2 has this very example.
    assert server.seen == [None, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="]
    assert server.connections == (2 if version == "HTTP/1.0" else 1)


def test_a_credential_that_is_refused_is_not_sent_again():
    server = CredentialServer(accepted="other", refusing="HTTP/1.0")
    with (
        scripted_server(server, connections=2) as uri,
        pytest.raises(HttpStatusError, match=r"it asks for Basic; .* were refused") as caught,
    ):
        connect(uri)
    assert caught.value.status is WebErrorStatus.UNAUTHORIZED
    assert len(server.seen) == 2
    first, second = caught.value.attempts
    assert (first.address, second.address) == ("127.0.0.1", "127.0.0.1")
    assert "another connection, because this one cannot be used again" in str(first.error)
    assert "a socket was given" not in str(first.error)


@pytest.mark.parametrize(
    ("challenge", "credential", "headers"),
    [
        ("Bearer", CREDENTIAL, ()),
        ('Basic realm="cave"', None, ()),
        ('Basic realm="cave"', CREDENTIAL, (("authorization", "Bearer token"),)),
    ],
    ids=["another scheme", "no credential", "an own header"],
)
def test_without_an_answer_the_401_is_raised_at_once(challenge, credential, headers):
    server = CredentialServer(challenge)
    with scripted_server(server) as uri, pytest.raises(HttpStatusError) as caught:
        connect(uri, credential=credential, headers=headers)
    assert caught.value.status_code == 401
    assert len(server.seen) == 1


@pytest.mark.parametrize("credential", [CREDENTIAL, None])
@pytest.mark.parametrize(
    ("challenge", "asks"),
    [
        ('Bearer error="invalid_token"', "asks for Bearer"),
        ('Basic realm="cave"', "asks for Basic"),
        ("", "does not say which scheme it wants"),
    ],
)
def test_a_header_that_is_refused_is_told_instead_of_a_credential(challenge, asks, credential):
    with (
        scripted_server(CredentialServer(challenge)) as uri,
        pytest.raises(HttpStatusError, match=f"it {asks}; the header Authorization was refused"),
    ):
        connect(uri, credential=credential, headers=[("authorization", "Bearer token")])


# The credential by itself.


def test_a_new_credential_is_empty():
    credential = PasswordCredential()
    assert (credential.resource, credential.user_name, credential.password) == ("", "", "")
    credential.retrieve_password()
    assert credential.password == ""


def test_a_credential_shows_no_password():
    assert repr(PasswordCredential(*CREDENTIAL)) == "<PasswordCredential resource='label' user_name='Aladdin'>"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("label", "", "password"), InvalidArgumentError),
        (("label", "name", ""), InvalidArgumentError),
        (("label", "na:me", "password"), InvalidArgumentError),
        (("label", "name", "pass\nword"), InvalidArgumentError),
        (("label", "name\ud800", "password"), InvalidArgumentError),
        (("label", None, "password"), InvalidArgumentTypeError),
        ((b"label", "name", "password"), InvalidArgumentTypeError),
    ],
)
def test_what_is_no_credential_is_refused(arguments, error):
    with pytest.raises(error) as caught:
        PasswordCredential(*arguments)
    assert caught.value.hresult == HResult.E_INVALIDARG


def test_name_and_password_alone_are_told_of_the_resource_and_not_shown():
    with pytest.raises(
        InvalidArgumentError, match=r'\(resource, user_name, password\), and the resource may be ""'
    ) as caught:
        PasswordCredential("Aladdin", "open sesame")
    assert "open sesame" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "error"), [(PasswordCredential(), InvalidArgumentError), ("name:password", InvalidArgumentTypeError)]
)
def test_control_refuses_what_is_no_credential(value, error):
    control = MessageWebSocket().control
    with pytest.raises(error, match="server_credential must"):
        control.server_credential = value
    assert control.server_credential is None
