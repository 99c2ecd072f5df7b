/* Calling handlers with messages: the compiled form of batch.call_handlers. */

#include "speedups.h"

/* Have the application's handler failure told; return -1 when what was raised is to go through. */
static int
tell_failure(PyObject *failed, PyObject *handler)
{
    PyObject *error, *outer, *told;

    if (!PyErr_ExceptionMatches(PyExc_Exception)) {
        return -1;
    }
#if PY_VERSION_HEX >= 0x030C0000
    error = PyErr_GetRaisedException();
#else
    PyObject *type, *traceback;

    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    if (traceback != NULL) {
        PyException_SetTraceback(error, traceback);
        Py_DECREF(traceback);
    }
    Py_DECREF(type);
#endif
    /* As in an except clause. */
    outer = PyErr_GetHandledException();
    PyErr_SetHandledException(error);
    Py_DECREF(error);
    told = PyObject_CallOneArg(failed, handler);
    PyErr_SetHandledException(outer);
    Py_XDECREF(outer);
    Py_XDECREF(told);
    return told == NULL ? -1 : 0;
}

static int
call_each(PyObject *handlers, PyObject *sender, PyObject *message, PyObject *failed)
{
    Py_ssize_t count = PyTuple_GET_SIZE(handlers);

    for (Py_ssize_t index = 0; index < count; index++) {
        PyObject *handler = PyTuple_GET_ITEM(handlers, index), *place[3] = {NULL, sender, message}, *answer;

        answer = PyObject_Vectorcall(handler, place + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
        if (answer == NULL && tell_failure(failed, handler) < 0) {
            return -1;
        }
        Py_XDECREF(answer);
    }
    return 0;
}

/* Where a slot lies in objects of a class of Python's, as its descriptor says; 0 when that cannot be told. */
static Py_ssize_t
slot_of(PyObject *object, PyObject *name)
{
    Py_ssize_t offset = 0;
#ifndef Py_GIL_DISABLED
    PyObject *member = PyObject_GetAttr((PyObject *)Py_TYPE(object), name);

    if (member == NULL) {
        PyErr_Clear();
        return 0;
    }
    if (Py_IS_TYPE(member, &PyMemberDescr_Type) && PyObject_TypeCheck(object, PyDescr_TYPE(member))
        && ((PyMemberDescrObject *)member)->d_member->type == T_OBJECT_EX) {
        offset = ((PyMemberDescrObject *)member)->d_member->offset;
    }
    Py_DECREF(member);
#endif
    return offset;
}

/* What getattr() gives, for a name whose slot is known, or not. */
static PyObject *
look(PyObject *object, Py_ssize_t slot, PyObject *name)
{
    PyObject *found = slot ? *(PyObject **)((char *)object + slot) : NULL;

    return found != NULL ? Py_NewRef(found) : PyObject_GetAttr(object, name);
}

/* call_handlers(batch, message_class, sender, event, closing, failed) -> what is not a message, or True, or False */
PyObject *
syncws_call_handlers(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    const State *state = syncws_state(module);
    PyObject *batch, *event, *closing;
    Py_ssize_t handlers_slot, is_discarding_slot;

    if (count != 6 || !PyIter_Check(args[0])) {
        PyErr_SetString(PyExc_TypeError, "call_handlers takes an iterator and five more");
        return NULL;
    }
    batch = args[0];
    event = args[3];
    closing = args[4];
    handlers_slot = slot_of(event, state->handlers_name);
    is_discarding_slot = slot_of(closing, state->is_discarding_name);
    for (;;) {
        PyObject *is_discarding, *handlers, *message;
        int may_go_on, failed;

        is_discarding = look(closing, is_discarding_slot, state->is_discarding_name);
        if (is_discarding == NULL) {
            return NULL;
        }
        handlers = look(event, handlers_slot, state->handlers_name);
        may_go_on = is_discarding == Py_False && handlers != NULL && PyTuple_CheckExact(handlers)
                    && PyTuple_GET_SIZE(handlers);
        Py_DECREF(is_discarding);
        message = may_go_on ? Py_TYPE(batch)->tp_iternext(batch) : NULL;
        if (message == NULL || (PyObject *)Py_TYPE(message) != args[1]) {
            Py_XDECREF(handlers);
            return message != NULL || PyErr_Occurred() ? message : PyBool_FromLong(may_go_on);
        }
        failed = call_each(handlers, args[2], message, args[5]);
        Py_DECREF(message);
        Py_DECREF(handlers);
        if (failed < 0) {
            return NULL;
        }
    }
}
