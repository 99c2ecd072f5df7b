"""Chains of certificates with one fault or two, and the rules by which a client looks at them; for compliance.trust.

A case begins as a good one: root, authority in the middle, server's certificate, for the name localhost. Each fault
changes the plan of it; two faults are both done to one plan.
"""

import copy
import itertools
import ssl
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from cryptography import x509

from compliance.certificates import (
    CLIENT,
    CODE,
    DAY,
    NOW,
    ODD_CURVE,
    SERVER,
    Certified,
    Recipe,
    certify,
    certify_revocation,
    with_explicit_curve,
    with_public_key,
    with_times,
    with_version,
)

__all__ = ["FAULTS", "Case", "cases", "make_case"]

_LONG_AGO, _LATER = (NOW - 9 * DAY, NOW - DAY), (NOW + DAY, NOW + 9 * DAY)
_TIME = "%y%m%d%H%M%SZ"
_STRANGE = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00"), True)


@dataclass
class Plan:
    """What is to be made.

    Attributes:
        root, middle, leaf: the certificates.
        is_self_signed: the server's certificate has no issuer.
        sent: which ones the server shows.
        trusted: which ones the client trusts; "other" is a root of the same name that has signed nothing.
        host: whom the client asks for.
        flags: of verification, besides OpenSSL's usual ones.
        revoked: places of which certificates are on the lists.
        lists: places of which authorities' lists there are.
        list_dates, has_forged_lists: of those lists.
    """

    root: Recipe
    middle: Recipe
    leaf: Recipe
    is_self_signed: bool = False
    sent: list[str] = field(default_factory=lambda: ["leaf", "middle"])
    trusted: list[str] = field(default_factory=lambda: ["root"])
    host: str = "localhost"
    flags: int = 0
    revoked: set[str] = field(default_factory=set)
    lists: set[str] = field(default_factory=set)
    list_dates: tuple[object, object] = (NOW - DAY, NOW + DAY)
    has_forged_lists: bool = False


def _good_plan() -> Plan:
    signs = ["key_cert_sign", "crl_sign"]
    return Plan(
        Recipe("root", "root", key_usage=signs),
        Recipe("middle", "middle", key_usage=signs),
        Recipe("leaf", "leaf", is_authority=None, names=["localhost", "127.0.0.1"], usages=[SERVER]),
    )


Fault: TypeAlias = Callable[[Plan], None]
FAULTS: dict[str, Fault] = {}
"""Each fault by its name."""


def _fault(name: str) -> Callable[[Fault], Fault]:
    def register(change: Fault) -> Fault:
        FAULTS[name] = change
        return change

    return register


def _at(place: str, **values: object) -> Fault:
    """Return a fault that sets fields of one certificate's recipe."""

    def change(plan: Plan) -> None:
        for name, value in values.items():
            setattr(getattr(plan, place), name, copy.copy(value))

    return change


def _plan(**values: object) -> Fault:
    """Return a fault that sets fields of the plan."""

    def change(plan: Plan) -> None:
        for name, value in values.items():
            setattr(plan, name, copy.copy(value))

    return change


def _adding(place: str, what: str, value: object) -> Fault:
    """Return a fault that adds to a list of one certificate's recipe."""
    return lambda plan: getattr(getattr(plan, place), what).append(value)


def _revoking(flags: int, *lists: str, revoked: str = "", **values: object) -> Fault:
    def change(plan: Plan) -> None:
        plan.flags |= flags
        plan.lists |= set(lists)
        plan.revoked |= {revoked} - {""}
        _plan(**values)(plan)

    return change


def _named(host: str, *names: str) -> Fault:
    def change(plan: Plan) -> None:
        plan.host = host
        plan.leaf.names = list(names)

    return change


_LEAF, _ALL = ssl.VERIFY_CRL_CHECK_LEAF, ssl.VERIFY_CRL_CHECK_CHAIN

# Trust.
FAULTS |= {
    "unknown authority": _plan(trusted=["stranger"]),
    "unknown authority, of the same name": _plan(trusted=["other"]),
    "unknown authority, sent along": _plan(trusted=["stranger"], sent=["leaf", "middle", "root"]),
    "middle missing": _plan(sent=["leaf"]),
    "self-signed": _plan(is_self_signed=True, sent=["leaf"]),
    "self-signed, trusted": _plan(is_self_signed=True, sent=["leaf"], trusted=["leaf"]),
    "partial chain": lambda plan: _plan(flags=plan.flags | ssl.VERIFY_X509_PARTIAL_CHAIN, trusted=["middle"])(plan),
    "sent in a wrong order with the root": _plan(sent=["leaf", "root", "middle"]),
}
# Time, at each place.
for _place in ("leaf", "middle", "root"):
    FAULTS[f"{_place} expired"] = _at(_place, dates=_LONG_AGO)
    FAULTS[f"{_place} from the future"] = _at(_place, dates=_LATER)
    FAULTS[f"{_place} with a critical extension"] = _adding(_place, "extensions", _STRANGE)
    FAULTS[f"{_place} with a short key"] = _at(_place, key="rsa1024")
    FAULTS[f"{_place} for clients"] = _at(_place, usages=[CLIENT])
    FAULTS[f"{_place} with a written-out curve"] = _adding(_place, "edits", with_explicit_curve)
    FAULTS[f"{_place} without identifiers"] = _at(_place, has_identifiers=False)
    FAULTS[f"{_place} signed by SHA-1"] = _at(_place, is_signed_by_sha1=True)
_TODAY, _TOMORROW, _AFTER = (NOW - DAY).strftime(_TIME), (NOW + DAY).strftime(_TIME), (NOW + 2 * DAY).strftime(_TIME)
FAULTS |= {
    "leaf's end is no time": _adding("leaf", "edits", with_times(_TODAY.encode(), b"991332000000Z")),
    "leaf from the future without an end": _adding("leaf", "edits", with_times(_TOMORROW.encode(), b"not a time at")),
    "middle's beginning is no time": _adding("middle", "edits", with_times(b"2001010000Z", _AFTER.encode())),
}
# Who may sign.
FAULTS |= {
    "middle with an odd curve": _adding("middle", "edits", with_public_key(ODD_CURVE)),
    "middle is no authority": _at("middle", is_authority=False),
    "middle without constraints": _at("middle", is_authority=None),
    "middle of version 1": lambda plan: _old_authority(plan.middle),
    "root may have no authority below": _at("root", path_length=0),
    "middle may not sign": _at("middle", key_usage=["digital_signature"]),
    "leaf may only sign lists": _at("leaf", key_usage=["crl_sign"]),
    "leaf for code": _at("leaf", usages=[CODE]),
    "leaf for clients and servers": _at("leaf", usages=[CLIENT, SERVER]),
    "leaf without usage": _at("leaf", usages=[]),
    "leaf forged": _at("leaf", is_forged=True),
    "middle forged": _at("middle", is_forged=True),
    "middle for other names only": _adding(
        "middle", "extensions", (x509.NameConstraints([x509.DNSName("other.test")], None), True)
    ),
    "root not for this name": _adding(
        "root", "extensions", (x509.NameConstraints(None, [x509.DNSName("localhost")]), True)
    ),
    "root for these names": _adding(
        "root", "extensions", (x509.NameConstraints([x509.DNSName("localhost")], None), True)
    ),
}
# Names.
FAULTS |= {
    "wrong name": _named("localhost", "other.test"),
    "wrong address": _named("127.0.0.2", "localhost", "127.0.0.1"),
    "address": _plan(host="127.0.0.1"),
    "address among the DNS names": _named("127.0.0.1", "dns:127.0.0.1"),
    "address of version 6": _named("::1", "::1"),
    "wildcard": _named("a.example.test", "*.example.test"),
    "wildcard of two levels": _named("a.b.example.test", "*.example.test"),
    "wildcard alone": _named("localhost", "*"),
    "wildcard of a whole domain": _named("example.test", "*.test"),
    "wildcard below localhost": _named("a.localhost", "*.localhost"),
    "wildcard inside a label": _named("foo.example.test", "f*o.example.test"),
    "wildcard in the middle": _named("a.b.example.test", "a.*.example.test"),
    "international wildcard": _named("xn--bcher-kva.example.test", "xn--*.example.test"),
    "international name": _named("xn--bcher-kva.example", "xn--bcher-kva.example"),
    "name in capitals": _named("localhost", "LOCALHOST"),
    "name with a dot at the end": _named("localhost", "localhost."),
    "name with a dot before it": _named("a.localhost", ".localhost"),
    "common name alone": lambda plan: (_named("leaf.test")(plan), _at("leaf", name="leaf.test")(plan))[0],
    "common name beside another": lambda plan: (
        _named("leaf.test", "other.test")(plan),
        _at("leaf", name="leaf.test")(plan),
    )[0],
    "no name at all": _at("leaf", name="", names=[]),
}
# Revocation.
FAULTS |= {
    "no list": _revoking(_LEAF),
    "no list, for all": _revoking(_ALL),
    "list": _revoking(_LEAF, "middle"),
    "lists for all": _revoking(_ALL, "middle", "root"),
    "leaf revoked": _revoking(_LEAF, "middle", revoked="leaf"),
    "middle revoked": _revoking(_ALL, "middle", "root", revoked="middle"),
    "middle revoked, leaf without a list": _revoking(_ALL, "root", revoked="middle"),
    "middle revoked, nobody asks": _revoking(_LEAF, "middle", "root", revoked="middle"),
    "leaf revoked in an old list": _revoking(_LEAF, "middle", revoked="leaf", list_dates=_LONG_AGO),
    "old list": _revoking(_LEAF, "middle", list_dates=_LONG_AGO),
    "list from the future": _revoking(_ALL, "middle", "root", list_dates=_LATER),
    "forged list": _revoking(_LEAF, "middle", has_forged_lists=True),
}


@_fault("strict")
def _be_strict(plan: Plan) -> None:
    plan.flags |= ssl.VERIFY_X509_STRICT


def _old_authority(recipe: Recipe) -> None:
    """Make it an authority as X.509 had them before extensions."""
    recipe.is_authority, recipe.key_usage, recipe.has_identifiers = None, None, False
    recipe.edits.append(with_version(0))


@dataclass(frozen=True)
class Case:
    """A chain as a server shows it, and by which rules a client looks at it.

    Attributes:
        name: of the faults.
        chain: what the server sends, in DER form.
        anchors: what the client trusts, and its revocation lists, as PEM.
        host: whom the client asks for.
        flags: ssl.VerifyFlags of the client, besides the usual ones.
    """

    name: str
    chain: tuple[bytes, ...]
    anchors: str
    host: str
    flags: int

    def context(self) -> ssl.SSLContext:
        """Return a client's context with these rules."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.verify_flags |= self.flags
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "anchors.pem")
            path.write_text(self.anchors)
            context.load_verify_locations(path)
        return context


def make_case(*names: str) -> Case:
    """Make the case with these faults."""
    plan = _good_plan()
    for name in names:
        FAULTS[name](plan)
    root = certify(plan.root, None)
    middle = certify(plan.middle, root)
    made = {
        "root": root,
        "middle": middle,
        "leaf": certify(plan.leaf, None if plan.is_self_signed else middle),
        "other": certify(Recipe("root", "other"), None),
        "stranger": certify(Recipe("stranger", "stranger"), None),
    }
    anchors = [ssl.DER_cert_to_PEM_cert(made[place].der) for place in plan.trusted]
    return Case(
        ", ".join(names) or "good",
        tuple(made[place].der for place in plan.sent),
        "".join([*anchors, *_revocation_lists(plan, made)]),
        plan.host,
        plan.flags,
    )


def _revocation_lists(plan: Plan, made: dict[str, Certified]) -> Iterator[str]:
    issued = {"middle": "leaf", "root": "middle"}
    for place in sorted(plan.lists):
        revoked = [made[issued[place]]] if issued[place] in plan.revoked else []
        dates = plan.list_dates
        text = certify_revocation(made[place], *revoked, dates=dates, is_forged=plan.has_forged_lists)  # type: ignore[arg-type]
        yield text.decode("ascii")


def cases() -> list[tuple[str, ...]]:
    """Return the names of the faults of each case: none, each alone, all pairs."""
    return [(), *((name,) for name in FAULTS), *itertools.combinations(FAULTS, 2)]
