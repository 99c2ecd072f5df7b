"""Memory only: buffers, the two stream classes over callables, and the reader and writer of typed values.

The rule of this room: nothing here opens, waits or runs a thread. Its modules may import syncws.enums, syncws.errors
and the standard library, but not socket, ssl, threading or time. All code runs on the thread that calls it; what blocks
is a callable that was handed in.

    arguments      checks of arguments that several modules share
    buffer         Buffer, and as_bytes_view, through which every function takes "a buffer"
    layouts        bytes of numbers, GUIDs, dates and time spans
    input_stream   InputStream, MemoryInputStream
    output_stream  OutputStream
    texts          text to bytes and back in the three encodings
    reader_core    the unread bytes of a DataReader
    data_reader    DataReader, over a stream, a buffer or a received message
    data_writer    DataWriter, into memory or a stream
"""
