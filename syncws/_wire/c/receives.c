/* Receiving from a plain socket, if it has something: a little, and much at a time. */

#include "speedups.h"

#ifndef MS_WINDOWS
#include <errno.h>
#include <sys/socket.h>
#endif

#ifndef Py_GIL_DISABLED

/* The C function behind the method fileno() of a class, NULL when there is none; that of the latest class is kept, for
 * finding it costs four times as much as calling it. */
static PyCFunction
fileno_of(State *state, PyTypeObject *type)
{
    if (type != state->socket_class) {
        PyObject *method = PyObject_GetAttr((PyObject *)type, state->fileno_name);
        const PyMethodDef *definition = method != NULL && Py_IS_TYPE(method, &PyMethodDescr_Type)
                                            ? ((PyMethodDescrObject *)method)->d_method
                                            : NULL;

        state->socket_fileno = definition != NULL && definition->ml_flags == METH_NOARGS ? definition->ml_meth : NULL;
        Py_XSETREF(state->socket_class, (PyTypeObject *)Py_NewRef(type));
        Py_XDECREF(method);
        PyErr_Clear();
    }
    return state->socket_fileno;
}

#endif

/* socket.fileno() */
static PyObject *
call_fileno(PyObject *socket, State *state)
{
    PyObject *place[2] = {NULL, socket};
#ifndef Py_GIL_DISABLED
    PyCFunction function = fileno_of(state, Py_TYPE(socket));

    if (function != NULL) {
        return function(socket, NULL);
    }
#endif
    return PyObject_VectorcallMethod(state->fileno_name, place + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
}

/* The number of an open socket, -1 for a closed one. */
int
syncws_number_of(PyObject *socket, State *state)
{
    PyObject *number = call_fileno(socket, state);
    long result;

    result = number == NULL ? -1 : PyLong_AsLong(number);
    Py_XDECREF(number);
    PyErr_Clear();
    return result < 0 || result > INT_MAX ? -1 : (int)result;
}

/* Put a piece, whose reference it takes over, into the deque `kept`; -1 with an exception. */
int
syncws_put(const State *state, PyObject *kept, PyObject *piece)
{
    PyObject *put[3] = {NULL, kept, piece}, *done = NULL;

    if (piece != NULL) {
        done = PyObject_VectorcallMethod(state->append_name, put + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
        Py_DECREF(piece);
    }
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

#ifndef MS_WINDOWS

/* Put what a socket gave, and return what receive_much() and receive_small() do: -2 where there was no memory to put it,
 * for it cannot be had again. */
static PyObject *
put_received(const State *state, PyObject *kept, PyObject *piece, Py_ssize_t received)
{
    if (syncws_put(state, kept, piece) == 0) {
        return PyLong_FromSsize_t(received);
    }
    if (!PyErr_ExceptionMatches(PyExc_MemoryError)) {
        return NULL;
    }
    PyErr_Clear();
    return PyLong_FromLong(-2);
}

/* The number of an open socket, or -1 with an exception, also where the stack is full: what was received could not be put
 * into the deque then, for that takes a call. */
static int
descriptor_of(PyObject *socket, State *state)
{
    int descriptor;

    if (Py_EnterRecursiveCall(" while receiving")) {
        return -1;
    }
    Py_LeaveRecursiveCall();
    descriptor = syncws_number_of(socket, state);
    if (descriptor < 0) {
        errno = EBADF;
        PyErr_SetFromErrno(PyExc_OSError);
    }
    return descriptor;
}

/* How much is asked for; -1 with an exception for more than `most`. */
static Py_ssize_t
size_of(PyObject *number, int most)
{
    Py_ssize_t size = PyLong_AsSsize_t(number);

    if (size == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (size < 0 || size > most) {
        PyErr_Format(PyExc_ValueError, "the size must be in range(0, %d)", most + 1);
        return -1;
    }
    return size;
}

/* Return what receive_much() and receive_small() do where recv() has failed with this errno. */
static PyObject *
nothing_received(int number)
{
    if (number == EAGAIN || number == EWOULDBLOCK || number == EINTR) {
        return PyLong_FromLong(-1);
    }
    errno = number;
    return PyErr_SetFromErrno(PyExc_OSError);
}

#endif

/* receive_small(socket, kept, size) -> how many bytes were put into the deque `kept`, -1 when there is nothing now,
 * -2 when what there was is lost
 *
 * The GIL is kept: the call cannot wait, and letting go of it costs as much as what is received. */
PyObject *
syncws_receive_small(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
#ifdef MS_WINDOWS
    PyErr_SetString(PyExc_NotImplementedError, "not on Windows");
    return NULL;
#else
    State *state = syncws_state(module);
    char room[SYNCWS_SMALL_BYTES];
    Py_ssize_t size, received;
    int descriptor;

    if (count != 3) {
        PyErr_SetString(PyExc_TypeError, "receive_small takes a socket, a deque and a size");
        return NULL;
    }
    size = size_of(args[2], SYNCWS_SMALL_BYTES);
    if (size < 0) {
        return NULL;
    }
    descriptor = descriptor_of(args[0], state);
    if (descriptor < 0) {
        return NULL;
    }
    received = recv(descriptor, room, (size_t)size, MSG_DONTWAIT);
    if (received < 0) {
        return nothing_received(errno);
    }
    return put_received(state, args[1], PyBytes_FromStringAndSize(room, received), received);
#endif
}

/* receive_much(socket, kept, size) -> how many bytes were put into the deque `kept`, -1 when there is nothing now, -2 when
 * what there was is lost */
PyObject *
syncws_receive_much(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
#ifdef MS_WINDOWS
    PyErr_SetString(PyExc_NotImplementedError, "not on Windows");
    return NULL;
#else
    State *state = syncws_state(module);
    unsigned char *room;
    PyObject *buffer;
    Py_ssize_t size, received;
    int descriptor, number;

    if (count != 3) {
        PyErr_SetString(PyExc_TypeError, "receive_much takes a socket, a deque and a size");
        return NULL;
    }
    size = size_of(args[2], SYNCWS_MUCH_BYTES);
    if (size < 0) {
        return NULL;
    }
    descriptor = descriptor_of(args[0], state);
    if (descriptor < 0) {
        return NULL;
    }
    buffer = syncws_new_buffer(state, &room);
    if (buffer == NULL) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    received = recv(descriptor, room, (size_t)size, MSG_DONTWAIT);
    number = errno;
    Py_END_ALLOW_THREADS
    if (received < 0) {
        Py_DECREF(buffer);
        return nothing_received(number);
    }
    return put_received(state, args[1], syncws_take_buffer(buffer, received), received);
#endif
}
