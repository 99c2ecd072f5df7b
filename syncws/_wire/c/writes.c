/* What a program calls of a DataWriter for each message, but for store(): the compiled forms of methods of
 * writer_fields.WriterFields. */

#include "speedups.h"

/* True when the writer is neither closed nor in the midst of a store. */
static int
is_ready(const Writer *self)
{
    if (self->is_closed != Py_False) {
        return 0;
    }
    return self->turn == NULL ? !self->is_busy : PyList_CheckExact(self->turn) && PyList_GET_SIZE(self->turn) > 0;
}

/* Add a part: -1 with an exception, 0 when there is no list to add it to. */
static int
add_part(Writer *self, PyObject *data)
{
    if (self->parts == NULL && self->part == NULL) {
        self->part = Py_NewRef(data);
        return 1;
    }
    if (syncws_writer_parts(self) == NULL) {
        return -1;
    }
    if (!PyList_CheckExact(self->parts)) {
        return 0;
    }
    return PyList_Append(self->parts, data) < 0 ? -1 : 1;
}

/* Add bytes, and note them as text where `is_text`: 1 when that was done, 0 when it is not the common case. */
static int
append(Writer *self, PyObject *data, int is_text, PyObject *released[2])
{
    Py_ssize_t length, size = PyBytes_GET_SIZE(data);
    PyObject *sum;
    int done;

    if (!is_ready(self) || self->length == NULL || !PyLong_CheckExact(self->length)) {
        return 0;
    }
    if (!size) {
        return 1;
    }
    length = PyLong_AsSsize_t(self->length);
    if (length < 0 || length > PY_SSIZE_T_MAX - size) {
        PyErr_Clear();
        return 0;
    }
    sum = PyLong_FromSsize_t(length + size);
    done = sum == NULL ? -1 : add_part(self, data);
    if (done <= 0) {
        Py_XDECREF(sum);
        return done < 0 ? -1 : 0;
    }
    released[0] = syncws_replace(&self->length, sum);
    if (is_text) {
        released[1] = syncws_replace(&self->text, Py_NewRef(data));
    }
    return 1;
}

PyObject *
syncws_writer_write_string(PyObject *object, PyObject *value)
{
    Writer *self = (Writer *)object;
    const State *state = syncws_state_of(object, self->home);
    PyObject *data = NULL, *released[2] = {NULL, NULL}, *result;
    int done;

    if (PyUnicode_CheckExact(value) && PyUnicode_GET_LENGTH(value) <= SYNCWS_LENT && self->encoding == state->encoding) {
        data = PyUnicode_AsUTF8String(value);
    }
    if (data == NULL) {
        /* Also where it holds a surrogate: the error is Python's to word. */
        PyErr_Clear();
        return syncws_call_writer_in_python(state, "write_string", object, &value, 1);
    }
    Py_BEGIN_CRITICAL_SECTION(object);
    done = append(self, data, 1, released);
    Py_END_CRITICAL_SECTION();
    result = done > 0 ? PyLong_FromSsize_t(PyBytes_GET_SIZE(data)) : NULL;
    Py_DECREF(data);
    Py_XDECREF(released[0]);
    Py_XDECREF(released[1]);
    return done ? result : syncws_call_writer_in_python(state, "write_string", object, &value, 1);
}

PyObject *
syncws_writer_write_bytes(PyObject *object, PyObject *value)
{
    const State *state = syncws_state_of(object, ((Writer *)object)->home);
    PyObject *released[2] = {NULL, NULL};
    int done = 0;

    if (PyBytes_CheckExact(value)) {
        Py_BEGIN_CRITICAL_SECTION(object);
        done = append((Writer *)object, value, 0, released);
        Py_END_CRITICAL_SECTION();
        Py_XDECREF(released[0]);
    }
    if (!done) {
        return syncws_call_writer_in_python(state, "write_bytes", object, &value, 1);
    }
    return done < 0 ? NULL : Py_NewRef(Py_None);
}

PyObject *
syncws_writer_detach_stream(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    Writer *self = (Writer *)object;
    const State *state = syncws_state_of(object, self->home);
    PyObject *stream = NULL;

    Py_BEGIN_CRITICAL_SECTION(object);
    if (is_ready(self) && self->stream != NULL && self->stream != Py_None) {
        stream = syncws_replace(&self->stream, Py_NewRef(Py_None));
    }
    Py_END_CRITICAL_SECTION();
    return stream != NULL ? stream : syncws_call_writer_in_python(state, "detach_stream", object, NULL, 0);
}
