/* What an output stream holds, which is made for each message where a program asks its socket for one: the compiled
 * form of output_stream.StreamFields. */

#include "speedups.h"

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

    PyObject_GC_UnTrack(object);
    if (((Stream *)object)->references != NULL) {
        PyObject_ClearWeakRefs(object);
    }
    stream_clear(object);
    type->tp_free(object);
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
