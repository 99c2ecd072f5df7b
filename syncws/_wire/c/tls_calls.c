/* Reading and writing over TLS: the methods of tls.c's type that move something.
 *
 * One thread at a time may be in here. A small call keeps the GIL, which it can for it never waits, and so needs no
 * lock; a large one lets go of it, under the lock of direct.py, and is_busy tells a small one to take the lock too. */

#include "tls.h"

#if SYNCWS_HAS_TLS

#include <errno.h>

/* As in direct.py. */
enum { NOTHING = 0, FAILED = -1, BUSY = -2 };

enum {
    /* Ciphertext that a small call takes in by one system call: a full record, and what encrypting adds to it. */
    SMALL_RECEIVE_BYTES = 16384 + 256,
    /* What is taken in before whoever reads looks at the time. */
    TURN_BYTES = 262144
};

static int
takes(Py_ssize_t expected, Py_ssize_t count, PyObject *names)
{
    if (count == expected && (names == NULL || !PyTuple_GET_SIZE(names))) {
        return 1;
    }
    PyErr_Format(PyExc_TypeError, "it takes exactly %zd arguments", expected);
    return 0;
}

/* Begin a call; return NOTHING, or FAILED or BUSY. */
static int
begin(Tls *self, State *state, Failure *failure, Py_ssize_t most)
{
    if (self->is_busy) {
        return BUSY;
    }
    if (failure->kind != GOES_ON) {
        return FAILED;
    }
    self->descriptor = self->ssl == NULL ? -1 : syncws_number_of(self->socket, state);
    if (self->descriptor < 0) {
        /* Closed, maybe behind our back; or another process's connection. */
        failure->kind = REFUSED_BY_SYSTEM;
        failure->code = EBADF;
        return FAILED;
    }
    self->most = most;
    self->budget = TURN_BYTES;
    return NOTHING;
}

/* Note what a call has left, and count what it moved; -1 with an exception. */
static int
finish(Tls *self, const State *state)
{
    Py_ssize_t received = self->received, sent = self->sent;

    self->received = self->sent = 0;
    syncws_tls_note_unsent(self);
    if (self->leftover != NULL && self->leftover_position == PyBytes_GET_SIZE(self->leftover)) {
        Py_CLEAR(self->leftover);
    }
    if ((received && syncws_count(self->inbound, state, received) < 0)
        || (sent && syncws_count(self->outbound, state, sent) < 0)) {
        return -1;
    }
    return 0;
}

/* Put a piece into the deque `kept`. */
static int
keep(Tls *self, const State *state, PyObject *kept, PyObject *piece)
{
    if (syncws_put(state, kept, piece) < 0) {
        /* No memory: what was decrypted cannot be had again. */
        self->is_torn = 1;
        return -1;
    }
    return 0;
}

/* Return what a call that read has to tell: how much, nothing, or that reading is over. */
static PyObject *
outcome(Tls *self, const State *state, Py_ssize_t count)
{
    if (finish(self, state) < 0) {
        return NULL;
    }
    return PyLong_FromSsize_t(count == 0 && self->reading.kind != GOES_ON ? FAILED : count);
}

/* _keep_small(kept, size): as Transport.keep, with the GIL */
PyObject *
syncws_tls_keep_small(
    PyObject *object, PyTypeObject *defining_class, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    State *state = PyType_GetModuleState(defining_class);
    Tls *self = (Tls *)object;
    unsigned char room[SYNCWS_SMALL_BYTES];
    Py_ssize_t size, filled;

    if (!takes(2, count, names) || state == NULL) {
        return NULL;
    }
    size = PyLong_AsSsize_t(args[1]);
    if (size < 0 || size > SYNCWS_SMALL_BYTES) {
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_ValueError, "the size must be at most %d", SYNCWS_SMALL_BYTES);
    }
    filled = begin(self, state, &self->reading, SMALL_RECEIVE_BYTES);
    if (filled != NOTHING) {
        return PyLong_FromSsize_t(filled);
    }
    /* What OpenSSL may call must not come in here. */
    self->is_busy = 1;
    filled = syncws_tls_read(self, room, size);
    self->is_busy = 0;
    if (filled && keep(self, state, args[0], PyBytes_FromStringAndSize((const char *)room, filled)) < 0) {
        return NULL;
    }
    return outcome(self, state, filled);
}

static Py_ssize_t
read_without_gil(Tls *self, unsigned char *room, Py_ssize_t size)
{
    Py_ssize_t filled;

    self->is_busy = 1;
    Py_BEGIN_ALLOW_THREADS
    filled = syncws_tls_read(self, room, size);
    Py_END_ALLOW_THREADS
    self->is_busy = 0;
    return filled;
}

/* Read up to `size` bytes, which of more than SYNCWS_MANY_BYTES lie in a buffer then; `piece` gets them. */
static Py_ssize_t
read_piece(Tls *self, State *state, Py_ssize_t size, PyObject **piece)
{
    unsigned char *room = NULL;
    int is_much = size > SYNCWS_MANY_BYTES;
    Py_ssize_t filled;

    *piece = is_much ? syncws_new_buffer(state, &room) : PyBytes_FromStringAndSize(NULL, size);
    if (*piece == NULL) {
        return -1;
    }
    if (is_much) {
        filled = read_without_gil(self, room, size < SYNCWS_MUCH_BYTES ? size : SYNCWS_MUCH_BYTES);
    }
    else {
        filled = read_without_gil(self, (unsigned char *)PyBytes_AS_STRING(*piece), size);
    }
    if (filled == 0) {
        Py_CLEAR(*piece);
    }
    else if (is_much) {
        *piece = syncws_take_buffer(*piece, filled);
    }
    else {
        _PyBytes_Resize(piece, filled);
    }
    return filled;
}

/* _keep_much(kept, size): as Transport.keep; under the lock */
PyObject *
syncws_tls_keep_much(
    PyObject *object, PyTypeObject *defining_class, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    State *state = PyType_GetModuleState(defining_class);
    Tls *self = (Tls *)object;
    PyObject *piece;
    Py_ssize_t size, filled;

    if (!takes(2, count, names) || state == NULL) {
        return NULL;
    }
    size = PyLong_AsSsize_t(args[1]);
    if (size == -1 && PyErr_Occurred()) {
        return NULL;
    }
    filled = begin(self, state, &self->reading, SYNCWS_TLS_BUFFER_BYTES);
    if (filled != NOTHING) {
        return PyLong_FromSsize_t(filled);
    }
    filled = read_piece(self, state, size, &piece);
    if (filled < 0 || (filled > 0 && keep(self, state, args[0], piece) < 0)) {
        return NULL;
    }
    return outcome(self, state, filled);
}

/* _fill(room): as Transport.receive_into; under the lock */
PyObject *
syncws_tls_fill(
    PyObject *object, PyTypeObject *defining_class, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    State *state = PyType_GetModuleState(defining_class);
    Tls *self = (Tls *)object;
    Py_buffer room;
    Py_ssize_t filled;

    if (!takes(1, count, names) || state == NULL) {
        return NULL;
    }
    if (PyObject_GetBuffer(args[0], &room, PyBUF_WRITABLE) < 0) {
        return NULL;
    }
    filled = begin(self, state, &self->reading, SYNCWS_TLS_BUFFER_BYTES);
    if (filled != NOTHING) {
        PyBuffer_Release(&room);
        return PyLong_FromSsize_t(filled);
    }
    filled = read_without_gil(self, room.buf, room.len);
    PyBuffer_Release(&room);
    return outcome(self, state, filled);
}

/* Encrypt and send while the GIL is kept. */
static Py_ssize_t
send_small(Tls *self, State *state, const unsigned char *data, Py_ssize_t size)
{
    Py_ssize_t taken = begin(self, state, &self->sending, 0);

    if (taken == NOTHING) {
        self->is_busy = 1;
        taken = syncws_tls_write(self, data, size);
        self->is_busy = 0;
        syncws_tls_note_unsent(self);
    }
    return taken;
}

/* As senders.c's push(). */
int
syncws_tls_send(PyObject *object, State *state, const unsigned char *data, Py_ssize_t size, SyncwsSent *sent)
{
    Tls *self = (Tls *)object;

    if (self->has_unsent) {
        return 0;
    }
    sent->taken = send_small(self, state, data, size);
    if (sent->taken == BUSY) {
        return 0;
    }
    sent->moved = self->sent;
    self->sent = 0;
    sent->is_whole = sent->taken == size && !self->has_unsent;
    if (sent->taken == FAILED && self->sending.kind == REFUSED_BY_SYSTEM && self->sending.code != EBADF) {
        sent->number = (int)self->sending.code;
        return 1;
    }
    /* What else is wrong, Python's form finds as well. */
    return sent->taken > 0;
}

/* _send(data): as Transport.send; under the lock, or small */
PyObject *
syncws_tls_send_data(
    PyObject *object, PyTypeObject *defining_class, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    State *state = PyType_GetModuleState(defining_class);
    Tls *self = (Tls *)object;
    Py_buffer data;
    Py_ssize_t taken;

    if (!takes(1, count, names) || state == NULL
        || PyObject_GetBuffer(args[0], &data, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    if (data.len <= SYNCWS_SMALL_BYTES) {
        taken = send_small(self, state, data.buf, data.len);
    }
    else {
        taken = begin(self, state, &self->sending, 0);
        if (taken == NOTHING) {
            self->is_busy = 1;
            Py_BEGIN_ALLOW_THREADS
            taken = syncws_tls_write(self, data.buf, data.len);
            Py_END_ALLOW_THREADS
            self->is_busy = 0;
        }
    }
    PyBuffer_Release(&data);
    if (taken != BUSY && finish(self, state) < 0) {
        return NULL;
    }
    return PyLong_FromSsize_t(taken);
}

/* _flush(): whether all is out, FAILED or BUSY; under the lock */
PyObject *
syncws_tls_flush(PyObject *object, PyTypeObject *defining_class, PyObject *const *Py_UNUSED(args), Py_ssize_t count,
    PyObject *names)
{
    State *state = PyType_GetModuleState(defining_class);
    Tls *self = (Tls *)object;
    int result;

    if (!takes(0, count, names) || state == NULL) {
        return NULL;
    }
    result = begin(self, state, &self->sending, 0);
    if (result == NOTHING) {
        self->is_busy = 1;
        Py_BEGIN_ALLOW_THREADS
        result = syncws_tls_push_out(self);
        Py_END_ALLOW_THREADS
        self->is_busy = 0;
        if (finish(self, state) < 0) {
            return NULL;
        }
        result = result < 0 ? FAILED : !self->has_unsent;
    }
    return PyLong_FromLong(result);
}

/* _say_goodbye(): put close_notify to what is to be sent; under the lock */
PyObject *
syncws_tls_farewell(PyObject *object, PyObject *Py_UNUSED(nothing))
{
    Tls *self = (Tls *)object;

    if (self->ssl != NULL && !self->is_busy) {
        syncws_tls_say_goodbye(self);
        syncws_tls_note_unsent(self);
    }
    Py_RETURN_NONE;
}

#endif
