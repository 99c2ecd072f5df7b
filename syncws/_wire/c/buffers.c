/* Memory that much is received into at a time, and that is used again.
 *
 * What is put into `kept` is a view of it, so whoever holds that holds the memory; when nobody does it is there for the
 * next read of any connection. Before what was received there is room for what an earlier read has left, so that the two
 * need not be put together in a third place. Without a GIL nothing is kept for the next read, and so nothing is read
 * like this: see MUCH_BYTES. */

#include "speedups.h"

#ifndef MS_WINDOWS
#include <errno.h>
#include <sys/socket.h>
#endif

/* For reads of two threads at a time; more take memory of their own. */
enum { MOST_SPARES = 2 };

/* Received bytes up to so many are copied: then they hold no more memory than they need. */
enum { LITTLE = 4096 };

typedef struct {
    PyObject_HEAD
    State *home;
    /* What a view shows. */
    Py_ssize_t start;
    Py_ssize_t stop;
    unsigned char bytes[SYNCWS_LEFT_BYTES + SYNCWS_MUCH_BYTES];
} Buffer;

static int
buffer_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    return 0;
}

static void
buffer_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    if (!syncws_keep(&((Buffer *)object)->home->buffers, MOST_SPARES, object)) {
        type->tp_free(object);
    }
    Py_DECREF(type);
}

static int
buffer_get(PyObject *object, Py_buffer *view, int flags)
{
    Buffer *self = (Buffer *)object;

    return PyBuffer_FillInfo(view, object, self->bytes + self->start, self->stop - self->start, 1, flags);
}

static PyType_Slot buffer_slots[] = {
    {Py_tp_doc, "Received bytes, in memory that is used again."},
    {Py_tp_traverse, buffer_traverse},
    {Py_tp_dealloc, buffer_dealloc},
    {Py_bf_getbuffer, buffer_get},
    {0, NULL},
};

PyType_Spec syncws_buffer_spec = {
    .name = "syncws._wire._speedups.ReceiveBuffer",
    .basicsize = sizeof(Buffer),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = buffer_slots,
};

/* Make one; `room` gets where up to SYNCWS_MUCH_BYTES may be put. */
PyObject *
syncws_new_buffer(State *state, unsigned char **room)
{
    Buffer *self = (Buffer *)syncws_make(&state->buffers, state->buffer_type);

    if (self == NULL) {
        return NULL;
    }
    self->home = state;
    self->start = self->stop = SYNCWS_LEFT_BYTES;
    *room = self->bytes + SYNCWS_LEFT_BYTES;
    return (PyObject *)self;
}

/* Return the first `count` of the bytes that were put there, and let go of the buffer. */
PyObject *
syncws_take_buffer(PyObject *buffer, Py_ssize_t count)
{
    Buffer *self = (Buffer *)buffer;
    PyObject *taken;

    self->stop = SYNCWS_LEFT_BYTES + count;
    taken = count <= LITTLE ? PyBytes_FromStringAndSize((const char *)self->bytes + SYNCWS_LEFT_BYTES, count)
                            : PyMemoryView_FromObject(buffer);
    Py_DECREF(buffer);
    return taken;
}

/* Put a piece, whose reference it takes over, into the deque `kept`; -1 with an exception. */
int
syncws_put(const State *state, PyObject *kept, PyObject *piece)
{
    PyObject *put[3] = {NULL, kept, piece}, *done = NULL;

    if (piece != NULL) {
        done = PyObject_VectorcallMethod(state->append_name, put + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
        Py_DECREF(piece);
    }
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* Put what a socket gave, and return what receive_much() and receive_small() do: -2 where there was no memory to put it,
 * for it cannot be had again. */
PyObject *
syncws_put_received(const State *state, PyObject *kept, PyObject *piece, Py_ssize_t received)
{
    if (syncws_put(state, kept, piece) == 0) {
        return PyLong_FromSsize_t(received);
    }
    if (!PyErr_ExceptionMatches(PyExc_MemoryError)) {
        return NULL;
    }
    PyErr_Clear();
    return PyLong_FromLong(-2);
}

/* receive_much(socket, kept) -> how many bytes were put into the deque `kept`, -1 when there is nothing now, -2 when what
 * there was is lost */
PyObject *
syncws_receive_much(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
#ifdef MS_WINDOWS
    PyErr_SetString(PyExc_NotImplementedError, "not on Windows");
    return NULL;
#else
    State *state = syncws_state(module);
    unsigned char *room;
    PyObject *buffer;
    Py_ssize_t received;
    int descriptor, number;

    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "receive_much takes a socket and a deque");
        return NULL;
    }
    descriptor = syncws_number_of(args[0], state);
    if (descriptor < 0) {
        errno = EBADF;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    buffer = syncws_new_buffer(state, &room);
    if (buffer == NULL) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    received = recv(descriptor, room, SYNCWS_MUCH_BYTES, MSG_DONTWAIT);
    number = errno;
    Py_END_ALLOW_THREADS
    if (received < 0) {
        Py_DECREF(buffer);
        if (number == EAGAIN || number == EWOULDBLOCK || number == EINTR) {
            return PyLong_FromLong(-1);
        }
        errno = number;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return syncws_put_received(state, args[1], syncws_take_buffer(buffer, received), received);
#endif
}

/* The place before a view's bytes, if that is free for `count` bytes; else NULL. */
static unsigned char *
place_before(const State *state, PyObject *data, Py_ssize_t count)
{
    Buffer *self;
    unsigned char *begin;

    if (!PyMemoryView_Check(data) || !Py_IS_TYPE(PyMemoryView_GET_BASE(data), state->buffer_type)) {
        return NULL;
    }
    self = (Buffer *)PyMemoryView_GET_BASE(data);
    begin = PyMemoryView_GET_BUFFER(data)->buf;
    if (begin + PyMemoryView_GET_BUFFER(data)->len != self->bytes + self->stop || begin - self->bytes < count) {
        return NULL;
    }
    self->start = begin - self->bytes - count;
    return begin - count;
}

/* join(left, data) -> both, one behind the other; where `data` is what receive_much() has put, it stays where it is */
PyObject *
syncws_join(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    State *state = syncws_state(module);
    unsigned char *place;

    if (count != 2 || !PyBytes_CheckExact(args[0])) {
        PyErr_SetString(PyExc_TypeError, "join takes bytes and what comes behind them");
        return NULL;
    }
    place = place_before(state, args[1], PyBytes_GET_SIZE(args[0]));
    if (place == NULL) {
        return PySequence_Concat(args[0], args[1]);
    }
    memcpy(place, PyBytes_AS_STRING(args[0]), (size_t)PyBytes_GET_SIZE(args[0]));
    return PyMemoryView_FromObject(PyMemoryView_GET_BASE(args[1]));
}
