/* Memory of texts that are ASCII, as most are: their UTF-8 is what the str holds, so neither way needs a copy. Into that of
 * a text to be the bytes of a large frame are received; out of that of a large text they are sent. */

#include "speedups.h"

typedef struct {
    PyObject_HEAD
    /* A str that nobody else has, NULL when it was given out. */
    PyObject *text;
    /* Bytes at its beginning that were found to be ASCII. */
    Py_ssize_t checked;
    /* How many views of the memory there are. */
    Py_ssize_t views;
} TextMemory;

static PyObject *
memory_new(PyTypeObject *type, PyObject *args, PyObject *names)
{
    TextMemory *self;
    Py_ssize_t size;

    if (!PyArg_ParseTuple(args, "n:TextMemory", &size)) {
        return NULL;
    }
    if (size < 1 || (names != NULL && PyDict_GET_SIZE(names))) {
        PyErr_SetString(PyExc_TypeError, "TextMemory() takes a size of at least 1");
        return NULL;
    }
    self = (TextMemory *)type->tp_alloc(type, 0);
    if (self != NULL && (self->text = PyUnicode_New(size, 0x7F)) == NULL) {
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}

static void
memory_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    Py_CLEAR(((TextMemory *)object)->text);
    type->tp_free(object);
    Py_DECREF(type);
}

/* check(stop) -> whether the bytes up to there are ASCII, of which each is looked at once */
static PyObject *
memory_check(PyObject *object, PyObject *argument)
{
    TextMemory *self = (TextMemory *)object;
    Py_ssize_t stop = PyLong_AsSsize_t(argument);
    int is_wrong, is_ascii = 0;

    if (stop == -1 && PyErr_Occurred()) {
        return NULL;
    }
    Py_BEGIN_CRITICAL_SECTION(object);
    is_wrong = self->text == NULL || stop < self->checked || stop > PyUnicode_GET_LENGTH(self->text);
    if (!is_wrong) {
        is_ascii = syncws_is_ascii(PyUnicode_1BYTE_DATA(self->text) + self->checked, stop - self->checked);
        self->checked = is_ascii ? stop : self->checked;
    }
    Py_END_CRITICAL_SECTION();
    if (is_wrong) {
        PyErr_SetString(PyExc_ValueError, "there is nothing to check up to there");
        return NULL;
    }
    return PyBool_FromLong(is_ascii);
}

/* take() -> the text, None when not all of it was checked or somebody looks into the memory */
static PyObject *
memory_take(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    TextMemory *self = (TextMemory *)object;
    PyObject *text = NULL;

    Py_BEGIN_CRITICAL_SECTION(object);
    if (self->text != NULL && !self->views && self->checked == PyUnicode_GET_LENGTH(self->text)) {
        text = self->text;
        self->text = NULL;
    }
    Py_END_CRITICAL_SECTION();
    return text != NULL ? text : Py_NewRef(Py_None);
}

static int
memory_get_buffer(PyObject *object, Py_buffer *view, int flags)
{
    TextMemory *self = (TextMemory *)object;
    int failed = -1;

    Py_BEGIN_CRITICAL_SECTION(object);
    if (self->text == NULL) {
        view->obj = NULL;
        PyErr_SetString(PyExc_BufferError, "the text was taken");
    }
    else {
        failed = PyBuffer_FillInfo(
            view, object, PyUnicode_1BYTE_DATA(self->text), PyUnicode_GET_LENGTH(self->text), 0, flags);
        self->views += failed ? 0 : 1;
    }
    Py_END_CRITICAL_SECTION();
    return failed;
}

static void
memory_release_buffer(PyObject *object, Py_buffer *Py_UNUSED(view))
{
    Py_BEGIN_CRITICAL_SECTION(object);
    ((TextMemory *)object)->views--;
    Py_END_CRITICAL_SECTION();
}

static PyMethodDef memory_methods[] = {
    {"check", memory_check, METH_O, "See syncws._wire.frame_buffer."},
    {"take", memory_take, METH_NOARGS, "See syncws._wire.frame_buffer."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot memory_slots[] = {
    {Py_tp_doc, "Memory of a text to be: see syncws._wire.frame_buffer."},
    {Py_tp_new, memory_new},
    {Py_tp_methods, memory_methods},
    {Py_tp_dealloc, memory_dealloc},
    {Py_bf_getbuffer, memory_get_buffer},
    {Py_bf_releasebuffer, memory_release_buffer},
    {0, NULL},
};

PyType_Spec syncws_memory_spec = {
    .name = "syncws._wire._speedups.TextMemory",
    .basicsize = sizeof(TextMemory),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = memory_slots,
};

typedef struct {
    PyObject_HEAD
    /* ASCII, which never changes. */
    PyObject *text;
} AsciiText;

static PyObject *
ascii_new(PyTypeObject *type, PyObject *args, PyObject *names)
{
    AsciiText *self;
    PyObject *text;

    if (!PyArg_ParseTuple(args, "U:AsciiText", &text)) {
        return NULL;
    }
#if PY_VERSION_HEX < 0x030C0000
    if (PyUnicode_READY(text) < 0) {
        return NULL;
    }
#endif
    if (!PyUnicode_CheckExact(text) || !PyUnicode_IS_ASCII(text) || (names != NULL && PyDict_GET_SIZE(names))) {
        PyErr_SetString(PyExc_TypeError, "AsciiText() takes a str that is ASCII");
        return NULL;
    }
    self = (AsciiText *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->text = Py_NewRef(text);
    }
    return (PyObject *)self;
}

static void
ascii_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    Py_CLEAR(((AsciiText *)object)->text);
    type->tp_free(object);
    Py_DECREF(type);
}

static int
ascii_get_buffer(PyObject *object, Py_buffer *view, int flags)
{
    PyObject *text = ((AsciiText *)object)->text;

    return PyBuffer_FillInfo(view, object, PyUnicode_1BYTE_DATA(text), PyUnicode_GET_LENGTH(text), 1, flags);
}

static PyType_Slot ascii_slots[] = {
    {Py_tp_doc, "The bytes of a text that is ASCII: see syncws._wire.utf8."},
    {Py_tp_new, ascii_new},
    {Py_tp_dealloc, ascii_dealloc},
    {Py_bf_getbuffer, ascii_get_buffer},
    {0, NULL},
};

PyType_Spec syncws_ascii_spec = {
    .name = "syncws._wire._speedups.AsciiText",
    .basicsize = sizeof(AsciiText),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = ascii_slots,
};
