"""HTTP's Digest authentication (RFC 7616): which challenges can be answered, and the answers.

Runs on the connecting thread.
"""

import functools
import os
from collections.abc import Callable

from syncws._net.http.challenges import Challenge, quoted

__all__ = ["DigestAnswers", "digest_strength"]

# Worst first. SHA-512-256 is left out: hardly any server has it, and not every OpenSSL does.
_ALGORITHMS = ("MD5", "MD5-SESS", "SHA-256", "SHA-256-SESS")
_DEFAULT_ALGORITHM = "MD5"


def digest_strength(challenge: Challenge) -> int | None:
    """Return how good a Digest challenge is, the more the better; None when it cannot be answered.

    Without `qop` it is as in RFC 2069, which has no session. A body is not protected (`auth-int`): a handshake has
    none.
    """
    parameters = challenge.parameters
    algorithm = parameters.get("algorithm", _DEFAULT_ALGORITHM).upper()
    qop = parameters.get("qop")
    if algorithm not in _ALGORITHMS or "realm" not in parameters or not parameters.get("nonce"):
        return None
    if algorithm.endswith("-SESS") if qop is None else not _offers_auth(qop):
        return None
    return _ALGORITHMS.index(algorithm)


def _offers_auth(qop: str) -> bool:
    return "auth" in [option.strip(" \t").lower() for option in qop.split(",")]


class DigestAnswers:
    """Answers one challenge, and counts the requests that carry its nonce."""

    def __init__(self, challenge: Challenge, user_name: str, password: str) -> None:
        """Take a challenge for which digest_strength() gives a number, in Latin-1: a character for each byte."""
        self._parameters = challenge.parameters
        self._user_name, self._password = (text.encode("utf-8").decode("latin-1") for text in (user_name, password))
        self._algorithm = self._parameters.get("algorithm", _DEFAULT_ALGORITHM)
        self._client_nonce = os.urandom(16).hex()
        self._count = 0

    def next(self, method: str, target: str) -> str:
        """Return the value of the header for the next request, in Latin-1; `target` is what its first line has."""
        self._count += 1
        hashed = self._hash()
        realm, nonce = self._parameters["realm"], self._parameters["nonce"]
        secret = hashed(f"{self._user_name}:{realm}:{self._password}")
        if self._algorithm.upper().endswith("-SESS"):
            secret = hashed(f"{secret}:{nonce}:{self._client_nonce}")
        request = hashed(f"{method}:{target}")
        fields = [*self._user(hashed), f"realm={quoted(realm)}", f"nonce={quoted(nonce)}", f"uri={quoted(target)}"]
        if "qop" in self._parameters:
            count = f"{self._count:08x}"
            response = hashed(f"{secret}:{nonce}:{count}:{self._client_nonce}:auth:{request}")
            fields += ["qop=auth", f"nc={count}", f'cnonce="{self._client_nonce}"']
        else:
            response = hashed(f"{secret}:{nonce}:{request}")
        fields.append(f'response="{response}"')
        if "algorithm" in self._parameters:
            fields.append(f"algorithm={self._algorithm}")
        if "opaque" in self._parameters:
            fields.append(f"opaque={quoted(self._parameters['opaque'])}")
        return f"Digest {', '.join(fields)}"

    def _user(self, hashed: Callable[[str], str]) -> list[str]:
        """Return the fields that name the user: hashed if the server asks for that, beyond ASCII as RFC 8187 has it."""
        if self._parameters.get("userhash", "").lower() == "true":
            name = hashed(f"{self._user_name}:{self._parameters['realm']}")
            return [f'username="{name}"', "userhash=true"]
        if self._user_name.isascii():
            return [f"username={quoted(self._user_name)}"]
        from urllib.parse import quote

        return [f"username*=UTF-8''{quote(self._user_name, safe='', encoding='latin-1')}"]

    def _hash(self) -> Callable[[str], str]:
        # Here and not above: it loads OpenSSL.
        import hashlib

        # Not for security in OpenSSL's eyes, so that a system which forbids MD5 for that can still log in.
        make = hashlib.sha256 if self._algorithm.upper().startswith("SHA") else hashlib.md5
        make = functools.partial(make, usedforsecurity=False)
        return lambda text: make(text.encode("latin-1")).hexdigest()
