/* The compiled form of binary.BinaryAssembler: one bytes object that grows with what comes, and that large frames are
 * received into directly, so that a large message is never copied. */

#include "speedups.h"

/* Bytes of a frame still to come from which on memory is made for them, when so many are there: a header alone takes
 * none. It is made for at most so many times what is there. Less than WORTH is better read together with what follows. */
enum { LARGE_FRAME = 65536, EARNEST = 1024, FIRST_ROOM = 262144, TIMES = 4, WORTH = 16384 };

typedef struct {
    PyObject_HEAD
    /* A bytes object that nobody else has, or NULL; of its bytes `length` are filled. */
    PyObject *memory;
    Py_ssize_t length;
    /* How many views of the memory there are. While there are some it stays where it is: see make_space(). */
    Py_ssize_t views;
    /* Memory of which there may be views still; NULL or a list. */
    PyObject *retired;
} Assembler;

static Py_ssize_t
capacity(const Assembler *self)
{
    return self->memory == NULL ? 0 : PyBytes_GET_SIZE(self->memory);
}

/* Make the memory `size` bytes large; what is filled stays. */
static int
make_space(Assembler *self, Py_ssize_t size)
{
    PyObject *larger;

    if (self->memory != NULL && !self->views) {
        /* Sets it to NULL when it fails: then nothing is filled any more. */
        if (_PyBytes_Resize(&self->memory, size) < 0) {
            self->length = 0;
            return -1;
        }
        return 0;
    }
    larger = PyBytes_FromStringAndSize(NULL, size);
    if (larger == NULL) {
        return -1;
    }
    if (self->memory != NULL) {
        /* Somebody looks into it: it lives on for as long as this does. */
        if (self->retired == NULL && (self->retired = PyList_New(0)) == NULL) {
            Py_DECREF(larger);
            return -1;
        }
        if (PyList_Append(self->retired, self->memory) < 0) {
            Py_DECREF(larger);
            return -1;
        }
        memcpy(PyBytes_AS_STRING(larger), PyBytes_AS_STRING(self->memory), (size_t)self->length);
    }
    Py_XSETREF(self->memory, larger);
    return 0;
}

static int
append(Assembler *self, const void *data, Py_ssize_t size)
{
    Py_ssize_t held = capacity(self);

    if (size > PY_SSIZE_T_MAX / 2 - self->length) {
        PyErr_NoMemory();
        return -1;
    }
    if (size > held - self->length) {
        Py_ssize_t wanted = self->length + size, half = held + held / 2;

        if (make_space(self, wanted > half ? wanted : half) < 0) {
            return -1;
        }
    }
    if (size) {
        memcpy(PyBytes_AS_STRING(self->memory) + self->length, data, (size_t)size);
    }
    self->length += size;
    return 0;
}

/* Tell whether a view begins where the filled bytes end, within this very memory: then it is in its place. */
static int
is_in_place(const Assembler *self, PyObject *piece, const Py_buffer *view)
{
    return PyMemoryView_Check(piece) && PyMemoryView_GET_BASE(piece) == (PyObject *)self && self->memory != NULL
           && view->buf == PyBytes_AS_STRING(self->memory) + self->length && view->len <= capacity(self) - self->length;
}

static int
take(Assembler *self, PyObject *piece)
{
    Py_buffer view;
    int failed = 0, is_own;

    if (PyObject_GetBuffer(piece, &view, PyBUF_SIMPLE) < 0) {
        return -1;
    }
    is_own = is_in_place(self, piece, &view);
    if (is_own) {
        self->length += view.len;
    }
    else {
        failed = append(self, view.buf, view.len);
    }
    PyBuffer_Release(&view);
    if (is_own) {
        PyObject *done = PyObject_CallMethod(piece, "release", NULL);

        failed = done == NULL ? -1 : 0;
        Py_XDECREF(done);
    }
    return failed;
}

/* Return a view of where the next `remaining` bytes may be put, or None. */
static PyObject *
room_for(Assembler *self, Py_ssize_t remaining)
{
    Py_ssize_t size, held = capacity(self);
    PyObject *whole, *start, *stop, *slice, *room = NULL;

    if (remaining < WORTH || remaining > PY_SSIZE_T_MAX / 2 - self->length) {
        Py_RETURN_NONE;
    }
    if (held - self->length < (remaining < LARGE_FRAME ? remaining : LARGE_FRAME)) {
        if (remaining < LARGE_FRAME || self->length < EARNEST) {
            Py_RETURN_NONE;
        }
        size = self->length > PY_SSIZE_T_MAX / TIMES ? PY_SSIZE_T_MAX : self->length * TIMES;
        size = size < FIRST_ROOM ? FIRST_ROOM : size;
        /* Also what would leave so little that append() grew the whole for it. */
        size = size > self->length + remaining - WORTH ? self->length + remaining : size;
        if (make_space(self, size) < 0) {
            return NULL;
        }
    }
    else {
        size = held > self->length + remaining ? self->length + remaining : held;
    }
    whole = PyMemoryView_FromObject((PyObject *)self);
    if (whole == NULL) {
        return NULL;
    }
    start = PyLong_FromSsize_t(self->length);
    stop = PyLong_FromSsize_t(size);
    slice = start == NULL || stop == NULL ? NULL : PySlice_New(start, stop, NULL);
    if (slice != NULL) {
        room = PyObject_GetItem(whole, slice);
    }
    Py_XDECREF(slice);
    Py_XDECREF(stop);
    Py_XDECREF(start);
    Py_DECREF(whole);
    return room;
}

/* add(piece[, remaining]) -> room or None */
static PyObject *
assembler_add(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    Assembler *self = (Assembler *)object;
    Py_ssize_t remaining = 0;
    PyObject *room = NULL;

    if (count != 1 && count != 2) {
        PyErr_Format(PyExc_TypeError, "add takes 1 or 2 arguments, not %zd", count);
        return NULL;
    }
    if (count == 2) {
        /* A frame may be longer than memory is: then there is no room for it. */
        remaining = PyNumber_AsSsize_t(args[1], NULL);
        if (remaining == -1 && PyErr_Occurred()) {
            return NULL;
        }
        if (remaining < 0) {
            PyErr_SetString(PyExc_ValueError, "remaining must not be negative");
            return NULL;
        }
    }
    Py_BEGIN_CRITICAL_SECTION(object);
    if (take(self, args[0]) == 0) {
        room = room_for(self, remaining);
    }
    Py_END_CRITICAL_SECTION();
    return room;
}

/* finish() -> bytes; the object is empty afterwards */
static PyObject *
assembler_finish(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    Assembler *self = (Assembler *)object;
    PyObject *result = NULL;

    Py_BEGIN_CRITICAL_SECTION(object);
    if (self->memory == NULL) {
        result = PyBytes_FromStringAndSize(NULL, 0);
    }
    else if (self->views) {
        /* Bytes do not change, and who has a view could write. */
        result = PyBytes_FromStringAndSize(PyBytes_AS_STRING(self->memory), self->length);
    }
    else {
        result = self->memory;
        self->memory = NULL;
        if (PyBytes_GET_SIZE(result) != self->length) {
            _PyBytes_Resize(&result, self->length);
        }
        self->length = 0;
    }
    Py_END_CRITICAL_SECTION();
    return result;
}

static int
assembler_get_buffer(PyObject *object, Py_buffer *view, int flags)
{
    Assembler *self = (Assembler *)object;
    int failed;

    Py_BEGIN_CRITICAL_SECTION(object);
    failed = PyBuffer_FillInfo(view, object, self->memory == NULL ? "" : PyBytes_AS_STRING(self->memory), capacity(self),
        self->memory == NULL, flags);
    if (!failed) {
        self->views++;
    }
    Py_END_CRITICAL_SECTION();
    return failed;
}

static void
assembler_release_buffer(PyObject *object, Py_buffer *Py_UNUSED(view))
{
    Py_BEGIN_CRITICAL_SECTION(object);
    ((Assembler *)object)->views--;
    Py_END_CRITICAL_SECTION();
}

static void
assembler_dealloc(PyObject *object)
{
    Assembler *self = (Assembler *)object;
    PyTypeObject *type = Py_TYPE(object);

    Py_CLEAR(self->memory);
    Py_CLEAR(self->retired);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef assembler_methods[] = {
    {"add", (PyCFunction)(void (*)(void))assembler_add, METH_FASTCALL, "See syncws._wire.binary.BinaryAssembler."},
    {"finish", assembler_finish, METH_NOARGS, "See syncws._wire.binary.BinaryAssembler."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot assembler_slots[] = {
    {Py_tp_doc, "The compiled form of syncws._wire.binary.BinaryAssembler."},
    {Py_tp_methods, assembler_methods},
    {Py_tp_dealloc, assembler_dealloc},
    {Py_bf_getbuffer, assembler_get_buffer},
    {Py_bf_releasebuffer, assembler_release_buffer},
    {0, NULL},
};

PyType_Spec syncws_assembler_spec = {
    .name = "syncws._wire._speedups.BinaryAssembler",
    .basicsize = sizeof(Assembler),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = assembler_slots,
};
