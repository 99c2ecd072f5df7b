"""One HTTP request and its answer, on a connection that is being made; the credential goes over the same one if it can.

Runs on the connecting thread.
"""

from typing import NamedTuple, Protocol

from syncws._net.exchange import send_all
from syncws._net.http.authentication import Authentication
from syncws._net.http.head import Head, HeadReader
from syncws._net.http.trace import trace_head
from syncws._net.transport import Transport, is_tls_error
from syncws._waiting.waiter import Waiter
from syncws.errors import ConnectionLostError, ProxyError, WebSocketError
from syncws.hresult import HResult

__all__ = ["Answer", "Question", "ask"]


class Question(Protocol):
    """What is asked: of a server the opening handshake, of a proxy a tunnel.

    Attributes:
        authentication: answers what the peer asks for.
        is_exact: what comes after the answer's head is not HTTP.
    """

    @property
    def authentication(self) -> Authentication: ...

    @property
    def is_exact(self) -> bool: ...

    def head(self) -> bytes:
        """Return the request's head."""
        ...

    def meanwhile(self) -> None:
        """Do what is to be done while the answer is on its way; called each time that it was asked."""

    def is_granted(self, head: Head) -> bool:
        """Take an answer; tell whether it is the one that was hoped for, after which another protocol begins."""
        ...

    def refusal(self, why: str) -> WebSocketError:
        """Return the error for an answer that is no HTTP."""
        ...

    def silence(self, failure: ConnectionLostError | None) -> WebSocketError:
        """Return the error for a peer that ended the connection; `failure` when it did so before it took all."""
        ...

    def cut(self, hresult: int) -> WebSocketError:
        """Return the error for a peer that ended the connection in the middle of its answer."""
        ...


class Answer(NamedTuple):
    """What came.

    Attributes:
        head: its head.
        is_granted: as the question says.
        rest: what came after the head when it is granted, else the beginning of its body.
    """

    head: Head
    is_granted: bool
    rest: bytes


def ask(transport: Transport, waiter: Waiter, question: Question) -> Answer:
    """Ask; once more when the answer wants a credential and its connection can go on.

    When it cannot, the question's `authentication.has_answer` says that a new connection has a chance.

    Raises: what the question says; OSError, OperationTimedOutError, OperationCanceledError as the transport and the
        waiter say.
    """
    refused: Answer | None = None
    while True:
        try:
            answer, can_go_on = _ask_once(transport, waiter, question)
        except OSError as exc:
            if refused is None or not _is_hang_up(exc):
                raise
            # It said that the connection goes on, and ended it.
            question.authentication.take_back()
            return refused
        if answer.is_granted or not question.authentication.take(answer.head) or not can_go_on:
            return answer
        refused = answer


def _is_hang_up(error: OSError) -> bool:
    return isinstance(error, ConnectionLostError | ProxyError) or is_tls_error(error)


def _ask_once(transport: Transport, waiter: Waiter, question: Question) -> tuple[Answer, bool]:
    """Ask; return the answer, and whether the connection takes another request."""
    failure: ConnectionLostError | None = None
    request = question.head()
    trace_head(">", request)
    try:
        try:
            send_all(transport, waiter, request)
        except ConnectionLostError as exc:
            # The peer hung up on our request. Why may have come before: a refusal, or TLS's alert.
            failure = exc
        question.meanwhile()
        reader = HeadReader(transport, waiter, question.refusal, is_exact=question.is_exact)
        try:
            head = reader.read_final()
        except ConnectionLostError as exc:
            if reader.has_begun:
                raise question.cut(exc.hresult) from exc.__cause__
            raise
        if head is None:
            raise question.cut(HResult.WININET_E_CONNECTION_ABORTED) if reader.has_begun else question.silence(failure)
        if question.is_granted(head):
            return Answer(head, True, reader.remainder), False
        body, is_at_end = reader.read_body(head)
        return Answer(head, False, body), is_at_end and failure is None and head.is_persistent
    finally:
        # Its frames lead here: both would stay until the next garbage collection, with all that a connect holds.
        failure = None
