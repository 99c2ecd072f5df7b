/* The fields of a DataReader, and the methods that a handler calls on a message's reader: the compiled forms of
 * reader_core.ReaderFields and data_reader.MessageReaderMethods. Whatever is not the common case goes to the Python
 * method of the next class, DataReader. */

#include "speedups.h"

static int
fields_traverse(PyObject *object, visitproc visit, void *arg)
{
    Fields *self = (Fields *)object;

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
fields_clear(PyObject *object)
{
    Fields *self = (Fields *)object;

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
fields_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    fields_clear(object);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMemberDef fields_members[] = {
    {"_data", T_OBJECT_EX, offsetof(Fields, data), 0, NULL},
    {"_text", T_OBJECT_EX, offsetof(Fields, text), 0, NULL},
    {"_position", T_OBJECT_EX, offsetof(Fields, position), 0, NULL},
    {"_unread", T_OBJECT_EX, offsetof(Fields, unread), 0, NULL},
    {"_encoding", T_OBJECT_EX, offsetof(Fields, encoding), 0, NULL},
    {"_byte_order", T_OBJECT_EX, offsetof(Fields, byte_order), 0, NULL},
    {"_options", T_OBJECT_EX, offsetof(Fields, options), 0, NULL},
    {"_stream", T_OBJECT_EX, offsetof(Fields, stream), 0, NULL},
    {"_turn", T_OBJECT_EX, offsetof(Fields, turn), 0, NULL},
    {"_is_closed", T_OBJECT_EX, offsetof(Fields, is_closed), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot fields_slots[] = {
    {Py_tp_doc, "The compiled form of syncws._streams.reader_core.ReaderFields."},
    {Py_tp_members, fields_members},
    {Py_tp_traverse, fields_traverse},
    {Py_tp_clear, fields_clear},
    {Py_tp_dealloc, fields_dealloc},
    {0, NULL},
};

PyType_Spec syncws_fields_spec = {
    .name = "syncws._wire._speedups.ReaderFields",
    .basicsize = sizeof(Fields),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = fields_slots,
};

/* What a message's reader has besides. */

/* Give a field another value and return the old one, which is let go of when no field is in between any more: its end
 * may run any code. */
static PyObject *
exchange(PyObject **field, PyObject *value)
{
    PyObject *old = *field;

    *field = Py_NewRef(value);
    return old;
}

/* super(defining_class, self).name(*args) */
static PyObject *
call_next(PyTypeObject *defining_class, PyObject *self, const char *name, PyObject *const *args, Py_ssize_t count)
{
    PyObject *next, *method, *result = NULL;

    next = PyObject_CallFunctionObjArgs((PyObject *)&PySuper_Type, (PyObject *)defining_class, self, NULL);
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
has_one_argument(Py_ssize_t count, PyObject *names, const char *name)
{
    if (count == 1 && (names == NULL || !PyTuple_GET_SIZE(names))) {
        return 1;
    }
    PyErr_Format(PyExc_TypeError, "DataReader.%s() takes exactly one argument", name);
    return 0;
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
reader_exit(PyObject *object, PyTypeObject *defining_class, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    Fields *self = (Fields *)object;
    const State *state = PyType_GetModuleState(defining_class);
    PyObject *data = NULL, *text = NULL, *unread = NULL, *is_closed = NULL;
    int is_in_memory;

    if (count != 3 || (names != NULL && PyTuple_GET_SIZE(names))) {
        PyErr_SetString(PyExc_TypeError, "DataReader.__exit__() takes exactly three arguments");
        return NULL;
    }
    Py_BEGIN_CRITICAL_SECTION(object);
    is_in_memory = self->stream == Py_None && state != NULL;
    if (is_in_memory) {
        is_closed = exchange(&self->is_closed, Py_True);
        text = exchange(&self->text, Py_None);
        data = exchange(&self->data, Py_None);
        unread = exchange(&self->unread, state->zero);
    }
    Py_END_CRITICAL_SECTION();
    if (!is_in_memory) {
        return state == NULL ? NULL : call_next(defining_class, object, "__exit__", args, count);
    }
    Py_XDECREF(is_closed);
    Py_XDECREF(text);
    Py_XDECREF(data);
    Py_XDECREF(unread);
    Py_RETURN_NONE;
}

static PyObject *
reader_read_string(
    PyObject *object, PyTypeObject *defining_class, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    Fields *self = (Fields *)object;
    const State *state = PyType_GetModuleState(defining_class);
    PyObject *text = NULL, *unread = NULL;

    if (state == NULL || !has_one_argument(count, names, "read_string")) {
        return NULL;
    }
    Py_BEGIN_CRITICAL_SECTION(object);
    if (self->text != NULL && PyUnicode_CheckExact(self->text) && self->encoding == state->encoding
        && PyLong_CheckExact(args[0]) && self->unread != NULL && PyLong_CheckExact(self->unread)
        && is_same_number(args[0], self->unread)) {
        text = exchange(&self->text, Py_None);
        unread = exchange(&self->unread, state->zero);
    }
    Py_END_CRITICAL_SECTION();
    Py_XDECREF(unread);
    return text != NULL ? text : call_next(defining_class, object, "read_string", args, count);
}

/* Take `number` bytes of `data`, which is bytes; NULL without an error when it is not the common case. */
static PyObject *
take_bytes(Fields *self, PyObject *number, PyObject *released[3])
{
    PyObject *position, *left, *result;
    Py_ssize_t count, start, unread;

    if (self->data == NULL || !PyBytes_CheckExact(self->data) || !PyLong_CheckExact(number) || self->position == NULL
        || !PyLong_CheckExact(self->position) || self->unread == NULL || !PyLong_CheckExact(self->unread)) {
        return NULL;
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
        released[0] = exchange(&self->text, Py_None);
        released[1] = exchange(&self->position, position);
        released[2] = exchange(&self->unread, left);
    }
    Py_XDECREF(position);
    Py_XDECREF(left);
    return result;
}

static PyObject *
reader_read_bytes(
    PyObject *object, PyTypeObject *defining_class, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    PyObject *result, *released[3] = {NULL, NULL, NULL};

    if (!has_one_argument(count, names, "read_bytes")) {
        return NULL;
    }
    Py_BEGIN_CRITICAL_SECTION(object);
    result = take_bytes((Fields *)object, args[0], released);
    Py_END_CRITICAL_SECTION();
    for (int index = 0; index < 3; index++) {
        Py_XDECREF(released[index]);
    }
    if (result != NULL || PyErr_Occurred()) {
        return result;
    }
    return call_next(defining_class, object, "read_bytes", args, count);
}

#define DEFINED_BY_CLASS(function) (PyCFunction)(void (*)(void))function, METH_METHOD | METH_FASTCALL | METH_KEYWORDS

static PyMethodDef reader_methods[] = {
    {"__enter__", reader_enter, METH_NOARGS, "__enter__($self, /)\n--\n\nReturn the reader."},
    {"__exit__", DEFINED_BY_CLASS(reader_exit), "__exit__($self, kind, value, traceback, /)\n--\n\nClose the reader."},
    {"read_string", DEFINED_BY_CLASS(reader_read_string), "read_string($self, count, /)\n--\n\nSee DataReader."},
    {"read_bytes", DEFINED_BY_CLASS(reader_read_bytes), "read_bytes($self, value, /)\n--\n\nSee DataReader."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef reader_members[] = {
    {"unconsumed_buffer_length", T_OBJECT_EX, offsetof(Fields, unread), READONLY, "See DataReader."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot reader_slots[] = {
    {Py_tp_doc, "The compiled form of syncws._streams.data_reader.MessageReaderMethods."},
    {Py_tp_methods, reader_methods},
    {Py_tp_members, reader_members},
    {Py_tp_traverse, fields_traverse},
    {Py_tp_clear, fields_clear},
    {Py_tp_dealloc, fields_dealloc},
    {0, NULL},
};

PyType_Spec syncws_reader_spec = {
    .name = "syncws._wire._speedups.MessageReaderMethods",
    .basicsize = sizeof(Fields),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = reader_slots,
};

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
    if (!PyType_IsSubtype(type, state->fields_type)) {
        PyErr_SetString(PyExc_TypeError, "the class must be one of readers");
        return NULL;
    }
    Py_XSETREF(state->reader_class, (PyTypeObject *)Py_NewRef(type));
    Py_XSETREF(state->encoding, Py_NewRef(encoding));
    Py_XSETREF(state->byte_order, Py_NewRef(byte_order));
    Py_XSETREF(state->options, Py_NewRef(options));
    Py_XSETREF(state->fresh, Py_NewRef(fresh));
    Py_RETURN_NONE;
}
