/* The fields of a DataReader: the compiled form of reader_core.ReaderFields. And what a handler calls on a message's
 * reader, which data_reader.MessageReader is given. Whatever is not the common case goes to the Python method of its base
 * class, DataReader. */

#include "speedups.h"

/* A handler has one reader at a time, mostly. */
enum { MOST_SPARES = 16 };

static int
reader_traverse(PyObject *object, visitproc visit, void *arg)
{
    Reader *self = (Reader *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->data);
    Py_VISIT(self->text);
    Py_VISIT(self->position);
    Py_VISIT(self->unread);
    Py_VISIT(self->encoding);
    Py_VISIT(self->byte_order);
    Py_VISIT(self->options);
    Py_VISIT(self->stream);
    Py_VISIT(self->turn);
    Py_VISIT(self->is_closed);
    return 0;
}

static int
reader_clear(PyObject *object)
{
    Reader *self = (Reader *)object;

    Py_CLEAR(self->data);
    Py_CLEAR(self->text);
    Py_CLEAR(self->position);
    Py_CLEAR(self->unread);
    Py_CLEAR(self->encoding);
    Py_CLEAR(self->byte_order);
    Py_CLEAR(self->options);
    Py_CLEAR(self->stream);
    Py_CLEAR(self->turn);
    Py_CLEAR(self->is_closed);
    return 0;
}

static void
reader_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    State *home = ((Reader *)object)->home;
    int is_spare = home != NULL && type == home->reader_class;

    if (!is_spare) {
        PyObject_GC_UnTrack(object);
    }
    reader_clear(object);
    if (!is_spare || !syncws_keep(&home->readers, MOST_SPARES, object)) {
        type->tp_free(object);
    }
    Py_DECREF(type);
}

static PyMemberDef reader_members[] = {
    {"_data", T_OBJECT_EX, offsetof(Reader, data), 0, NULL},
    {"_text", T_OBJECT_EX, offsetof(Reader, text), 0, NULL},
    {"_position", T_OBJECT_EX, offsetof(Reader, position), 0, NULL},
    {"_unread", T_OBJECT_EX, offsetof(Reader, unread), 0, NULL},
    {"_encoding", T_OBJECT_EX, offsetof(Reader, encoding), 0, NULL},
    {"_byte_order", T_OBJECT_EX, offsetof(Reader, byte_order), 0, NULL},
    {"_options", T_OBJECT_EX, offsetof(Reader, options), 0, NULL},
    {"_stream", T_OBJECT_EX, offsetof(Reader, stream), 0, NULL},
    {"_turn", T_OBJECT_EX, offsetof(Reader, turn), 0, NULL},
    {"_is_closed", T_OBJECT_EX, offsetof(Reader, is_closed), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot reader_slots[] = {
    {Py_tp_doc, "The compiled form of syncws._streams.reader_core.ReaderFields."},
    {Py_tp_members, reader_members},
    {Py_tp_traverse, reader_traverse},
    {Py_tp_clear, reader_clear},
    {Py_tp_dealloc, reader_dealloc},
    {0, NULL},
};

PyType_Spec syncws_reader_spec = {
    .name = "syncws._wire._speedups.ReaderFields",
    .basicsize = sizeof(Reader),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = reader_slots,
};

/* What a message's reader has besides. */

/* super(MessageReader, self).name(*args) */
static PyObject *
call_next(const State *state, PyObject *self, const char *name, PyObject *const *args, Py_ssize_t count)
{
    PyObject *next, *method, *result = NULL;

    next = PyObject_CallFunctionObjArgs((PyObject *)&PySuper_Type, (PyObject *)state->reader_class, self, NULL);
    if (next == NULL) {
        return NULL;
    }
    method = PyObject_GetAttrString(next, name);
    Py_DECREF(next);
    if (method != NULL) {
        result = PyObject_Vectorcall(method, args, (size_t)count, NULL);
        Py_DECREF(method);
    }
    return result;
}

static int
is_same_number(PyObject *one, PyObject *other)
{
    Py_ssize_t left, right;

    if (one == other) {
        return 1;
    }
    left = PyLong_AsSsize_t(one);
    right = PyLong_AsSsize_t(other);
    if (PyErr_Occurred()) {
        /* Larger than any memory. */
        PyErr_Clear();
        return 0;
    }
    return left == right;
}

static PyObject *
reader_enter(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    return Py_NewRef(object);
}

static PyObject *
reader_exit(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    Reader *self = (Reader *)object;
    const State *state = syncws_state_of(object, self->home);
    PyObject *data = NULL, *text = NULL, *unread = NULL, *is_closed = NULL;
    int is_in_memory;

    if (count != 3) {
        PyErr_SetString(PyExc_TypeError, "DataReader.__exit__() takes exactly three arguments");
        return NULL;
    }
    Py_BEGIN_CRITICAL_SECTION(object);
    is_in_memory = self->stream == Py_None;
    if (is_in_memory) {
        is_closed = syncws_replace(&self->is_closed, Py_NewRef(Py_True));
        text = syncws_replace(&self->text, Py_NewRef(Py_None));
        data = syncws_replace(&self->data, Py_NewRef(Py_None));
        unread = syncws_replace(&self->unread, Py_NewRef(state->zero));
    }
    Py_END_CRITICAL_SECTION();
    if (!is_in_memory) {
        return call_next(state, object, "__exit__", args, count);
    }
    Py_XDECREF(is_closed);
    Py_XDECREF(text);
    Py_XDECREF(data);
    Py_XDECREF(unread);
    Py_RETURN_NONE;
}

static PyObject *
reader_read_string(PyObject *object, PyObject *number)
{
    Reader *self = (Reader *)object;
    const State *state = syncws_state_of(object, self->home);
    PyObject *text = NULL, *unread = NULL;

    Py_BEGIN_CRITICAL_SECTION(object);
    if (self->text != NULL && PyUnicode_CheckExact(self->text) && self->encoding == state->encoding
        && PyLong_CheckExact(number) && self->unread != NULL && PyLong_CheckExact(self->unread)
        && is_same_number(number, self->unread)) {
        text = syncws_replace(&self->text, Py_NewRef(Py_None));
        unread = syncws_replace(&self->unread, Py_NewRef(state->zero));
    }
    Py_END_CRITICAL_SECTION();
    Py_XDECREF(unread);
    return text != NULL ? text : call_next(state, object, "read_string", &number, 1);
}

/* Take `number` bytes of `data`, which is bytes; NULL without an error when it is not the common case. */
static PyObject *
take_bytes(const State *state, Reader *self, PyObject *number, PyObject *released[3])
{
    PyObject *position, *left, *result;
    Py_ssize_t count, start, unread;

    if (self->data == NULL || !PyBytes_CheckExact(self->data) || !PyLong_CheckExact(number) || self->position == NULL
        || !PyLong_CheckExact(self->position) || self->unread == NULL || !PyLong_CheckExact(self->unread)) {
        return NULL;
    }
    if (number == self->unread && self->position == state->zero
        && PyLong_AsSsize_t(number) == PyBytes_GET_SIZE(self->data)) {
        /* All of it. */
        result = Py_NewRef(self->data);
        released[0] = syncws_replace(&self->text, Py_NewRef(Py_None));
        released[1] = syncws_replace(&self->position, Py_NewRef(number));
        released[2] = syncws_replace(&self->unread, Py_NewRef(state->zero));
        return result;
    }
    count = PyLong_AsSsize_t(number);
    start = PyLong_AsSsize_t(self->position);
    unread = PyLong_AsSsize_t(self->unread);
    if (PyErr_Occurred()) {
        PyErr_Clear();
        return NULL;
    }
    /* What the fields say is compared with the bytes: nothing keeps anybody from setting them. */
    if (count < 0 || count > unread || start < 0 || start > PyBytes_GET_SIZE(self->data)
        || unread > PyBytes_GET_SIZE(self->data) - start) {
        return NULL;
    }
    position = PyLong_FromSsize_t(start + count);
    left = PyLong_FromSsize_t(unread - count);
    if (position == NULL || left == NULL) {
        result = NULL;
    }
    else if (count == PyBytes_GET_SIZE(self->data)) {
        result = Py_NewRef(self->data);
    }
    else {
        result = PyBytes_FromStringAndSize(PyBytes_AS_STRING(self->data) + start, count);
    }
    if (result != NULL) {
        released[0] = syncws_replace(&self->text, Py_NewRef(Py_None));
        released[1] = syncws_replace(&self->position, Py_NewRef(position));
        released[2] = syncws_replace(&self->unread, Py_NewRef(left));
    }
    Py_XDECREF(position);
    Py_XDECREF(left);
    return result;
}

static PyObject *
reader_read_bytes(PyObject *object, PyObject *number)
{
    Reader *self = (Reader *)object;
    const State *state = syncws_state_of(object, self->home);
    PyObject *result, *released[3] = {NULL, NULL, NULL};

    Py_BEGIN_CRITICAL_SECTION(object);
    result = take_bytes(state, self, number, released);
    Py_END_CRITICAL_SECTION();
    for (int index = 0; index < 3; index++) {
        Py_XDECREF(released[index]);
    }
    if (result != NULL || PyErr_Occurred()) {
        return result;
    }
    return call_next(state, object, "read_bytes", &number, 1);
}

static PyMethodDef reader_methods[] = {
    {"__enter__", reader_enter, METH_NOARGS, "__enter__($self, /)\n--\n\nReturn the reader."},
    {"__exit__", (PyCFunction)(void (*)(void))reader_exit, METH_FASTCALL,
     "__exit__($self, kind, value, traceback, /)\n--\n\nClose the reader."},
    {"read_string", reader_read_string, METH_O, "read_string($self, count, /)\n--\n\nSee DataReader."},
    {"read_bytes", reader_read_bytes, METH_O, "read_bytes($self, value, /)\n--\n\nSee DataReader."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef reader_length = {
    "unconsumed_buffer_length", T_OBJECT_EX, offsetof(Reader, unread), READONLY, "See DataReader."};

/* use_reader(reader_class, encoding, byte_order, options, fresh): what get_data_reader() makes, and how it begins */
PyObject *
syncws_use_reader(PyObject *module, PyObject *args)
{
    State *state = syncws_state(module);
    PyTypeObject *type;
    PyObject *encoding, *byte_order, *options, *fresh;

    if (!PyArg_ParseTuple(args, "O!OOOO:use_reader", &PyType_Type, &type, &encoding, &byte_order, &options, &fresh)) {
        return NULL;
    }
    if (!syncws_is_plain(type, state->reader_type)) {
        PyErr_SetString(PyExc_TypeError, "the class must be one of readers, without fields of its own");
        return NULL;
    }
    if (syncws_give(type, reader_methods, &reader_length) < 0) {
        return NULL;
    }
    /* As in use_message(). */
    type->tp_dealloc = reader_dealloc;
    syncws_drop(&state->readers);
    Py_XSETREF(state->reader_class, (PyTypeObject *)Py_NewRef(type));
    Py_XSETREF(state->encoding, Py_NewRef(encoding));
    Py_XSETREF(state->byte_order, Py_NewRef(byte_order));
    Py_XSETREF(state->options, Py_NewRef(options));
    Py_XSETREF(state->fresh, Py_NewRef(fresh));
    Py_RETURN_NONE;
}
