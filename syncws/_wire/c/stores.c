/* DataWriter.store() where it has one part, and a stream that only passes on: the compiled form of
 * writer_fields.WriterFields.store. */

#include "speedups.h"

/* The one part that is to be stored; NULL when there is none, or another number of them. */
static PyObject *
only_part(const Writer *self)
{
    if (self->parts == NULL) {
        return Py_XNewRef(self->part);
    }
    return PyList_CheckExact(self->parts) && PyList_GET_SIZE(self->parts) == 1 ? PySequence_GetItem(self->parts, 0) : NULL;
}

static int
take_turn(Writer *self)
{
    if (self->turn != NULL) {
        /* One step of the list's, as in Python's form, which does not know the critical section. */
        PyObject *taken = PyList_CheckExact(self->turn) ? PyObject_CallMethod(self->turn, "pop", NULL) : NULL;

        if (taken == NULL) {
            PyErr_Clear();
            return 0;
        }
        Py_DECREF(taken);
        return 1;
    }
    if (self->is_busy) {
        return 0;
    }
    self->is_busy = 1;
    return 1;
}

static int
give_turn_back(Writer *self)
{
    self->is_busy = 0;
    return self->turn == NULL || !PyList_CheckExact(self->turn) ? 0 : PyList_Append(self->turn, Py_None);
}

/* Take the turn, and what is to be stored; false when that is not for here, and then nothing is taken. */
static int
begin(Writer *self, const State *state, PyObject **data, PyObject **stream, int *is_text)
{
    if (self->is_closed != Py_False || self->stream == NULL || Py_TYPE(self->stream) != state->stream_class
        || !take_turn(self)) {
        return 0;
    }
    /* Not before: without a GIL another store may drop it until this one has the turn. */
    *data = only_part(self);
    if (*data == NULL) {
        PyErr_Clear();
        if (give_turn_back(self) < 0) {
            PyErr_Clear();
        }
        return 0;
    }
    *stream = Py_NewRef(self->stream);
    *is_text = self->text == *data;
    return 1;
}

/* stream._sink._write_text(data), or stream._sink._write(data, None) */
static PyObject *
write_to(PyObject *stream, PyObject *data, int is_text, const State *state)
{
    PyObject *args[3], *result;

    Py_BEGIN_CRITICAL_SECTION(stream);
    args[0] = Py_XNewRef(((Stream *)stream)->sink);
    Py_END_CRITICAL_SECTION();
    if (args[0] == NULL) {
        PyErr_SetString(PyExc_AttributeError, "_sink");
        return NULL;
    }
    args[1] = data;
    args[2] = Py_None;
    result = is_text ? PyObject_VectorcallMethod(state->write_text_name, args, 2, NULL)
                     : PyObject_VectorcallMethod(state->write_name, args, 3, NULL);
    Py_DECREF(args[0]);
    return result;
}

/* Drop the part that was stored; 0 when another thread has wrongly added more, which is Python's to count. */
static int
forget_part(Writer *self, const State *state, PyObject *released[2])
{
    if (self->parts == NULL) {
        released[0] = self->part;
        self->part = NULL;
    }
    else if (!PyList_CheckExact(self->parts) || PyList_GET_SIZE(self->parts) > 1) {
        return 0;
    }
    else if (PyList_SetSlice(self->parts, 0, PyList_GET_SIZE(self->parts), NULL) < 0) {
        return -1;
    }
    released[1] = syncws_replace(&self->length, Py_NewRef(state->zero));
    return 1;
}

/* Call a method, with the exception that is set if `takes_error`. That exception stays; but what is not an Exception, as of
 * Ctrl-C, and comes of the call, must not be lost: it takes its place. */
void
syncws_call_aside(PyObject *object, const char *name, int takes_error)
{
    PyObject *type, *value, *traceback, *result;

    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    result = PyObject_CallMethod(object, name, takes_error ? "(O)" : NULL, value);
    if (result != NULL || PyErr_ExceptionMatches(PyExc_Exception)) {
        Py_XDECREF(result);
        PyErr_Restore(type, value, traceback);
        return;
    }
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
}

/* Drop what was stored: -1 with an exception. */
static int
end_store(PyObject *object, const State *state)
{
    PyObject *released[2] = {NULL, NULL};
    int done;

    Py_BEGIN_CRITICAL_SECTION(object);
    done = forget_part((Writer *)object, state, released);
    Py_END_CRITICAL_SECTION();
    Py_XDECREF(released[0]);
    Py_XDECREF(released[1]);
    if (done == 0) {
        PyObject *forgotten = PyObject_CallMethod(object, "_forget", "i", 1);

        done = forgotten == NULL ? -1 : 1;
        Py_XDECREF(forgotten);
    }
    return done;
}

/* store() */
PyObject *
syncws_writer_store(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    Writer *self = (Writer *)object;
    const State *state = syncws_state_of(object, self->home);
    PyObject *data = NULL, *stream = NULL, *result;
    int is_text = 0, begun, given_back;

    Py_BEGIN_CRITICAL_SECTION(object);
    begun = begin(self, state, &data, &stream, &is_text);
    Py_END_CRITICAL_SECTION();
    if (!begun) {
        return syncws_call_writer_in_python(state, "store", object, NULL, 0);
    }
    result = write_to(stream, data, is_text, state);
    if (result == NULL) {
        syncws_call_aside(object, "_forget_queued", 1);
    }
    else if (end_store(object, state) < 0) {
        Py_CLEAR(result);
    }
    Py_BEGIN_CRITICAL_SECTION(object);
    given_back = give_turn_back(self);
    Py_END_CRITICAL_SECTION();
    if (given_back < 0) {
        Py_CLEAR(result);
    }
    Py_DECREF(data);
    Py_DECREF(stream);
    return result;
}
