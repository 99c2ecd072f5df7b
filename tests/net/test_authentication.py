"""Challenges read, and answered by Basic or Digest: the examples of the RFCs, and Twisted's server side."""

import hashlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.cred.credentials import DigestCredentialFactory

from syncws import PasswordCredential
from syncws._net.http.authentication import PROXY, SERVER, Authentication
from syncws._net.http.challenges import Challenge, parse_challenges, quoted
from syncws._net.http.digest import DigestAnswers, digest_strength
from syncws._net.http.head import Head

CREDENTIAL = PasswordCredential("", "Mufasa", "Circle of Life")
RFC_CHALLENGE = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=%s, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)


def refusal(*challenges, status=401, side=SERVER):
    return Head(status, "Who", tuple((side.challenge, challenge) for challenge in challenges))


def answer_to(*challenges, credential=CREDENTIAL, target="/dir/index.html", client_nonce=None):
    """Return the fields of the answer, values without their quotes; None when there is none."""
    authentication = Authentication(SERVER, credential)
    if not authentication.take(refusal(*challenges)):
        assert authentication.header("GET", target) is None
        return None
    if client_nonce is not None:
        authentication._digest._client_nonce = client_nonce
    name, value = authentication.header("GET", target)
    assert name == "Authorization"
    return parsed(value)


def parsed(value):
    (challenge,) = parse_challenges(value)
    return {"scheme": challenge.scheme, **challenge.parameters}


# Reading.


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Basic", [("basic", {})]),
        ('basic realm="x"', [("basic", {"realm": "x"})]),
        ('Digest realm="x", BASIC realm="y"', [("digest", {"realm": "x"}), ("basic", {"realm": "y"})]),
        ('Digest realm="x",Basic', [("digest", {"realm": "x"}), ("basic", {})]),
        ('Digest realm = "a" , nonce= b', [("digest", {"realm": "a", "nonce": "b"})]),
        ("Digest  Realm=a, REALM=b", [("digest", {"realm": "a"})]),
        ("Negotiate, NTLM TlRMTVNTUAAB==", [("negotiate", {}), ("ntlm", {})]),
        ('Digest realm="a, Basic realm"', [("digest", {"realm": "a, Basic realm"})]),
        ('Digest realm="a \\", Basic"', [("digest", {"realm": 'a ", Basic'})]),
        (r'Digest realm="\a\\b"', [("digest", {"realm": r"a\b"})]),
        ("", []),
        (", ,", []),
        ('realm="x", Basic', [("basic", {})]),
        # A string without an end goes to the end of the header, as does one that ends in a backslash.
        ('Digest realm="a, Basic', [("digest", {"realm": "a, Basic"})]),
        (
            'Digest realm="a", Digest realm="b, Basic, \\',
            [("digest", {"realm": "a"}), ("digest", {"realm": "b, Basic, \\"})],
        ),
        ('Digest realm="', [("digest", {"realm": ""})]),
    ],
)
def test_challenges_are_read(header, expected):
    assert parse_challenges(header) == [Challenge(*one) for one in expected]


@pytest.mark.parametrize("header", ['Digest realm="' + '\\"' * 30000, 'a="b",' * 10000, '"' * 60001, "a " * 30000])
def test_a_long_header_takes_no_long_time(header):
    started = time.thread_time()
    parse_challenges(header)
    assert time.thread_time() - started < 5


@given(st.text())
def test_any_header_is_read(header):
    parse_challenges(header)


@given(st.text(st.characters(exclude_characters="\r\n")))
def test_what_is_quoted_is_read_back(text):
    assert parse_challenges(f"Digest realm={quoted(text)}") == [Challenge("digest", {"realm": text})]


# Basic.


def test_names_and_passwords_go_in_utf_8():
    authentication = Authentication(SERVER, PasswordCredential("", "test", "123£"))
    assert authentication.take(refusal('Basic realm="x"'))
    # RFC 7617 2.1 has this very example.
    assert authentication.header("GET", "/") == ("Authorization", "Basic dGVzdDoxMjPCow==")


# Digest.


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_example_of_rfc_7616_3_9_1(algorithm, response):
    fields = answer_to(RFC_CHALLENGE % algorithm, client_nonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")
    assert fields == {
        "scheme": "digest",
        "username": "Mufasa",
        "realm": "http-auth@example.org",
        "uri": "/dir/index.html",
        "algorithm": algorithm,
        "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        "nc": "00000001",
        "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        "qop": "auth",
        "response": response,
        "opaque": "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
    }


def test_what_the_grammar_has_without_quotes_goes_without():
    authentication = Authentication(SERVER, CREDENTIAL)
    authentication.take(refusal(RFC_CHALLENGE % "SHA-256" + ", userhash=true"))
    _, value = authentication.header("GET", "/")
    for field in ("qop=auth", "nc=00000001", "algorithm=SHA-256", "userhash=true"):
        assert f"{field}," in f"{value},"


@pytest.mark.parametrize("algorithm", [b"md5", b"md5-sess"])
def test_twisted_s_server_takes_the_answer(algorithm):
    factory = DigestCredentialFactory(algorithm, b"the cave")
    challenge = factory.getChallenge(b"127.0.0.1")
    header = ", ".join(f'{name}="{value.decode()}"' for name, value in challenge.items())
    authentication = Authentication(SERVER, CREDENTIAL)
    assert authentication.take(refusal(f"Digest {header}"))
    for _ in range(2):
        _, value = authentication.header("GET", "/chat?a=b")
        taken = factory.decode(value.removeprefix("Digest ").encode(), b"GET", b"127.0.0.1")
        assert taken.checkPassword(b"Circle of Life")
        assert not taken.checkPassword(b"other")


def test_the_session_s_secret_keeps_its_nonces_and_the_count_goes_up():
    authentication = Authentication(SERVER, CREDENTIAL)
    authentication.take(refusal('Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256-sess'))

    def hashed(text):
        return hashlib.sha256(text.encode()).hexdigest()

    client_nonces = set()
    for number in (1, 2, 3):
        fields = parsed(authentication.header("CONNECT", f"host:{number}")[1])
        client_nonces.add(fields["cnonce"])
        secret = hashed(f"{hashed('Mufasa:r:Circle of Life')}:n:{fields['cnonce']}")
        request = hashed(f"CONNECT:host:{number}")
        assert fields["nc"] == f"0000000{number}"
        assert fields["response"] == hashed(f"{secret}:n:{fields['nc']}:{fields['cnonce']}:auth:{request}")
    assert len(client_nonces) == 1


def test_without_qop_it_is_rfc_2069_s():
    fields = answer_to('Digest realm="r", nonce="n"', target="/")

    def hashed(text):
        return hashlib.md5(text.encode()).hexdigest()

    expected = hashed(f"{hashed('Mufasa:r:Circle of Life')}:n:{hashed('GET:/')}")
    assert fields == {
        "scheme": "digest",
        "username": "Mufasa",
        "realm": "r",
        "nonce": "n",
        "uri": "/",
        "response": expected,
    }


def test_the_user_is_hashed_when_the_server_asks():
    fields = answer_to(RFC_CHALLENGE % "SHA-256" + ", userhash=TRUE")
    assert fields["username"] == hashlib.sha256(b"Mufasa:http-auth@example.org").hexdigest()
    assert fields["userhash"] == "true"


def test_a_name_beyond_ascii_is_encoded_and_quotes_are_escaped():
    credential = PasswordCredential("", "Jäsøn Doe", "Secret, or not?")
    # RFC 7616 3.9.2 has this very name.
    assert answer_to(RFC_CHALLENGE % "MD5", credential=credential)["username*"] == "UTF-8''J%C3%A4s%C3%B8n%20Doe"
    credential = PasswordCredential("", 'a"b\\c', "secret")
    assert answer_to(RFC_CHALLENGE % "MD5", credential=credential)["username"] == 'a"b\\c'


def test_a_realm_beyond_ascii_goes_back_in_its_bytes():
    authentication = Authentication(SERVER, CREDENTIAL)
    authentication.take(refusal('Digest realm="Höhle €", nonce="n"'))
    _, value = authentication.header("GET", "/")
    assert 'realm="Höhle €"' in value.encode("latin-1").decode()


@pytest.mark.parametrize(
    ("challenges", "chosen"),
    [
        (['Basic realm="b"', 'Digest realm="d", nonce="n"'], "MD5"),
        (['Digest realm="d", nonce="n", algorithm=MD5', 'Digest realm="d", nonce="o", algorithm=SHA-256'], "SHA-256"),
        (['Digest realm="d", nonce="o", algorithm=sha-256, Digest realm="d", nonce="n"'], "sha-256"),
        (['Digest realm="d", nonce="n", algorithm=MD5, qop="auth", Basic'], "MD5"),
        (['Digest realm="d", nonce="n", algorithm=SHA-512-256', "Basic"], "basic"),
        (['Digest realm="d", nonce="n", qop="auth-int"', "Basic"], "basic"),
        (['Digest nonce="n"', "Basic"], "basic"),
        (['Digest realm="d"', "Basic"], "basic"),
        (['Digest realm="d", nonce=""', "Basic"], "basic"),
        (['Digest realm="d", nonce="n", algorithm=MD5-sess', "Basic"], "basic"),
        (["Negotiate", "NTLM"], None),
        (['Digest realm="d", nonce="n", qop="auth-int"'], None),
        ([], None),
    ],
)
def test_the_best_challenge_that_can_be_answered_is(challenges, chosen):
    fields = answer_to(*challenges)
    assert (fields and fields.get("algorithm", "basic" if fields["scheme"] == "basic" else "MD5")) == chosen
    if chosen and "sha-256" in chosen.lower():
        # Each challenge has its own nonce.
        assert fields["nonce"] == "o"


# What is answered, and how often.

DIGEST = 'Digest realm="r", nonce="%s", qop="auth"'
STALE = DIGEST + ", stale=TRUE"


def test_nothing_is_sent_unasked():
    authentication = Authentication(SERVER, CREDENTIAL)
    assert authentication.header("GET", "/") is None
    assert not authentication.has_answer


@pytest.mark.parametrize("status", [403, 407])
def test_another_status_is_not_answered(status):
    assert not Authentication(SERVER, CREDENTIAL).take(refusal("Basic", status=status))
    assert not Authentication(PROXY, CREDENTIAL).take(refusal("Basic", status=401, side=PROXY))
    assert Authentication(PROXY, CREDENTIAL).take(refusal("Basic", status=407, side=PROXY))


@pytest.mark.parametrize("challenge", ["Basic", DIGEST % "other"])
@pytest.mark.parametrize("first", ["Basic", DIGEST % "n"])
def test_a_credential_that_was_refused_is_not_sent_again(first, challenge):
    authentication = Authentication(SERVER, CREDENTIAL)
    assert authentication.take(refusal(first))
    assert authentication.has_answer
    authentication.header("GET", "/")
    assert not authentication.has_answer
    assert not authentication.take(refusal(challenge))
    assert not authentication.has_answer


def test_a_stale_nonce_is_replaced_once():
    authentication = Authentication(SERVER, CREDENTIAL)
    authentication.take(refusal(DIGEST % "old"))
    authentication.header("GET", "/")
    assert authentication.take(refusal(STALE % "new"))
    fields = parsed(authentication.header("GET", "/")[1])
    assert (fields["nonce"], fields["nc"]) == ("new", "00000001")
    assert not authentication.take(refusal(STALE % "newer"))


def test_a_nonce_that_was_good_before_may_be_refused_without_a_word():
    authentication = Authentication(SERVER, CREDENTIAL)
    authentication.take(refusal(DIGEST % "old"))
    authentication.header("GET", "/")
    authentication.header("GET", "/after/a/redirect")
    assert authentication.take(refusal(DIGEST % "new"))
    authentication.header("GET", "/after/a/redirect")
    assert not authentication.take(refusal(DIGEST % "newer"))


def test_a_password_that_was_good_before_is_not_sent_again_by_basic():
    authentication = Authentication(SERVER, CREDENTIAL)
    authentication.take(refusal("Basic"))
    authentication.header("GET", "/")
    authentication.header("GET", "/after/a/redirect")
    assert not authentication.take(refusal("Basic"))


# What the error says.


@pytest.mark.parametrize(
    ("side", "challenges", "credential", "text"),
    [
        (SERVER, ['Basic realm="x"'], None, "it asks for Basic; set control.server_credential"),
        (PROXY, ["Basic"], None, "it asks for Basic; set control.proxy_credential"),
        (SERVER, ["Negotiate", "NTLM"], CREDENTIAL, "Negotiate, NTLM; control.server_credential can answer Basic, "),
        (SERVER, ["Negotiate"], None, "send a token of your own with set_request_header('Authorization', ...)"),
        (
            PROXY,
            ["Negotiate", "NTLM"],
            None,
            "let a local proxy such as px or cntlm log in, and set control.proxy to it",
        ),
        (
            SERVER,
            [RFC_CHALLENGE % "SHA-512-256"],
            None,
            "Digest (SHA-512-256 auth, auth-int); control.",
        ),
        (SERVER, ['Digest realm="x", qop="auth"'], CREDENTIAL, "it asks for Digest (auth without nonce); control."),
        (SERVER, ['Digest nonce="n"'], None, "it asks for Digest (without realm); control."),
        (SERVER, [], None, "it does not say which scheme it wants; send a token of your own with set_request_header("),
        (
            PROXY,
            [],
            None,
            "it does not say which scheme it wants; let a local proxy such as px or cntlm log in, and set ",
        ),
    ],
)
def test_the_advice_says_what_is_asked_for_and_what_to_do(side, challenges, credential, text):
    advice = Authentication(side, credential).advice(refusal(*challenges, status=side.status_code, side=side))
    assert advice.startswith(": it ")
    assert text in advice


@pytest.mark.parametrize(
    ("challenges", "is_named"), [(["Negotiate", "NTLM"], True), (["NTLM"], False), (["Bearer"], False), ([], False)]
)
def test_what_makes_a_token_for_negotiate_is_named_where_the_server_asks_for_it(challenges, is_named):
    advice = Authentication(SERVER, None).advice(refusal(*challenges, status=401, side=SERVER))
    assert ("pyspnego" in advice) is is_named


@pytest.mark.parametrize(
    ("side", "again", "text"),
    [
        (SERVER, ["Basic"], ": it asks for Basic; the user name and password were refused"),
        (PROXY, ["Basic"], ": it asks for Basic; the user name and password were refused"),
        (SERVER, [], ": it does not say which scheme it wants; the user name and password were refused"),
        (SERVER, ["Negotiate"], ": it asks for Negotiate; the user name and password were refused"),
    ],
)
def test_a_credential_that_was_sent_is_said_to_be_refused_whatever_the_refusal_asks_for(side, again, text):
    authentication = Authentication(side, CREDENTIAL)
    assert authentication.take(refusal("Basic", status=side.status_code, side=side))
    assert authentication.header("GET", "/") is not None
    answer = refusal(*again, status=side.status_code, side=side)
    assert not authentication.take(answer)
    assert authentication.advice(answer) == text


def test_there_is_no_advice_about_other_answers():
    assert Authentication(SERVER, None).advice(Head(407, "", ())) == ""


def test_answers_show_no_secret():
    assert digest_strength(Challenge("digest", {"realm": "r", "nonce": "n"})) is not None
    answers = DigestAnswers(Challenge("digest", {"realm": "r", "nonce": "n"}), "name", "secret")
    authentication = Authentication(SERVER, PasswordCredential("", "name", "secret"))
    assert "secret" not in repr(answers) + repr(authentication) + answers.next("GET", "/")
