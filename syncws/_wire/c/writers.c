/* The fields of a DataWriter, how it is made and how it ends: the compiled form of
 * writer_fields.WriterFields. Whatever is not the common case goes to the function of that class. */

#include "speedups.h"

/* As of streams. */
enum { MOST_SPARES = 16 };

static int
writer_traverse(PyObject *object, visitproc visit, void *arg)
{
    Writer *self = (Writer *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->part);
    Py_VISIT(self->parts);
    Py_VISIT(self->length);
    Py_VISIT(self->text);
    Py_VISIT(self->stream);
    Py_VISIT(self->turn);
    Py_VISIT(self->encoding);
    Py_VISIT(self->byte_order);
    Py_VISIT(self->is_closed);
    return 0;
}

static int
writer_clear(PyObject *object)
{
    Writer *self = (Writer *)object;

    Py_CLEAR(self->part);
    Py_CLEAR(self->parts);
    Py_CLEAR(self->length);
    Py_CLEAR(self->text);
    Py_CLEAR(self->stream);
    Py_CLEAR(self->turn);
    Py_CLEAR(self->encoding);
    Py_CLEAR(self->byte_order);
    Py_CLEAR(self->is_closed);
    return 0;
}

static void
writer_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    State *home = ((Writer *)object)->home;
    int is_spare;

    /* Without a stream the finalizer has nothing to do. */
    if (((Writer *)object)->stream != Py_None && PyObject_CallFinalizerFromDealloc(object) < 0) {
        return;
    }
    /* Not the memory that Python has marked as finalized, a mark that stays with it. */
    is_spare = home != NULL && type == home->writer_class && !PyObject_GC_IsFinalized(object);
    PyObject_GC_UnTrack(object);
    writer_clear(object);
    if (!is_spare || !syncws_keep(&home->writers, MOST_SPARES, object)) {
        type->tp_free(object);
    }
    Py_DECREF(type);
}

/* WriterFields.name(self, *args), in Python */
PyObject *
syncws_call_writer_in_python(const State *state, const char *name, PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    PyObject *function, *all[4], *result;

    if (state->writer_in_python == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "use_writer was not called");
        return NULL;
    }
    function = PyObject_GetAttrString(state->writer_in_python, name);
    if (function == NULL) {
        return NULL;
    }
    all[0] = self;
    for (Py_ssize_t index = 0; index < count; index++) {
        all[index + 1] = args[index];
    }
    result = PyObject_Vectorcall(function, all, (size_t)count + 1, NULL);
    Py_DECREF(function);
    return result;
}

static void
fill(Writer *self, State *state, PyObject *stream)
{
    PyObject *old[9];

    Py_BEGIN_CRITICAL_SECTION(self);
    self->home = state;
    self->is_busy = 0;
    old[0] = syncws_replace(&self->part, NULL);
    old[1] = syncws_replace(&self->parts, NULL);
    old[2] = syncws_replace(&self->length, Py_NewRef(state->zero));
    old[3] = syncws_replace(&self->text, Py_NewRef(Py_None));
    old[4] = syncws_replace(&self->stream, Py_NewRef(stream));
    old[5] = syncws_replace(&self->turn, NULL);
    old[6] = syncws_replace(&self->encoding, Py_NewRef(state->encoding));
    old[7] = syncws_replace(&self->byte_order, Py_NewRef(state->byte_order));
    old[8] = syncws_replace(&self->is_closed, Py_NewRef(Py_False));
    Py_END_CRITICAL_SECTION();
    for (int index = 0; index < 9; index++) {
        Py_XDECREF(old[index]);
    }
}

/* __init__(*args): 0, or -1 with an exception */
static int
begin(PyObject *object, PyObject *const *args, Py_ssize_t count, int has_names)
{
    State *state = syncws_state_of(object, ((Writer *)object)->home);
    PyObject *stream = count ? args[0] : Py_None, *result;

    if (count > 1 || has_names) {
        PyErr_SetString(PyExc_TypeError, "DataWriter() takes one stream at most, and no keyword arguments");
        return -1;
    }
    if (state->writer_in_python != NULL && (stream == Py_None || Py_TYPE(stream) == state->stream_class)) {
        fill((Writer *)object, state, stream);
        return 0;
    }
    result = syncws_call_writer_in_python(state, "__init__", object, &stream, 1);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

static int
writer_init(PyObject *object, PyObject *args, PyObject *names)
{
    return begin(object, ((PyTupleObject *)args)->ob_item, PyTuple_GET_SIZE(args), names != NULL && PyDict_GET_SIZE(names));
}

/* DataWriter(*args), without a tuple of them */
static PyObject *
writer_call(PyObject *type, PyObject *const *args, size_t count, PyObject *names)
{
    State *state = syncws_state(PyType_GetModuleByDef((PyTypeObject *)type, &syncws_definition));
    PyObject *object = syncws_make_tracked(&state->writers, (PyTypeObject *)type);

    if (object != NULL) {
        ((Writer *)object)->home = state;
    }
    if (object != NULL && begin(object, args, PyVectorcall_NARGS(count), names != NULL && PyTuple_GET_SIZE(names)) < 0) {
        Py_CLEAR(object);
    }
    return object;
}

/* What __del__ does, where there is something to do. */
static void
writer_finalize(PyObject *object)
{
    const Writer *self = (Writer *)object;
    const State *state;
    PyObject *type, *value, *traceback, *result;

    if (self->stream == NULL || self->stream == Py_None) {
        return;
    }
    PyErr_Fetch(&type, &value, &traceback);
    state = syncws_state_of(object, self->home);
    result = syncws_call_writer_in_python(state, "__del__", object, NULL, 0);
    if (result == NULL) {
        PyErr_WriteUnraisable(object);
    }
    Py_XDECREF(result);
    PyErr_Restore(type, value, traceback);
}

static PyObject *
writer_enter(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    return Py_NewRef(object);
}

static PyObject *
writer_exit(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    Writer *self = (Writer *)object;
    const State *state = syncws_state_of(object, self->home);
    PyObject *old[3] = {NULL, NULL, NULL};
    int is_empty;

    if (count != 3) {
        PyErr_SetString(PyExc_TypeError, "DataWriter.__exit__() takes exactly three arguments");
        return NULL;
    }
    Py_BEGIN_CRITICAL_SECTION(object);
    is_empty = self->stream == Py_None && self->part == NULL
               && (self->parts == NULL || (PyList_CheckExact(self->parts) && !PyList_GET_SIZE(self->parts)));
    if (is_empty) {
        old[0] = syncws_replace(&self->is_closed, Py_NewRef(Py_True));
        old[1] = syncws_replace(&self->length, Py_NewRef(state->zero));
        old[2] = syncws_replace(&self->text, Py_NewRef(Py_None));
    }
    Py_END_CRITICAL_SECTION();
    if (!is_empty) {
        return syncws_call_writer_in_python(state, "__exit__", object, args, count);
    }
    for (int index = 0; index < 3; index++) {
        Py_XDECREF(old[index]);
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(write_string_doc,
"write_string($self, value, /)\n--\n\n"
"Add text in `unicode_encoding`, without length prefix, terminator or byte order mark.\n"
"\n"
"Args:\n"
"    value: the text.\n"
"\n"
"Returns:\n"
"    The number of bytes it takes.\n"
"\n"
"Raises:\n"
"    InvalidArgumentTypeError: `value` is not a str (0x80070057).\n"
"    InvalidArgumentError: `value` holds a lone surrogate (0x80070057).\n"
"    ObjectClosedError, InvalidOperationError: see the class.\n"
"\n"
"Source: DataWriter.WriteString.");

PyDoc_STRVAR(write_bytes_doc,
"write_bytes($self, value, /)\n--\n\n"
"Add all bytes of a buffer, as they are now.\n"
"\n"
"Args:\n"
"    value: bytes, which are not copied; or a Buffer or any object with the buffer protocol, which is.\n"
"\n"
"Raises:\n"
"    InvalidArgumentError: the buffer is not contiguous, holds objects or pointers, or was released (0x80070057).\n"
"    InvalidArgumentTypeError, ObjectClosedError, InvalidOperationError: see the class.\n"
"\n"
"Source: DataWriter.WriteBytes.");

PyDoc_STRVAR(detach_stream_doc,
"detach_stream($self, /)\n--\n\n"
"Give the stream back, so that closing the writer leaves it open; bytes not stored stay in the writer.\n"
"\n"
"Raises:\n"
"    IllegalMethodCallError: the writer has no stream: made without one, or detached (0x8000000E).\n"
"    ObjectClosedError, InvalidOperationError: see the class.\n"
"\n"
"Source: DataWriter.DetachStream.");

PyDoc_STRVAR(store_doc,
"store($self, /)\n--\n\n"
"Give everything written to the stream in one write: on a MessageWebSocket one whole message.\n"
"\n"
"Returns:\n"
"    The number of bytes stored; 0 when nothing was written: then the stream is not touched.\n"
"\n"
"Raises:\n"
"    IllegalMethodCallError: the writer has no stream: made without one, or detached (0x8000000E).\n"
"    ObjectClosedError: the writer, the stream or its socket was closed (0x80000013).\n"
"    InvalidOperationError: an operation runs on this writer, such as another store (0x800710DD).\n"
"    OperationTimedOutError: the stream took no more (0x80072EE2). If `is_queued`, the bytes are on their way and\n"
"        no longer in the writer; otherwise they still are.\n"
"    WebSocketError: any other error of the stream; the bytes stay in the writer.\n"
"\n"
"Source: DataWriter.StoreAsync.");

static PyMethodDef writer_methods[] = {
    {"__enter__", writer_enter, METH_NOARGS, "__enter__($self, /)\n--\n\nReturn the writer."},
    {"__exit__", (PyCFunction)(void (*)(void))writer_exit, METH_FASTCALL,
     "__exit__($self, kind, value, traceback, /)\n--\n\nClose the writer."},
    {"write_string", syncws_writer_write_string, METH_O, write_string_doc},
    {"write_bytes", syncws_writer_write_bytes, METH_O, write_bytes_doc},
    {"store", syncws_writer_store, METH_NOARGS, store_doc},
    {"detach_stream", syncws_writer_detach_stream, METH_NOARGS, detach_stream_doc},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef writer_members[] = {
    {"_length", T_OBJECT_EX, offsetof(Writer, length), 0, NULL},
    {"_text", T_OBJECT_EX, offsetof(Writer, text), 0, NULL},
    {"_stream", T_OBJECT_EX, offsetof(Writer, stream), 0, NULL},
    {"_encoding", T_OBJECT_EX, offsetof(Writer, encoding), 0, NULL},
    {"_byte_order", T_OBJECT_EX, offsetof(Writer, byte_order), 0, NULL},
    {"_is_closed", T_OBJECT_EX, offsetof(Writer, is_closed), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

PyDoc_STRVAR(writer_doc,
"WriterFields(output_stream=None, /)\n--\n\n"
"The compiled form of syncws._streams.writer_fields.WriterFields.");

static PyType_Slot writer_slots[] = {
    {Py_tp_doc, (void *)writer_doc},
    {Py_tp_init, writer_init},
    {Py_tp_finalize, writer_finalize},
    {Py_tp_methods, writer_methods},
    {Py_tp_members, writer_members},
    {Py_tp_getset, syncws_writer_lists},
    {Py_tp_traverse, writer_traverse},
    {Py_tp_clear, writer_clear},
    {Py_tp_dealloc, writer_dealloc},
    {0, NULL},
};

PyType_Spec syncws_writer_spec = {
    .name = "syncws._wire._speedups.WriterFields",
    .basicsize = sizeof(Writer),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = writer_slots,
};

/* use_writer(writer_in_python, writer_class, encoding, byte_order): what makes a writer, what one is, and how it begins */
PyObject *
syncws_use_writer(PyObject *module, PyObject *args)
{
    State *state = syncws_state(module);
    PyObject *in_python, *encoding, *byte_order;
    PyTypeObject *type;

    if (!PyArg_ParseTuple(
            args, "O!O!OO:use_writer", &PyType_Type, &in_python, &PyType_Type, &type, &encoding, &byte_order)) {
        return NULL;
    }
    if (!syncws_is_plain(type, state->writer_type) || type->tp_init != writer_init) {
        PyErr_SetString(PyExc_TypeError, "the class must be one of writers, without fields of its own");
        return NULL;
    }
    if (syncws_give(type, writer_methods, NULL) < 0) {
        return NULL;
    }
    /* As in use_message(). */
    type->tp_dealloc = writer_dealloc;
    type->tp_vectorcall = writer_call;
    syncws_drop(&state->writers);
    Py_XSETREF(state->writer_class, (PyTypeObject *)Py_NewRef(type));
    Py_XSETREF(state->writer_in_python, Py_NewRef(in_python));
    Py_XSETREF(state->encoding, Py_NewRef(encoding));
    Py_XSETREF(state->byte_order, Py_NewRef(byte_order));
    Py_RETURN_NONE;
}
