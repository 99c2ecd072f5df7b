"""Memory only: buffers, the two stream classes over callables, and the reader and writer of typed values.

The rule of this room: nothing here opens, waits or runs a thread. All code runs on the thread that calls it; what
blocks is a callable that was handed in.

    buffer         Buffer, and as_bytes_view, through which every function takes "a buffer"
    layouts        bytes of numbers, GUIDs, dates and time spans
    texts          text to bytes and back in the three encodings
    input_stream   InputStream, MemoryInputStream
    output_stream  OutputStream
    operation      one call that takes, from an InputStream or a socket's inbox
    byte_source    what an InputStream reads from
    reading        one read of an InputStream, piece by piece
    memory_stream  InMemoryRandomAccessStream
    files          the streams as file objects
    ownership      what becomes of the stream of a reader or writer that is dropped
    reader_core    the unread bytes of a DataReader
    data_reader    DataReader, over a stream, a buffer or a received message
    writer_fields  what a DataWriter has gathered, and what a program calls for each message
    data_writer    DataWriter, into memory or a stream
"""
