"""Rules for the arguments of close() (RFC 6455 5.5.1, 7.4; MessageWebSocket.Close).

May import errors and wire.frames. A pure function: any thread may call it.
"""

from syncws.errors import InvalidArgumentError, InvalidArgumentTypeError
from syncws.wire.frames import MAX_REASON_BYTES, is_sendable_close_code

__all__ = ["check_close"]


def check_close(code: int | None, reason: str | None) -> tuple[int | None, str]:
    """Check the arguments of close().

    Returns:
        The code to send, None for an empty Close frame, and the reason.

    Raises:
        InvalidArgumentTypeError: code is no int or reason no str (0x80070057).
        InvalidArgumentError: a code outside the list, a reason without a code, with a lone surrogate, or of more than
            123 bytes (0x80070057).
    """
    if reason is None:
        reason = ""
    if not isinstance(reason, str):
        raise InvalidArgumentTypeError(f"reason must be str, not {type(reason).__name__}")
    if code is not None and (isinstance(code, bool) or not isinstance(code, int)):
        raise InvalidArgumentTypeError(f"code must be an int, not {type(code).__name__}")
    if code is None or code == 1005:
        if reason:
            raise InvalidArgumentError(f"a reason needs a close code other than {code}; got {reason!r}")
        return None, ""
    if not is_sendable_close_code(code):
        raise InvalidArgumentError(
            f"close code {code} must not be sent: allowed are 1000 to 1003, 1005, 1007 to 1010 and 3000 to 4999"
        )
    try:
        length = len(reason.encode("utf-8"))
    except UnicodeEncodeError as exc:
        raise InvalidArgumentError(f"the reason holds a lone surrogate at {exc.start}") from exc
    if length > MAX_REASON_BYTES:
        raise InvalidArgumentError(f"the reason has {length} bytes of UTF-8: at most {MAX_REASON_BYTES} are allowed")
    return int(code), reason
