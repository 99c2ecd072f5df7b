/* DataWriter.store() where it has one part, and a stream that only passes on: the compiled form of
 * writer_fields.WriterFields.store. */

#include "speedups.h"

/* Take the turn, and what is to be stored; false when that is not for here, and then nothing is taken. */
static int
begin(Writer *self, const State *state, PyObject **data, PyObject **stream, PyObject **turn, int *is_text)
{
    if (self->is_closed != Py_False || self->stream == NULL || (PyObject *)Py_TYPE(self->stream) != state->stream_class
        || self->parts == NULL || !PyList_CheckExact(self->parts) || PyList_GET_SIZE(self->parts) != 1
        || self->turn == NULL || !PyList_CheckExact(self->turn) || PyList_GET_SIZE(self->turn) != 1) {
        return 0;
    }
    if (PyList_SetSlice(self->turn, 0, 1, NULL) < 0) {
        PyErr_Clear();
        return 0;
    }
    *data = Py_NewRef(PyList_GET_ITEM(self->parts, 0));
    *stream = Py_NewRef(self->stream);
    *turn = Py_NewRef(self->turn);
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
forget_part(Writer *self, const State *state, PyObject **released)
{
    if (self->parts == NULL || !PyList_CheckExact(self->parts) || PyList_GET_SIZE(self->parts) > 1) {
        return 0;
    }
    if (PyList_SetSlice(self->parts, 0, PyList_GET_SIZE(self->parts), NULL) < 0) {
        return -1;
    }
    *released = self->length;
    self->length = Py_NewRef(state->zero);
    return 1;
}

/* self._forget_queued(error), with the exception that is set, which stays */
static void
end_failed_store(PyObject *object)
{
    PyObject *type, *value, *traceback, *result;

    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    result = PyObject_CallMethod(object, "_forget_queued", "O", value);
    if (result == NULL) {
        PyErr_Clear();
    }
    Py_XDECREF(result);
    PyErr_Restore(type, value, traceback);
}

/* store() */
PyObject *
syncws_writer_store(
    PyObject *object, PyTypeObject *defining_class, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    Writer *self = (Writer *)object;
    const State *state = PyType_GetModuleState(defining_class);
    PyObject *data = NULL, *stream = NULL, *turn = NULL, *released = NULL, *result;
    int is_text = 0, begun, done = -1;

    if (state == NULL || !syncws_takes(0, count, names, "store")) {
        return NULL;
    }
    Py_BEGIN_CRITICAL_SECTION(object);
    begun = begin(self, state, &data, &stream, &turn, &is_text);
    Py_END_CRITICAL_SECTION();
    if (!begun) {
        return syncws_call_writer_in_python(state, "store", object, args, count);
    }
    result = write_to(stream, data, is_text, state);
    if (result == NULL) {
        end_failed_store(object);
    }
    else {
        Py_BEGIN_CRITICAL_SECTION(object);
        done = forget_part(self, state, &released);
        Py_END_CRITICAL_SECTION();
        Py_XDECREF(released);
        if (done == 0) {
            PyObject *forgotten = PyObject_CallMethod(object, "_forget", "i", 1);

            done = forgotten == NULL ? -1 : 1;
            Py_XDECREF(forgotten);
        }
        if (done < 0) {
            Py_CLEAR(result);
        }
    }
    if (PyList_Append(turn, Py_None) < 0) {
        Py_CLEAR(result);
    }
    Py_DECREF(data);
    Py_DECREF(stream);
    Py_DECREF(turn);
    return result;
}
