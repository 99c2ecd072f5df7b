"""Asks of chains of certificates with all faults, alone and in pairs: does one pass that OpenSSL's list does not allow?

    python -m compliance.trust [--cases 500] [--seed 1]

`openssl s_client` goes on past errors, so it tells all that is wrong with a chain. A set of ignorable errors may let a
chain pass only if it covers that whole list. Each chain is asked about with every set of up to two entries. Prints
which chains passed that should not have (exit code 1), and how many were refused that could have passed, and why. Needs
openssl on the path, and `cryptography`; all cases take a minute.
"""

import argparse
import itertools
import random
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from compliance.chains import Case, cases, make_case
from syncws._certificates.errors import IGNORABLE_ERRORS
from syncws._net.tls.chain_judge import server_flight
from syncws._net.tls.verification import examine, not_forgiven
from syncws.enums import ChainValidationResult as Error

__all__ = ["Figures", "openssl_is_there", "run"]

# By which entries each of OpenSSL's errors (X509_V_ERR_…) may be let pass; the others by none.
_ENTRIES = {
    2: {Error.UNTRUSTED, Error.INCOMPLETE_CHAIN},
    3: {Error.REVOCATION_INFORMATION_MISSING},
    8: {Error.REVOCATION_FAILURE},
    9: {Error.EXPIRED},
    10: {Error.EXPIRED},
    11: {Error.REVOCATION_FAILURE},
    12: {Error.REVOCATION_FAILURE},
    18: {Error.UNTRUSTED},
    19: {Error.UNTRUSTED},
    20: {Error.UNTRUSTED, Error.INCOMPLETE_CHAIN},
    21: {Error.UNTRUSTED, Error.INCOMPLETE_CHAIN},
    26: {Error.WRONG_USAGE},
    62: {Error.INVALID_NAME},
    64: {Error.INVALID_NAME},
}
_SETS = [frozenset(some) for size in range(3) for some in itertools.combinations(sorted(IGNORABLE_ERRORS), size)]

# A suite for each kind of key; the server's message must name one that the client has offered.
_SUITE = 0xC02F
_OPTIONS = {
    ssl.VERIFY_X509_STRICT: "-x509_strict",
    ssl.VERIFY_X509_PARTIAL_CHAIN: "-partial_chain",
}
_SECONDS = 30.0


@dataclass
class Figures:
    """What came of a run.

    Attributes:
        chains, questions: how many were asked about, and with all sets of entries.
        passed: questions that passed in both.
        wrong: chains that passed and should not have, with the set, OpenSSL's list and what the library found.
        refused: questions that were refused and need not have been, by the reason.
    """

    chains: int = 0
    questions: int = 0
    passed: int = 0
    wrong: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)

    def count(self, case: Case, codes: Sequence[int]) -> None:
        """Ask about a chain with each set of entries."""
        report = examine(case.context(), case.chain, case.host)
        self.chains += 1
        for ignorable in _SETS:
            self.questions += 1
            has_passed = not not_forgiven(report.errors, ignorable)
            may_pass = all(_ENTRIES.get(code, set()) & ignorable for code in codes)
            self.passed += has_passed and may_pass
            if has_passed and not may_pass:
                entries, found = _names(ignorable), _names(report.errors)
                self.wrong.append(f"{case.name}: passed with {entries}; OpenSSL {list(codes)}, found {found}")
            elif may_pass and not has_passed:
                self.refused[_reason(case, codes, report.errors)] += 1


def _reason(case: Case, codes: Sequence[int], found: Collection[Error]) -> str:
    """Return why a chain was refused that need not have been."""
    if case.flags & ssl.VERIFY_CRL_CHECK_LEAF:
        return "revocation cannot be asked about once another check has failed"
    if 26 in codes:
        return "it is an authority's usage that is wrong, which OpenSSL cannot be told to leave out"
    if 20 in codes:
        return "the last certificate of a chain without an end is out of date, at which OpenSSL does not look"
    return f"OpenSSL {sorted(set(codes))}, found {_names(found)}"


def _names(errors: Collection[Error]) -> str:
    return ", ".join(error.name for error in sorted(errors)) or "nothing"


def openssl_is_there() -> bool:
    """Tell whether there is an openssl of the release that Python uses: another one may have other rules."""
    path = shutil.which("openssl")
    if path is None:
        return False
    words = subprocess.run([path, "version"], capture_output=True, text=True, check=True).stdout.split()
    return words[:2] == ssl.OPENSSL_VERSION.split()[:2]


class _Shower:
    """A server that shows the chain of the moment, in the clear messages with which a TLS 1.2 server begins."""

    def __init__(self) -> None:
        self.chain: tuple[bytes, ...] = ()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, name="shower", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                connection.settimeout(_SECONDS)
                if not connection.recv(65536):
                    return
                connection.sendall(server_flight(self.chain, _SUITE))
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass

    def close(self) -> None:
        socket.create_connection(("127.0.0.1", self.port), _SECONDS).close()
        self._thread.join(_SECONDS)
        self._listener.close()


@contextmanager
def _shower() -> Iterator[_Shower]:
    shower = _Shower()
    try:
        yield shower
    finally:
        shower.close()


def _openssl_codes(case: Case, shower: _Shower) -> list[int]:
    """Return all that OpenSSL finds wrong, by its numbers, in its order."""
    shower.chain = case.chain
    is_address = case.host.replace(".", "").isdigit() or ":" in case.host
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{shower.port}", "-tls1_2", "-verify", "100"]
    command += ["-cipher", "DEFAULT:@SECLEVEL=2", "-verify_ip" if is_address else "-verify_hostname", case.host]
    command += [option for flag, option in _OPTIONS.items() if case.flags & flag]
    if case.flags & ssl.VERIFY_CRL_CHECK_LEAF:
        is_for_all = case.flags & ssl.VERIFY_CRL_CHECK_CHAIN == ssl.VERIFY_CRL_CHECK_CHAIN
        command += ["-crl_check_all" if is_for_all else "-crl_check"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "anchors.pem")
        path.write_text(case.anchors)
        command += ["-CAfile", str(path), "-no-CApath", "-no-CAstore"]
        done = subprocess.run(command, input=b"", capture_output=True, timeout=_SECONDS, check=False)
    output = (done.stdout + done.stderr).decode("utf-8", "replace")
    if "tls_process_server_certificate:ASN1 lib" in output:
        # OpenSSL 3.6 cannot even read a certificate with a malformed time; this stands for X509_V_ERR_UNSPECIFIED.
        return [1]
    if "depth=" not in output:
        raise RuntimeError(f"openssl said nothing about {case.name}: {output}")
    return [int(code) for code in re.findall(r"verify error:num=(\d+)", output)]


def run(number: int | None, seed: int) -> Figures:
    """Ask about so many cases, chosen by the seed, or all."""
    chosen = cases()
    if number is not None:
        chosen = random.Random(seed).sample(chosen, min(number, len(chosen)))
    figures = Figures()
    with _shower() as shower:
        for names in chosen:
            case = make_case(*names)
            figures.count(case, _openssl_codes(case, shower))
    return figures


def main() -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, help="how many, chosen by the seed; default all")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if not openssl_is_there():
        parser.error(f"this needs an openssl on the path of Python's own release, {ssl.OPENSSL_VERSION}")
    figures = run(options.cases, options.seed)
    print(f"{figures.chains} chains, {figures.questions} questions, {figures.passed} passed and may pass")
    print(f"passed and must not: {len(figures.wrong)}")
    for line in figures.wrong:
        print(f"    {line}")
    print(f"refused and might pass: {figures.refused.total()}")
    for line, count in figures.refused.most_common():
        print(f"    {count:5} {line}")
    return 1 if figures.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
