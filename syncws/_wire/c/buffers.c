/* Memory that much is received into at a time, and that is used again.
 *
 * What is put into `kept` is a view of it, so whoever holds that holds the memory; when nobody does it is there for the
 * next read of any connection. Before what was received there is room for what an earlier read has left, so that the two
 * need not be put together in a third place. Without a GIL nothing is kept for the next read, and so nothing is read
 * like this: see MUCH_BYTES. */

#include "speedups.h"

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
    Buffer *self;

    if (!state->is_memory_kept) {
        /* From then on the C library keeps so much memory that is free: before, what one read has brought goes back to the
         * system when it is dealt with, and each page of the next costs a fault. */
        PyMem_RawFree(PyMem_RawMalloc(sizeof(Buffer)));
        state->is_memory_kept = 1;
    }
    self = (Buffer *)syncws_make(&state->buffers, state->buffer_type);
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
