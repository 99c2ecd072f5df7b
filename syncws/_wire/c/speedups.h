/* What the files of the compiled part share. See ../accelerated.py for what it is for.
 *
 * Leaves only: no state machine, no lock, no policy. What is per interpreter lies in State; nothing is static but
 * constants. An object's fields are touched under its critical section, which is nothing where there is a GIL. */

#ifndef SYNCWS_SPEEDUPS_H
#define SYNCWS_SPEEDUPS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <structmember.h>

#ifndef Py_BEGIN_CRITICAL_SECTION
#define Py_BEGIN_CRITICAL_SECTION(object) {
#define Py_END_CRITICAL_SECTION() }
#endif

/* Memory of objects that are gone, for the next ones of their class; linked by what follows an object's head. */
typedef struct {
    PyObject *first;
    int count;
} Spares;

/* Where other threads run at the same time, and on Windows, Python's ssl stays in between. */
#if !defined(MS_WINDOWS) && !defined(Py_GIL_DISABLED) && !defined(PYPY_VERSION) && !defined(GRAALVM_PYTHON)
#define SYNCWS_HAS_TLS 1
#else
#define SYNCWS_HAS_TLS 0
#endif

/* See tls.h. */
typedef struct OpenSsl OpenSsl;

typedef struct {
    PyTypeObject *assembler_type;
    PyTypeObject *message_type;
    PyTypeObject *reader_type;
    /* What the handlers of a socket get; see use_message(). */
    PyTypeObject *message_class;
    Spares messages;
    Spares readers;
    Spares streams;
    Spares writers;
    Spares buffers;
    /* What get_data_reader() makes, and what it fills in; see use_reader(). */
    PyTypeObject *reader_class;
    PyObject *encoding;
    PyObject *byte_order;
    PyObject *options;
    PyObject *fresh;
    /* What a DataWriter is over, and where the uncommon cases are; see use_writer(). */
    PyTypeObject *writer_type;
    PyObject *writer_in_python;
    PyTypeObject *writer_class;
    PyTypeObject *stream_class;
    PyTypeObject *meter_type;
    PyTypeObject *sender_type;
    PyTypeObject *stream_type;
    PyTypeObject *latest_type;
    PyTypeObject *tally_type;
    PyTypeObject *at_hand_type;
    PyTypeObject *way_type;
    PyTypeObject *memory_type;
    PyTypeObject *ascii_type;
    PyTypeObject *buffer_type;
    PyTypeObject *tls_type;
    /* NULL until somebody looked for it. */
    OpenSsl *openssl;
    /* The names of syncws._waiting.deadline. */
    PyObject *clocks;
    PyObject *monotonic;
    /* The names of syncws._wire.mask_keys. */
    PyObject *keys;
    PyObject *stock;
    PyObject *clock_name;
    PyObject *stock_name;
    PyObject *new_key_name;
    PyObject *zero;
    PyObject *fileno_name;
    /* See receives.c. */
    PyTypeObject *socket_class;
    PyCFunction socket_fileno;
    PyObject *append_name;
    PyObject *popleft_name;
    PyObject *handlers_name;
    PyObject *event_name;
    PyObject *write_name;
    PyObject *write_text_name;
    PyObject *is_discarding_name;
    PyObject *control_name;
    PyObject *kind_name;
    /* See buffers.c. */
    int is_memory_kept;
    /* NULL until it is needed; see senders.c. */
    unsigned char *frame;
} State;

/* An event args object or a message on its way there: the base class of incoming.Message. */
typedef struct {
    PyObject_HEAD
    PyObject *payload;
    PyObject *text;
    PyObject *length;
    PyObject *error;
    /* Of what scan() has made: where its memory goes back to. Such an object is not tracked, so the collector cannot
     * know who needs its class, and thereby the module, and leaves them alone as long as it is there. */
    State *home;
} Message;

/* The fields of a DataReader: the base class of reader_core.ReaderCore. */
typedef struct {
    PyObject_HEAD
    PyObject *data;
    PyObject *text;
    PyObject *position;
    PyObject *unread;
    PyObject *encoding;
    PyObject *byte_order;
    PyObject *options;
    PyObject *stream;
    PyObject *turn;
    PyObject *is_closed;
    /* Of what get_data_reader() has made: as a message's. */
    State *home;
} Reader;

/* The fields of a DataWriter: the base class of data_writer.DataWriter. Its two lists are made when Python asks for them:
 * until then `part` is the one part there is, or NULL, and `is_busy` tells whether an operation has taken the turn. */
typedef struct {
    PyObject_HEAD
    PyObject *part;
    PyObject *parts;
    PyObject *length;
    PyObject *text;
    PyObject *stream;
    PyObject *turn;
    PyObject *encoding;
    PyObject *byte_order;
    PyObject *is_closed;
    State *home;
    char is_busy;
} Writer;

/* What an output stream writes to, and who refers to it weakly: the base class of output_stream.OutputStream. */
typedef struct {
    PyObject_HEAD
    PyObject *sink;
    PyObject *references;
    /* Where its memory goes back to, of what LatestStream has made. */
    State *home;
} Stream;

/* The latest stream of a socket, weakly. */
typedef struct {
    PyObject_HEAD
    PyObject *reference;
} Latest;

/* What has moved in one direction: the base class of meter.BandwidthMeter. */
typedef struct {
    PyObject_HEAD
    long long total_bytes;
    long long sample_bytes;
    double sample_end;
    double last_time;
} Meter;

/* Where what was pulled can be taken by one step. */
typedef struct {
    PyObject_HEAD
    PyObject *messages;
} AtHand;

/* Messages of one frame: the base class of tally.Tally. */
typedef struct {
    PyObject_HEAD
    long long whole;
} Tally;

/* What a small frame needs to be sent at once: the base class of outbox.Outbox. */
typedef struct {
    PyObject_HEAD
    PyObject *direct;
    PyObject *owner;
    PyObject *has_posted;
    PyObject *tally;
    PyObject *meter;
    PyObject *writer;
} Sender;

/* The first byte of a message of one frame; of a message of several, of those that follow, and of the last. */
enum { SYNCWS_FIN_TEXT = 0x81, SYNCWS_FIN_BINARY = 0x82 };
enum { SYNCWS_TEXT = 0x01, SYNCWS_BINARY = 0x02, SYNCWS_CONTINUATION = 0x00, SYNCWS_FIN_CONTINUATION = 0x80 };

/* What became of a frame that was given to a socket. */
typedef struct {
    /* Bytes of the frame that need not be given again, and bytes that have gone to the system. */
    Py_ssize_t taken;
    Py_ssize_t moved;
    /* The system's errno, 0 for none. */
    int number;
    /* Nothing of it is left anywhere. */
    int is_whole;
} SyncwsSent;

/* A frame's header, with its mask key. */
enum { SYNCWS_KEY_BYTES = 4, SYNCWS_LONGEST_HEAD = 14 };

/* What a read of much takes at most; of more than MANY it is one. Without a GIL there is no such read: see buffers.c.
 * Messages up to LEFT are scanned, and may be left to the next read: with the header that is what there is room for
 * before its bytes. */
enum {
    /* What a small call moves at most, as in _net/transport.py. */
    SYNCWS_SMALL_BYTES = 4096,
    SYNCWS_MANY_BYTES = 65536,
#ifdef Py_GIL_DISABLED
    SYNCWS_MUCH_BYTES = SYNCWS_MANY_BYTES,
#else
    SYNCWS_MUCH_BYTES = 524288,
#endif
    SYNCWS_SCANNED_BYTES = 262144,
    SYNCWS_LEFT_BYTES = SYNCWS_SCANNED_BYTES + 16
};

/* Text of more characters may lend its memory: see utf8.utf8_of. */
enum { SYNCWS_LENT = 65536 };

extern struct PyModuleDef syncws_definition;

State *syncws_state(PyObject *module);

int syncws_is_plain(PyTypeObject *type, PyTypeObject *base);
PyObject *syncws_make(Spares *spares, PyTypeObject *type);
PyObject *syncws_make_tracked(Spares *spares, PyTypeObject *type);
int syncws_keep(Spares *spares, int most, PyObject *object);
void syncws_drop(Spares *spares);
int syncws_give(PyTypeObject *type, PyMethodDef *methods, PyMemberDef *member);

/* What belongs to the module of an object's class; `home` is what the object says. */
static inline State *
syncws_state_of(PyObject *object, State *home)
{
    return home != NULL ? home : syncws_state(PyType_GetModuleByDef(Py_TYPE(object), &syncws_definition));
}

/* Give a field a value, whose reference it takes over, and return the old one: it is let go of when the object is whole
 * again, for that may run anything. */
static inline PyObject *
syncws_replace(PyObject **field, PyObject *value)
{
    PyObject *old = *field;

#ifdef Py_GIL_DISABLED
    /* Python's getters of members read it outside the critical section. */
    _Py_atomic_store_ptr_release(field, value);
#else
    *field = value;
#endif
    return old;
}

PyObject *syncws_make_message(State *state, PyTypeObject *type, PyObject *content, Py_ssize_t length);
PyObject *syncws_text_of(const unsigned char *from, Py_ssize_t length);
int syncws_is_ascii(const unsigned char *from, Py_ssize_t length);
int syncws_read_first(PyObject *object);
int syncws_read_key(PyObject *object, unsigned char *key);
void syncws_mask_into(unsigned char *to, const unsigned char *from, Py_ssize_t length, const unsigned char *key);
Py_ssize_t syncws_write_head(unsigned char *head, unsigned first, Py_ssize_t length, const unsigned char *key);
int syncws_number_of(PyObject *socket, State *state);
PyObject *syncws_new_buffer(State *state, unsigned char **room);
PyObject *syncws_take_buffer(PyObject *buffer, Py_ssize_t count);
int syncws_put(const State *state, PyObject *kept, PyObject *piece);
PyObject *syncws_take(PyObject *at_hand, const State *state, PyObject *handlers);
PyObject *syncws_latest_stream(PyObject *latest, State *state, PyObject *sink);
PyObject *syncws_send(PyObject *sender, State *state, PyObject *payload, unsigned first);
int syncws_count(PyObject *meter, const State *state, long long bytes);
void syncws_free_openssl(State *state);
int syncws_tls_send(
    PyObject *object, State *state, const unsigned char *data, Py_ssize_t size, SyncwsSent *sent);

PyObject *syncws_call_writer_in_python(
    const State *state, const char *name, PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *syncws_writer_parts(Writer *writer);
extern PyGetSetDef syncws_writer_lists[];
PyObject *syncws_writer_write_string(PyObject *object, PyObject *value);
PyObject *syncws_writer_write_bytes(PyObject *object, PyObject *value);
PyObject *syncws_writer_detach_stream(PyObject *object, PyObject *ignored);
PyObject *syncws_writer_store(PyObject *object, PyObject *ignored);
void syncws_call_aside(PyObject *object, const char *name, int takes_error);

PyObject *syncws_make_room(PyObject *module, PyObject *size);
PyObject *syncws_mask_into_room(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *syncws_masked_frame(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *syncws_decode_utf8(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *syncws_receive_small(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *syncws_receive_much(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *syncws_join(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *syncws_scan(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *syncws_scan_fragmented(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *syncws_call_handlers(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *syncws_use_message(PyObject *module, PyObject *message_class);
PyObject *syncws_use_reader(PyObject *module, PyObject *args);
PyObject *syncws_use_stream(PyObject *module, PyObject *stream_class);
PyObject *syncws_use_writer(PyObject *module, PyObject *args);
PyObject *syncws_use_clock(PyObject *module, PyObject *clock_module);
PyObject *syncws_use_keys(PyObject *module, PyObject *keys_module);
PyObject *syncws_use_names(PyObject **names, PyObject *module);

extern PyType_Spec syncws_assembler_spec;
extern PyType_Spec syncws_message_spec;
extern PyType_Spec syncws_reader_spec;
extern PyType_Spec syncws_writer_spec;
extern PyType_Spec syncws_meter_spec;
extern PyType_Spec syncws_sender_spec;
extern PyType_Spec syncws_stream_spec;
extern PyType_Spec syncws_latest_spec;
extern PyType_Spec syncws_tally_spec;
extern PyType_Spec syncws_at_hand_spec;
extern PyType_Spec syncws_way_spec;
extern PyType_Spec syncws_memory_spec;
extern PyType_Spec syncws_ascii_spec;
extern PyType_Spec syncws_buffer_spec;
#if SYNCWS_HAS_TLS
extern PyType_Spec syncws_tls_spec;
#endif

#endif
