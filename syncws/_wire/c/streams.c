/* What an output stream holds, which is made for each message where a program asks its socket for one, and the latest
 * stream of a socket: the compiled forms of output_stream.StreamFields and output_stream.LatestStream. */

#include "speedups.h"

/* More than a few at a time are not made for messages. */
enum { MOST_SPARES = 16 };

static int
stream_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((Stream *)object)->sink);
    return 0;
}

static int
stream_clear(PyObject *object)
{
    Py_CLEAR(((Stream *)object)->sink);
    return 0;
}

static void
stream_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    State *home = ((Stream *)object)->home;

    PyObject_GC_UnTrack(object);
    if (((Stream *)object)->references != NULL) {
        PyObject_ClearWeakRefs(object);
    }
    stream_clear(object);
    if (home == NULL || type != home->stream_class || !syncws_keep(&home->streams, MOST_SPARES, object)) {
        type->tp_free(object);
    }
    Py_DECREF(type);
}

static int
stream_init(PyObject *object, PyObject *args, PyObject *names)
{
    PyObject *old = ((Stream *)object)->sink;

    if (PyTuple_GET_SIZE(args) != 1 || (names != NULL && PyDict_GET_SIZE(names))) {
        PyErr_SetString(PyExc_TypeError, "OutputStream() takes exactly one argument, the sink");
        return -1;
    }
    ((Stream *)object)->sink = Py_NewRef(PyTuple_GET_ITEM(args, 0));
    Py_XDECREF(old);
    return 0;
}

static PyMemberDef stream_members[] = {
    {"_sink", T_OBJECT_EX, offsetof(Stream, sink), 0, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Stream, references), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

PyDoc_STRVAR(stream_doc,
"StreamFields(sink, /)\n--\n\n"
"The compiled form of syncws._streams.output_stream.StreamFields.");

static PyType_Slot stream_slots[] = {
    {Py_tp_doc, (void *)stream_doc},
    {Py_tp_init, stream_init},
    {Py_tp_members, stream_members},
    {Py_tp_traverse, stream_traverse},
    {Py_tp_clear, stream_clear},
    {Py_tp_dealloc, stream_dealloc},
    {0, NULL},
};

PyType_Spec syncws_stream_spec = {
    .name = "syncws._wire._speedups.StreamFields",
    .basicsize = sizeof(Stream),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = stream_slots,
};

/* The latest stream of a socket. */

static int
latest_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((Latest *)object)->reference);
    return 0;
}

static int
latest_clear(PyObject *object)
{
    Py_CLEAR(((Latest *)object)->reference);
    return 0;
}

static void
latest_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    latest_clear(object);
    type->tp_free(object);
    Py_DECREF(type);
}

/* Return the stream that somebody still holds; NULL when there is none, with or without an exception. */
static PyObject *
held_stream(const Latest *self)
{
    PyObject *stream = NULL;

    if (self->reference != NULL) {
#if PY_VERSION_HEX >= 0x030D0000
        PyWeakref_GetRef(self->reference, &stream);
#else
        stream = PyWeakref_GetObject(self->reference);
        stream = stream == Py_None ? NULL : Py_XNewRef(stream);
#endif
    }
    return stream;
}

/* stream_class(sink), for the class has no __init__ of its own. */
static PyObject *
make_stream(State *state, PyObject *sink)
{
    PyObject *stream = syncws_make_tracked(&state->streams, state->stream_class);

    if (stream != NULL) {
        ((Stream *)stream)->sink = Py_NewRef(sink);
        ((Stream *)stream)->home = state;
    }
    return stream;
}

PyObject *
syncws_latest_stream(PyObject *object, State *state, PyObject *sink)
{
    Latest *self = (Latest *)object;
    PyObject *stream, *reference = NULL, *old = NULL;

    Py_BEGIN_CRITICAL_SECTION(object);
    stream = held_stream(self);
    Py_END_CRITICAL_SECTION();
    if (stream != NULL || PyErr_Occurred()) {
        return stream;
    }
    if (state->stream_class == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "use_stream was not called");
        return NULL;
    }
    stream = make_stream(state, sink);
    reference = stream == NULL ? NULL : PyWeakref_NewRef(stream, NULL);
    if (reference == NULL) {
        Py_XDECREF(stream);
        return NULL;
    }
    Py_BEGIN_CRITICAL_SECTION(object);
    old = self->reference;
    self->reference = reference;
    Py_END_CRITICAL_SECTION();
    Py_XDECREF(old);
    return stream;
}

/* get(sink) */
static PyObject *
latest_get(PyObject *object, PyTypeObject *defining_class, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    State *state = PyType_GetModuleState(defining_class);

    if (state == NULL || count != 1 || (names != NULL && PyTuple_GET_SIZE(names))) {
        PyErr_SetString(PyExc_TypeError, "get() takes exactly one argument, the sink");
        return NULL;
    }
    return syncws_latest_stream(object, state, args[0]);
}

static PyMethodDef latest_methods[] = {
    {"get", (PyCFunction)(void (*)(void))latest_get, METH_METHOD | METH_FASTCALL | METH_KEYWORDS,
     "get($self, sink, /)\n--\n\nSee syncws._streams.output_stream."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot latest_slots[] = {
    {Py_tp_doc, "The compiled form of syncws._streams.output_stream.LatestStream."},
    {Py_tp_methods, latest_methods},
    {Py_tp_traverse, latest_traverse},
    {Py_tp_clear, latest_clear},
    {Py_tp_dealloc, latest_dealloc},
    {0, NULL},
};

PyType_Spec syncws_latest_spec = {
    .name = "syncws._wire._speedups.LatestStream",
    .basicsize = sizeof(Latest),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = latest_slots,
};

/* use_stream(stream_class): what LatestStream makes, and a DataWriter may be over */
PyObject *
syncws_use_stream(PyObject *module, PyObject *stream_class)
{
    State *state = syncws_state(module);

    if (!PyType_Check(stream_class) || !syncws_is_plain((PyTypeObject *)stream_class, state->stream_type)) {
        PyErr_SetString(PyExc_TypeError, "the class must be one of streams, without fields of its own");
        return NULL;
    }
    /* As in use_message(). */
    ((PyTypeObject *)stream_class)->tp_dealloc = stream_dealloc;
    syncws_drop(&state->streams);
    Py_XSETREF(state->stream_class, (PyTypeObject *)Py_NewRef(stream_class));
    Py_RETURN_NONE;
}
