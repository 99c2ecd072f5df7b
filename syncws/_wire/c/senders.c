/* Sending a small frame by one call: the compiled form of at_once.AtOnce. Between its looks and the system's answer no
 * other thread runs and no signal handler: so whoever finds nobody in the midst of a frame needs no lock. */

#include "speedups.h"

#ifndef MS_WINDOWS
#include <errno.h>
#include <sys/socket.h>
#endif

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

/* A larger payload is worth its own bytes object, and that other threads run meanwhile. */
enum { MOST_BYTES = 4096 };

static int
sender_traverse(PyObject *object, visitproc visit, void *arg)
{
    Sender *self = (Sender *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->direct);
    Py_VISIT(self->owner);
    Py_VISIT(self->has_posted);
    Py_VISIT(self->tally);
    Py_VISIT(self->meter);
    Py_VISIT(self->writer);
    return 0;
}

static int
sender_clear(PyObject *object)
{
    Sender *self = (Sender *)object;

    Py_CLEAR(self->direct);
    Py_CLEAR(self->owner);
    Py_CLEAR(self->has_posted);
    Py_CLEAR(self->tally);
    Py_CLEAR(self->meter);
    Py_CLEAR(self->writer);
    return 0;
}

static void
sender_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    sender_clear(object);
    type->tp_free(object);
    Py_DECREF(type);
}

#if !defined(MS_WINDOWS) && !defined(Py_GIL_DISABLED)

/* tally.whole += 1 */
static int
count_message(PyObject *tally, const State *state)
{
    PyObject *one = PyLong_FromLong(1), *whole = NULL, *sum = NULL;
    int failed = -1;

    if (one != NULL && (whole = PyObject_GetAttr(tally, state->whole_name)) != NULL
        && (sum = PyNumber_Add(whole, one)) != NULL) {
        failed = PyObject_SetAttr(tally, state->whole_name, sum);
    }
    Py_XDECREF(one);
    Py_XDECREF(whole);
    Py_XDECREF(sum);
    return failed;
}

/* Leave the rest of a frame to whoever has the writer role next, as a sender does whose time is over. */
static int
leave_rest(Sender *self, const unsigned char *rest, Py_ssize_t length)
{
    PyObject *data, *view = NULL, *old;
    int failed = -1, collects = PyGC_Disable();

    /* The collector might run somebody's code, and others with it, before all this is noted. */
    data = PyBytes_FromStringAndSize((const char *)rest, length);
    if (data != NULL && (view = PyMemoryView_FromObject(data)) != NULL
        && PyObject_SetAttrString(self->writer, "_rest", view) == 0) {
        failed = PyObject_SetAttrString(self->writer, "has_begun", Py_True);
    }
    Py_XDECREF(data);
    Py_XDECREF(view);
    old = self->has_posted;
    self->has_posted = Py_NewRef(Py_True);
    Py_XDECREF(old);
    if (collects) {
        PyGC_Enable();
    }
    return failed;
}

/* See to it that others push out the rest of a frame that its sender leaves with the exception that is set. */
static void
tell_of_leftover(PyObject *object)
{
    PyObject *type, *value, *traceback, *told;

    PyErr_Fetch(&type, &value, &traceback);
    told = PyObject_CallMethod(object, "_tell_of_leftover", NULL);
    if (told == NULL) {
        PyErr_Clear();
    }
    Py_XDECREF(told);
    PyErr_Restore(type, value, traceback);
}

/* Raise what _break_off() makes of an error of the system's. */
static PyObject *
break_off(PyObject *object, int number)
{
    /* In the locale's encoding, as Python takes it. */
    PyObject *text = PyUnicode_DecodeLocale(strerror(number), "surrogateescape");
    PyObject *error = PyObject_CallFunction(PyExc_OSError, "iN", number, text), *result = NULL;

    if (error != NULL) {
        result = PyObject_CallMethod(object, "_break_off", "O", error);
        Py_DECREF(error);
    }
    return result;
}

static PyObject *
send_frame(PyObject *object, const State *state, unsigned first, const Py_buffer *data, const unsigned char *key,
    PyObject *timeout)
{
    Sender *self = (Sender *)object;
    unsigned char frame[SYNCWS_LONGEST_HEAD + MOST_BYTES];
    Py_ssize_t length, sent;
    int descriptor, is_counted;
    PyObject *finished;

    if (data->len > MOST_BYTES || self->owner != state->zero || self->has_posted != Py_False || self->direct == NULL
        || self->direct == Py_None || self->tally == NULL || self->writer == NULL || self->meter == NULL
        || !PyObject_TypeCheck(self->meter, state->meter_type)) {
        Py_RETURN_FALSE;
    }
    descriptor = syncws_number_of(self->direct, state);
    if (descriptor < 0) {
        /* Closed, maybe behind our back: for Python's to find out. */
        Py_RETURN_FALSE;
    }
    length = syncws_write_head(frame, first, data->len, key);
    syncws_mask_into(frame + length, data->buf, data->len, key);
    length += data->len;
    sent = send(descriptor, frame, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
            Py_RETURN_FALSE;
        }
        return break_off(object, errno);
    }
    if (sent < length && leave_rest(self, frame + sent, length - sent) < 0) {
        /* No memory for it: what has gone cannot be gone on with. */
        shutdown(descriptor, SHUT_RDWR);
        return NULL;
    }
    /* From here on Python may run, and be interrupted. */
    is_counted = count_message(self->tally, state) == 0 && syncws_count(self->meter, state, sent) == 0;
    if (sent < length) {
        finished = is_counted ? PyObject_CallMethod(object, "_finish", "O", timeout) : NULL;
        if (finished == NULL) {
            tell_of_leftover(object);
            return NULL;
        }
        Py_DECREF(finished);
    }
    return is_counted ? Py_NewRef(Py_True) : NULL;
}

/* send_at_once(first, payload, key, timeout) -> whether it was done */
static PyObject *
sender_send_at_once(
    PyObject *object, PyTypeObject *defining_class, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    const State *state = PyType_GetModuleState(defining_class);
    unsigned char key[SYNCWS_KEY_BYTES];
    Py_buffer data;
    PyObject *result;
    int first;

    if (count != 4 || (names != NULL && PyTuple_GET_SIZE(names))) {
        PyErr_SetString(PyExc_TypeError, "send_at_once() takes exactly 4 arguments");
        return NULL;
    }
    first = syncws_read_first(args[0]);
    if (first < 0 || state == NULL || syncws_read_key(args[2], key) < 0
        || PyObject_GetBuffer(args[1], &data, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    result = send_frame(object, state, (unsigned)first, &data, key, args[3]);
    PyBuffer_Release(&data);
    return result;
}

#else

/* On Windows, and where other threads run at the same time, nothing is sent in this way. */
static PyObject *
sender_send_at_once(PyObject *Py_UNUSED(object), PyTypeObject *Py_UNUSED(defining_class),
    PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(count), PyObject *Py_UNUSED(names))
{
    Py_RETURN_FALSE;
}

#endif

static PyMethodDef sender_methods[] = {
    {"send_at_once", (PyCFunction)(void (*)(void))sender_send_at_once, METH_METHOD | METH_FASTCALL | METH_KEYWORDS,
     "send_at_once($self, first, payload, key, timeout, /)\n--\n\nSee syncws._connection.sending.at_once."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef sender_members[] = {
    {"direct", T_OBJECT_EX, offsetof(Sender, direct), 0, NULL},
    {"_owner", T_OBJECT_EX, offsetof(Sender, owner), 0, NULL},
    {"has_posted", T_OBJECT_EX, offsetof(Sender, has_posted), 0, NULL},
    {"tally", T_OBJECT_EX, offsetof(Sender, tally), 0, NULL},
    {"_meter", T_OBJECT_EX, offsetof(Sender, meter), 0, NULL},
    {"_writer", T_OBJECT_EX, offsetof(Sender, writer), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot sender_slots[] = {
    {Py_tp_doc, "The compiled form of syncws._connection.sending.at_once.AtOnce."},
    {Py_tp_methods, sender_methods},
    {Py_tp_members, sender_members},
    {Py_tp_traverse, sender_traverse},
    {Py_tp_clear, sender_clear},
    {Py_tp_dealloc, sender_dealloc},
    {0, NULL},
};

PyType_Spec syncws_sender_spec = {
    .name = "syncws._wire._speedups.AtOnce",
    .basicsize = sizeof(Sender),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = sender_slots,
};
