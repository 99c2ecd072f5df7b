"""A system that lacks what Windows lacks, and does what Windows does differently: SYNCWS_LIKE_WINDOWS=1 pytest …

conftest.py imports it before the library; it changes the process of the tests and no other. The numbers are those of
Winsock (WSAEWOULDBLOCK and others) as CPython shows them on Windows, where errno's names of socket errors stand for
them.
"""

import contextlib
import errno
import os
import select
import selectors
import signal
import socket
import threading
import time
import urllib.request

IS_ON = os.environ.get("SYNCWS_LIKE_WINDOWS") == "1"

WINSOCK = {
    "EADDRNOTAVAIL": 10049,
    "EAFNOSUPPORT": 10047,
    "ECONNABORTED": 10053,
    "ECONNREFUSED": 10061,
    "EHOSTUNREACH": 10065,
    "EINPROGRESS": 10036,
    "ENETUNREACH": 10051,
    "ETIMEDOUT": 10060,
    "EWOULDBLOCK": 10035,
}
# As in socket.py on Windows; C's strerror() there knows none of them.
ERROR_TEXTS = {
    10035: "The socket operation would block.",
    10051: "The network is unreachable.",
    10060: "The operation timed out.",
    10061: "Connection refused.",
    10065: "The host is unreachable.",
}
WSAEINVAL = 10022

# What the changed functions, being Python, make different for the tests alone.
LEFT_OUT = (
    "test_a_second_interruption_lets_nothing_be_read_behind_what_the_first_has_cut",
    "test_a_server_nearby_is_not_waited_for_where_the_system_tells_at_once",
    "test_a_signal_handler_that_raises_leaves_no_lock_taken",
    "test_abort_ends_what_the_other_thread_waits_for",
    "test_an_interruption_anywhere_tears_no_frame_and_keeps_no_role",
    "test_whoever_keeps_the_frames_of_a_receive_that_is_over_refuses_no_other_one",
)

# Descriptors of connections that their own side has shut down: a select there is not told of that.
_shut: set[int] = set()

_select = select.select
_socket = socket.socket
_strerror = os.strerror
_own = {name: getattr(errno, name) for name in WINSOCK}


def install() -> None:
    """Change this process; there is no way back."""
    _take_away()
    _number_errors_as_winsock()
    select.select = _select_like_winsock
    _have_own_shutdown_wake_nobody()
    selectors.DefaultSelector = _Selector
    # The only lock waits of the library that a signal could end.
    threading.Lock, threading.RLock = _with_deaf_waits(threading.Lock), _with_deaf_waits(threading.RLock)


def _take_away() -> None:
    for module, names in (
        (select, ("poll", "epoll")),
        (os, ("register_at_fork", "fork", "eventfd")),
        (socket, ("AF_UNIX",)),
    ):
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    socket.socketpair = _tcp_pair
    # Windows keeps proxies in the registry.
    urllib.request.getproxies_registry = dict


def _tcp_pair(*_: object) -> tuple[socket.socket, socket.socket]:
    # By plain calls, because some tests replace those that look up names.
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        one = socket.socket()
        one.connect(listener.getsockname())
        other, _ = listener.accept()
    return one, other


def _number_errors_as_winsock() -> None:
    """Give the attempts to connect Winsock's numbers; what recv() and send() raise is told by its class."""
    for name, number in WINSOCK.items():
        setattr(errno, name, number)
    socket.errorTab = ERROR_TEXTS
    os.strerror = lambda number: "Unknown error" if number >= 10000 else _strerror(number)
    connect, connect_ex, getsockopt = socket.socket.connect, socket.socket.connect_ex, socket.socket.getsockopt
    numbers = {_own[name]: number for name, number in WINSOCK.items()}
    # Winsock says that a connect which has begun would block.
    numbers[_own["EINPROGRESS"]] = WINSOCK["EWOULDBLOCK"]

    def connect_like_winsock(self: socket.socket, address: object) -> None:
        try:
            connect(self, address)
        except OSError as exc:
            if exc.errno not in numbers:
                raise
            raise type(exc)(numbers[exc.errno], exc.strerror) from None

    def connect_ex_like_winsock(self: socket.socket, address: object) -> int:
        found = connect_ex(self, address)
        return numbers.get(found, found)

    def option_like_winsock(self: socket.socket, level: int, option: int, *size: int) -> int | bytes:
        value = getsockopt(self, level, option, *size)
        if (level, option) == (socket.SOL_SOCKET, socket.SO_ERROR) and isinstance(value, int):
            return numbers.get(value, value)
        return value

    socket.socket.connect, socket.socket.connect_ex = connect_like_winsock, connect_ex_like_winsock
    socket.socket.getsockopt = option_like_winsock


def _have_own_shutdown_wake_nobody() -> None:
    make, shutdown = socket.socket.__init__, socket.socket.shutdown

    def make_anew(self: socket.socket, *arguments: object, **named: object) -> None:
        make(self, *arguments, **named)
        _shut.discard(self.fileno())

    def note_shutdown(self: socket.socket, how: int) -> None:
        shutdown(self, how)
        # Of a listening one select is told.
        if how == socket.SHUT_RDWR and not self.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            _shut.add(self.fileno())

    socket.socket.__init__, socket.socket.shutdown = make_anew, note_shutdown


@contextlib.contextmanager
def _deaf():
    """Have no signal end a system call of this thread: Windows' waits know none. Its handler runs afterwards."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGALRM, signal.SIGTERM, signal.SIGUSR1])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _select_like_winsock(readers, writers, exceptional, timeout=None):
    if not (readers or writers or exceptional):
        raise OSError(WSAEINVAL, "An invalid argument was supplied")
    end = None if timeout is None else time.monotonic() + timeout
    while True:
        heard = [each for each in readers if _number(each) not in _shut]
        with _deaf():
            readable, writable, failed = _select(heard, writers, exceptional, timeout)
        told = [each for each in readable if _number(each) not in _shut]
        if told or writable or failed or not readable:
            break
        # Shut in the meantime: Windows would wait on.
        timeout = None if end is None else max(end - time.monotonic(), 0)
    readable = told
    # Winsock reports a connect that failed as exceptional, and as nothing else.
    broken = [each for each in writable if each in exceptional and _has_failed(each)]
    readable = [each for each in readable if each not in broken]
    return readable, [each for each in writable if each not in broken], [*failed, *broken]


def _number(descriptor) -> int:
    return descriptor if isinstance(descriptor, int) else descriptor.fileno()


def _has_failed(descriptor) -> bool:
    """Tell whether the descriptor is of a TCP socket whose connect failed: it is writable, and has no peer."""
    try:
        with _socket(fileno=os.dup(_number(descriptor))) as copy:
            copy.getpeername()
    except OSError as exc:
        return exc.errno == errno.ENOTCONN
    return False


class _Selector(selectors.SelectSelector):
    # As the standard library has it on Windows.
    def _select(self, r, w, _, timeout=None):
        readable, writable, failed = select.select(r, w, w, timeout)
        return readable, writable + failed, []


def _with_deaf_waits(make):
    class Lock:
        __slots__ = ("_lock",)

        def __init__(self):
            self._lock = make()

        def acquire(self, blocking=True, timeout=-1):
            if self._lock.acquire(False):
                return True
            if not blocking:
                return False
            with _deaf():
                return self._lock.acquire(True, timeout)

        def release(self):
            self._lock.release()

        def locked(self):
            return self._lock.locked()

        def __enter__(self):
            return self.acquire()

        def __exit__(self, *_):
            self._lock.release()

        def __getattr__(self, name):
            # What threading.Condition asks of an RLock.
            return getattr(self._lock, name)

    return Lock


if IS_ON:
    install()
