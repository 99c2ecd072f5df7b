"""How one peer, a server or a proxy, learns who we are: its challenges are answered by Digest or Basic.

Runs on the connecting thread. Nothing is sent before the peer has asked: otherwise a password would go in the clear to
a peer that wants Digest.
"""

import base64
from typing import NamedTuple, Protocol

from syncws._net.http.challenges import Challenge, parse_challenges
from syncws._net.http.digest import DigestAnswers, digest_strength
from syncws._net.http.head import Head
from syncws._wire.shown import shown_text

__all__ = ["Authentication", "Credential", "PROXY", "SERVER", "Side", "UNAUTHENTICATED"]


class Credential(Protocol):
    """What is needed of a credential."""

    @property
    def user_name(self) -> str:
        """The user name, without a colon."""
        ...

    @property
    def password(self) -> str:
        """The password."""
        ...


class Side(NamedTuple):
    """What the challenges of servers and of proxies differ in.

    Attributes:
        status_code: of an answer that asks.
        challenge: the header that asks.
        authorization: the header that answers.
        setting: where the credential comes from.
        otherwise: what to do when none of the schemes is ours.
        for_negotiate: what else to do when one of them is Negotiate; empty for nothing.
    """

    status_code: int
    challenge: str
    authorization: str
    setting: str
    otherwise: str
    for_negotiate: str


SERVER = Side(
    401,
    "www-authenticate",
    "Authorization",
    "control.server_credential",
    "send a token of your own with set_request_header('Authorization', ...)",
    "; pyspnego makes one for Negotiate",
)
PROXY = Side(
    407,
    "proxy-authenticate",
    "Proxy-Authorization",
    "control.proxy_credential",
    "let a local proxy such as px or cntlm log in, and set control.proxy to it",
    "",
)


class Authentication:
    """Answers the challenges of one peer in one connect, with one credential.

    Attributes:
        has_answer (bool): a challenge has come, and its answer has not been sent yet.
    """

    has_answer = False
    _digest: DigestAnswers | None = None
    _basic: str | None = None
    _is_retry = False
    _sent = 0

    def __init__(self, side: Side, credential: Credential | None) -> None:
        """Take a credential; with None nothing is answered."""
        self._side = side
        self._credential = credential

    def header(self, method: str, target: str) -> tuple[str, str] | None:
        """Return the header for the next request, in Latin-1; None as long as nobody has asked."""
        value = self._basic if self._digest is None else self._digest.next(method, target)
        if value is None:
            return None
        self._sent += 1
        self.has_answer = False
        return self._side.authorization, value

    def take(self, head: Head) -> bool:
        """Take a refusal; tell whether the request can be sent again, with an answer that may do better.

        A credential that was refused is not sent again, unless the peer says that its nonce had only become stale, or
        the nonce had been used before (RFC 7616 3.3).
        """
        if head.status_code != self._side.status_code or self._credential is None:
            return False
        # What the peer says beyond ASCII, a realm, goes back and is hashed as it came.
        best = _best(parse_challenges(", ".join(head.octets_of(self._side.challenge))))
        if best is None:
            return False
        is_stale = best.parameters.get("stale", "").lower() == "true"
        was_refused = self._sent == 1 or (self._sent > 1 and self._digest is None)
        if was_refused and (self._is_retry or not is_stale or self._digest is None):
            return False
        self._is_retry = was_refused
        self._sent = 0
        self._basic = self._digest = None
        if best.scheme == "digest":
            self._digest = DigestAnswers(best, self._credential.user_name, self._credential.password)
        else:
            self._basic = _basic(self._credential)
        self.has_answer = True
        return True

    def take_back(self) -> None:
        """Note that the latest answer came to nothing, because the peer ended the connection."""
        self._sent = 0
        self.has_answer = True

    def advice(self, head: Head, *, has_own_header: bool = False) -> str:
        """Return what to do about a refusal, for its error; begins with a colon, or is empty.

        `has_own_header` says that the application had set the header that answers.
        """
        if head.status_code != self._side.status_code:
            return ""
        header = ", ".join(head.all_of(self._side.challenge))
        challenges = parse_challenges(header)
        schemes = shown_text(", ".join(dict.fromkeys(_shown(one) for one in challenges)))
        asks = f": it asks for {schemes}" if schemes else ": it does not say which scheme it wants"
        if has_own_header:
            return f"{asks}; the header {self._side.authorization} was refused"
        if self._sent:
            return f"{asks}; the user name and password were refused"
        if not schemes:
            return f"{asks}; {self._side.otherwise}"
        if _best(challenges) is None:
            answers = f"{self._side.setting} can answer Basic, and Digest with MD5 or SHA-256"
            asks_negotiate = any(one.scheme == "negotiate" for one in challenges)
            return f"{asks}; {answers}: {self._side.otherwise}{self._side.for_negotiate if asks_negotiate else ''}"
        if self._credential is None:
            return f"{asks}; set {self._side.setting}"
        # The last word of the connect only over a socket that was given: see Connect._open_authorized.
        why = "because this one cannot be used again"
        return f"{asks}; {self._side.setting} can answer only on another connection, {why}"


UNAUTHENTICATED = Authentication(SERVER, None)
"""Answers no server; without a credential nothing of it ever changes."""


def _best(challenges: list[Challenge]) -> Challenge | None:
    """Return the challenge that tells an eavesdropper least (RFC 7616 5.1), the first of several; None without any."""
    digests = [(digest_strength(one), one) for one in challenges if one.scheme == "digest"]
    able = [(strength, one) for strength, one in digests if strength is not None]
    if able:
        return max(able, key=lambda pair: pair[0])[1]
    return next((one for one in challenges if one.scheme == "basic"), None)


def _shown(challenge: Challenge) -> str:
    """Return a scheme as people write it, and for a Digest what may be the reason why it is not answered."""
    name = {"ntlm": "NTLM"}.get(challenge.scheme, challenge.scheme.capitalize())
    if challenge.scheme != "digest":
        return name
    which = [challenge.parameters[key] for key in ("algorithm", "qop") if key in challenge.parameters]
    which += [f"without {key}" for key in ("realm", "nonce") if key not in challenge.parameters]
    return f"{name} ({' '.join(which)})" if which else name


def _basic(credential: Credential) -> str:
    """Return a header's value by RFC 7617; user name and password go in UTF-8."""
    pair = f"{credential.user_name}:{credential.password}".encode()
    return f"Basic {base64.b64encode(pair).decode('ascii')}"
