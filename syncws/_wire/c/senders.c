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

/* With a payload of more than MOST_BYTES, over TLS of MOST_OVER_TLS, other threads run meanwhile. One up to SMALL_BYTES is
 * masked on the stack. A str that is not ASCII keeps its UTF-8 as long as it lives, once it was asked for it: one of more
 * than KEPT_CHARACTERS is not. */
enum { MOST_BYTES = 131072, MOST_OVER_TLS = 65536, SMALL_BYTES = 16384, KEPT_CHARACTERS = 4096 };

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

/* Raise the error that _break_off() makes of one of the system's. */
static PyObject *
break_off(PyObject *object, int number)
{
    /* In the locale's encoding, as Python takes it. */
    PyObject *text = PyUnicode_DecodeLocale(strerror(number), "surrogateescape");
    PyObject *error = PyObject_CallFunction(PyExc_OSError, "iN", number, text), *raised = NULL;

    if (error != NULL) {
        raised = PyObject_CallMethod(object, "_break_off", "O", error);
        Py_DECREF(error);
    }
    if (raised != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(raised), raised);
        Py_DECREF(raised);
    }
    return NULL;
}

/* mask_keys.new_key(): 1 when the stock had a key, so that nothing else ran, 0 when something may have, -1 with an
 * exception. */
static int
take_key(const State *state, unsigned char *key)
{
    PyObject *stock = state->stock, *taken;
    Py_ssize_t last;
    int failed;

    if (stock == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "use_keys was not called");
        return -1;
    }
    last = PyList_GET_SIZE(stock) - 1;
    if (last < 0) {
        PyObject *new_key = PyDict_GetItemWithError(state->keys, state->new_key_name);

        taken = new_key == NULL ? NULL : PyObject_CallNoArgs(new_key);
        failed = taken == NULL ? -1 : syncws_read_key(taken, key);
        Py_XDECREF(taken);
        return failed;
    }
    /* stock.pop(), which C has no function for: the room stays with the list, for the next keys. */
    taken = PyList_GET_ITEM(stock, last);
    Py_SET_SIZE(stock, last);
    failed = syncws_read_key(taken, key);
    Py_DECREF(taken);
    return failed ? -1 : 1;
}

/* True when nobody is in the midst of a frame, and nothing must go first. */
static int
is_clear(const Sender *self, const State *state)
{
    return self->owner == state->zero && self->has_posted == Py_False && self->direct != NULL && self->direct != Py_None
           && self->writer != NULL && self->tally != NULL && self->meter != NULL
           && PyObject_TypeCheck(self->tally, state->tally_type) && PyObject_TypeCheck(self->meter, state->meter_type);
}

/* Write down what has gone of a frame, and see to the rest; from here on Python may run, and be interrupted. */
static PyObject *
note_sent(PyObject *object, const State *state, Py_ssize_t sent, int is_whole)
{
    Sender *self = (Sender *)object;
    int is_counted;

    ((Tally *)self->tally)->whole++;
    is_counted = syncws_count(self->meter, state, sent) == 0;
    if (!is_whole) {
        PyObject *finished = is_counted ? PyObject_CallMethod(object, "_finish", NULL) : NULL;

        if (finished == NULL) {
            /* Others are to push out what its sender leaves. */
            syncws_call_aside(object, "_tell_of_leftover", 0);
            return NULL;
        }
        Py_DECREF(finished);
    }
    return is_counted ? Py_NewRef(Py_True) : NULL;
}

/* Shut the socket down, for what was sent of a frame is not known any more. */
static void
cut(PyObject *direct, State *state)
{
    PyObject *type, *value, *traceback;
    int descriptor;

    PyErr_Fetch(&type, &value, &traceback);
    descriptor = syncws_number_of(direct, state);
    if (descriptor >= 0) {
        shutdown(descriptor, SHUT_RDWR);
    }
    PyErr_Restore(type, value, traceback);
}

/* Where a frame of a larger payload is masked, the same for all: fresh memory costs page faults. */
static unsigned char *
large_room(State *state)
{
    if (state->frame == NULL) {
        state->frame = PyMem_Malloc(SYNCWS_LONGEST_HEAD + MOST_BYTES);
    }
    return state->frame;
}

/* Give a frame to the socket, which it may be over TLS; return 0 when it takes nothing now. */
static int
push(PyObject *direct, State *state, const unsigned char *frame, Py_ssize_t size, SyncwsSent *sent)
{
    int descriptor;

    sent->number = 0;
#if SYNCWS_HAS_TLS
    if (PyObject_TypeCheck(direct, state->tls_type)) {
        return syncws_tls_send(direct, state, frame, size, sent);
    }
#endif
    descriptor = syncws_number_of(direct, state);
    if (descriptor < 0) {
        /* Closed, maybe behind our back: for Python's to find out. */
        return 0;
    }
    sent->taken = sent->moved = send(descriptor, frame, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL);
    sent->is_whole = sent->taken == size;
    sent->number = sent->taken < 0 ? errno : 0;
    return sent->taken >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

/* The most bytes of a payload. */
static Py_ssize_t
most_of(const Sender *self, const State *state)
{
#if SYNCWS_HAS_TLS
    if (self->direct != NULL && PyObject_TypeCheck(self->direct, state->tls_type)) {
        return MOST_OVER_TLS;
    }
#endif
    return MOST_BYTES;
}

static PyObject *
send_frame(PyObject *object, State *state, unsigned first, const void *payload, Py_ssize_t length)
{
    Sender *self = (Sender *)object;
    unsigned char room[SYNCWS_LONGEST_HEAD + SMALL_BYTES], key[SYNCWS_KEY_BYTES];
    unsigned char *frame = room;
    Py_ssize_t size;
    SyncwsSent sent;
    int alone;

    if (length > most_of(self, state) || !is_clear(self, state)) {
        Py_RETURN_FALSE;
    }
    if (length > SMALL_BYTES && (frame = large_room(state)) == NULL) {
        Py_RETURN_FALSE;
    }
    alone = take_key(state, key);
    if (alone < 0) {
        return NULL;
    }
    if (!alone && !is_clear(self, state)) {
        Py_RETURN_FALSE;
    }
    size = syncws_write_head(frame, first, length, key);
    syncws_mask_into(frame + size, payload, length, key);
    size += length;
    if (!push(self->direct, state, frame, size, &sent)) {
        Py_RETURN_FALSE;
    }
    if (sent.number) {
        return break_off(object, sent.number);
    }
    if (!sent.is_whole && leave_rest(self, frame + sent.taken, size - sent.taken) < 0) {
        /* No memory for it: what has gone cannot be gone on with. */
        cut(self->direct, state);
        return NULL;
    }
    return note_sent(object, state, sent.moved, sent.is_whole);
}

/* Send a text if its UTF-8 is certain to fit. */
static PyObject *
send_text(PyObject *object, State *state, PyObject *payload, unsigned first)
{
    Py_ssize_t characters = PyUnicode_GET_LENGTH(payload), most = most_of((Sender *)object, state), length = 0;
    int kind = PyUnicode_KIND(payload), longest = kind == PyUnicode_1BYTE_KIND ? 2 : kind == PyUnicode_2BYTE_KIND ? 3 : 4;
    PyObject *encoded = NULL, *result;
    const char *text = NULL;

    if (characters <= KEPT_CHARACTERS || (PyUnicode_IS_ASCII(payload) && characters <= most)) {
        text = PyUnicode_AsUTF8AndSize(payload, &length);
    }
    else if (characters <= most / longest && is_clear((Sender *)object, state)) {
        encoded = PyUnicode_AsUTF8String(payload);
        text = encoded == NULL ? NULL : PyBytes_AS_STRING(encoded);
        length = encoded == NULL ? 0 : PyBytes_GET_SIZE(encoded);
    }
    if (text == NULL) {
        /* Also where it holds a surrogate: the error is Python's to word. */
        PyErr_Clear();
        Py_RETURN_FALSE;
    }
    result = send_frame(object, state, first ? first : SYNCWS_FIN_TEXT, text, length);
    Py_XDECREF(encoded);
    return result;
}

/* Send a payload in a frame with the byte `first`, 0 for what its type says; return whether it was done. */
PyObject *
syncws_send(PyObject *object, State *state, PyObject *payload, unsigned first)
{
    PyObject *result;
    Py_buffer data;

    if (PyUnicode_CheckExact(payload)) {
        return send_text(object, state, payload, first);
    }
    if (PyBytes_CheckExact(payload)) {
        return send_frame(object, state, first ? first : SYNCWS_FIN_BINARY, PyBytes_AS_STRING(payload),
            PyBytes_GET_SIZE(payload));
    }
    if (!first || PyObject_GetBuffer(payload, &data, PyBUF_SIMPLE) < 0) {
        PyErr_Clear();
        Py_RETURN_FALSE;
    }
    result = send_frame(object, state, first, data.buf, data.len);
    PyBuffer_Release(&data);
    return result;
}

#else

/* On Windows, and where other threads run at the same time, nothing is sent in this way. */
PyObject *
syncws_send(PyObject *Py_UNUSED(object), State *Py_UNUSED(state), PyObject *Py_UNUSED(payload),
    unsigned Py_UNUSED(first))
{
    Py_RETURN_FALSE;
}

#endif

/* send_at_once(payload, first=0) -> whether it was done */
static PyObject *
sender_send_at_once(
    PyObject *object, PyTypeObject *defining_class, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    State *state = PyType_GetModuleState(defining_class);
    int first = 0;

    if (count < 1 || count > 2 || (names != NULL && PyTuple_GET_SIZE(names))) {
        PyErr_SetString(PyExc_TypeError, "send_at_once() takes a payload and a first byte");
        return NULL;
    }
    if (state == NULL || (count == 2 && (first = syncws_read_first(args[1])) < 0)) {
        return NULL;
    }
    return syncws_send(object, state, args[0], (unsigned)first);
}

static PyMethodDef sender_methods[] = {
    {"send_at_once", (PyCFunction)(void (*)(void))sender_send_at_once, METH_METHOD | METH_FASTCALL | METH_KEYWORDS,
     "send_at_once($self, payload, first=0, /)\n--\n\nSee syncws._connection.sending.at_once."},
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
