"""One connection after the other: when the next is tried, and trying it. What programs use is syncws.reconnecting."""
