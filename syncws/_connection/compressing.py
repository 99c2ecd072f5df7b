"""What one connection compresses and inflates with, once that was agreed; and what that has achieved.

Made by the connecting thread. The deflater belongs to the writer role, the inflater to the reading role, and any thread
may ask for the figures.
"""

from syncws._waiting.at_fork import loading
from syncws._wire.deflate import Deflater, Inflater
from syncws._wire.engine import best_engine, compressing_engine
from syncws._wire.extension import Agreement
from syncws.compression import CompressionStatistics, Deflate

__all__ = ["Compression"]


class Compression:
    """Both directions of permessage-deflate on one connection.

    Attributes:
        deflater (Deflater): for what goes.
        inflater (Inflater): for what comes.
    """

    __slots__ = ("_agreement", "deflater", "inflater")

    def __init__(self, agreement: Agreement, options: Deflate) -> None:
        """Make it; neither direction takes memory before its first message."""
        with loading():
            library = best_engine()
        self._agreement = agreement
        self.deflater = Deflater(
            agreement,
            level=options.level,
            memory_level=options.memory_level,
            minimum_size=options.minimum_size,
            library_for=compressing_engine,
        )
        self.inflater = Inflater(agreement, library)

    def read_statistics(self) -> CompressionStatistics:
        """Return what was agreed and the bytes so far."""
        deflater, inflater = self.deflater, self.inflater
        return CompressionStatistics(
            *self._agreement,
            bytes_to_compress=deflater.plain_bytes,
            bytes_compressed=deflater.compressed_bytes,
            bytes_to_inflate=inflater.compressed_bytes,
            bytes_inflated=inflater.plain_bytes,
        )
