/* Message objects, and scanning bytes into them: the compiled forms of incoming.MessageFields and decoder.scan. */

#include "speedups.h"

/* About as many as one read brings of small messages; some 80 KiB. */
enum { MOST_SPARES = 1024 };

static int
message_traverse(PyObject *object, visitproc visit, void *arg)
{
    Message *self = (Message *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->payload);
    Py_VISIT(self->text);
    Py_VISIT(self->length);
    Py_VISIT(self->error);
    return 0;
}

static int
message_clear(PyObject *object)
{
    Message *self = (Message *)object;

    Py_CLEAR(self->payload);
    Py_CLEAR(self->text);
    Py_CLEAR(self->length);
    Py_CLEAR(self->error);
    return 0;
}

static void
message_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    State *home = ((Message *)object)->home;
    int is_spare = home != NULL && type == home->message_class;

    if (!is_spare) {
        PyObject_GC_UnTrack(object);
    }
    message_clear(object);
    if (!is_spare || !syncws_keep(&home->messages, MOST_SPARES, object)) {
        type->tp_free(object);
    }
    Py_DECREF(type);
}

/* Make a reader over bytes and text, which only hold what cannot be part of a cycle: so it need not be looked at. */
static PyObject *
make_reader(State *state, PyObject *payload, PyObject *text, PyObject *length)
{
    Fields *reader;

    if (state->reader_class == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "use_reader was not called");
        return NULL;
    }
    reader = (Fields *)syncws_make(&state->readers, state->reader_class);
    if (reader == NULL) {
        return NULL;
    }
    reader->data = Py_NewRef(payload);
    reader->text = Py_NewRef(text);
    reader->position = Py_NewRef(state->zero);
    reader->unread = Py_NewRef(length);
    reader->encoding = Py_NewRef(state->encoding);
    reader->byte_order = Py_NewRef(state->byte_order);
    reader->options = Py_NewRef(state->options);
    reader->stream = Py_NewRef(Py_None);
    reader->turn = Py_NewRef(Py_None);
    reader->is_closed = Py_NewRef(Py_False);
    reader->home = state;
    return (PyObject *)reader;
}

/* get_data_reader() */
static PyObject *
message_get_data_reader(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    Message *self = (Message *)object;
    State *state = syncws_state_of(object, self->home);
    PyObject *payload, *text, *length, *error, *result = NULL;

    Py_BEGIN_CRITICAL_SECTION(object);
    payload = Py_XNewRef(self->payload);
    text = Py_XNewRef(self->text);
    length = Py_XNewRef(self->length);
    error = Py_XNewRef(self->error);
    Py_END_CRITICAL_SECTION();
    if (payload == NULL || text == NULL || length == NULL || error == NULL) {
        PyErr_SetString(PyExc_AttributeError, "the message was not filled in");
    }
    else if (error == Py_None) {
        result = make_reader(state, payload, text, length);
    }
    else if (state->fresh == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "use_reader was not called");
    }
    else {
        /* An error object of its own for each time that it is raised. */
        PyObject *copy = PyObject_CallOneArg(state->fresh, error);

        if (copy != NULL) {
            PyErr_SetObject((PyObject *)Py_TYPE(copy), copy);
            Py_DECREF(copy);
        }
    }
    Py_XDECREF(payload);
    Py_XDECREF(text);
    Py_XDECREF(length);
    Py_XDECREF(error);
    return result;
}

static PyMemberDef message_members[] = {
    {"_payload", T_OBJECT_EX, offsetof(Message, payload), 0, NULL},
    {"_text", T_OBJECT_EX, offsetof(Message, text), 0, NULL},
    {"_length", T_OBJECT_EX, offsetof(Message, length), 0, NULL},
    {"_error", T_OBJECT_EX, offsetof(Message, error), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

PyDoc_STRVAR(get_data_reader_doc,
"get_data_reader($self, /)\n--\n\n"
"Return a reader that holds the whole message, or the piece of it: no load() is needed.\n\n"
"Each call gives a fresh reader over the same bytes. A piece of a text may end inside a character, which\n"
"read_string refuses: PartialTextReader reads text across events.\n\n"
"Raises:\n"
"    ConnectionLostError: the connection broke (0x80072EFE, after a reset 0x80072EFF).\n"
"    MessageTooBigError: the message is over control.max_message_size (0x80072738).\n"
"    ProtocolViolationError: the server broke RFC 6455 (0x83760002).\n\n"
"Source: MessageWebSocketMessageReceivedEventArgs.GetDataReader.");

static PyMethodDef message_methods[] = {
    {"get_data_reader", message_get_data_reader, METH_NOARGS, get_data_reader_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot message_slots[] = {
    {Py_tp_doc, "The compiled form of syncws._wire.incoming.MessageFields."},
    {Py_tp_members, message_members},
    {Py_tp_methods, message_methods},
    {Py_tp_traverse, message_traverse},
    {Py_tp_clear, message_clear},
    {Py_tp_dealloc, message_dealloc},
    {0, NULL},
};

PyType_Spec syncws_message_spec = {
    .name = "syncws._wire._speedups.MessageFields",
    .basicsize = sizeof(Message),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = message_slots,
};

/* Return the payload's length and set where it begins; -1 for what is not for scan(): see there. */
static Py_ssize_t
read_header(const unsigned char *at, Py_ssize_t available, Py_ssize_t limit, Py_ssize_t *start)
{
    Py_ssize_t length;

    if (at[0] != SYNCWS_FIN_TEXT && at[0] != SYNCWS_FIN_BINARY) {
        return -1;
    }
    length = at[1];
    *start = 2;
    if (length == 126) {
        if (available < 4) {
            return -1;
        }
        length = (Py_ssize_t)at[2] << 8 | at[3];
        *start = 4;
        if (length < 126) {
            return -1;
        }
    }
    else if (length == 127) {
        uint64_t whole = 0;

        if (available < 10) {
            return -1;
        }
        for (int at_byte = 2; at_byte < 10; at_byte++) {
            whole = whole << 8 | at[at_byte];
        }
        if (whole < 65536 || whole > (uint64_t)limit) {
            return -1;
        }
        length = (Py_ssize_t)whole;
        *start = 10;
    }
    else if (length > 127) {
        return -1;
    }
    return length > limit || length > available - *start ? -1 : length;
}

static PyObject *
make_message(State *state, PyTypeObject *type, unsigned first, const unsigned char *payload, Py_ssize_t length)
{
    PyObject *content, *size;
    Message *message;

    content = first == SYNCWS_FIN_TEXT ? syncws_text_of(payload, length)
                                       : PyBytes_FromStringAndSize((const char *)payload, length);
    if (content == NULL) {
        return NULL;
    }
    size = PyLong_FromSsize_t(length);
    /* Bytes, text and None: no cycle can come of these. */
    message = size == NULL
                  ? NULL
                  : (Message *)syncws_make(type == state->message_class ? &state->messages : NULL, type);
    if (message == NULL) {
        Py_XDECREF(size);
        Py_DECREF(content);
        return NULL;
    }
    message->payload = first == SYNCWS_FIN_TEXT ? Py_NewRef(Py_None) : content;
    message->text = first == SYNCWS_FIN_TEXT ? content : Py_NewRef(Py_None);
    message->length = size;
    message->error = Py_NewRef(Py_None);
    message->home = state;
    return (PyObject *)message;
}

/* Return where the next frame is, -1 with an exception; see below. */
static Py_ssize_t
scan_from(State *state, const Py_buffer *data, Py_ssize_t position, Py_ssize_t limit, PyTypeObject *type,
    PyObject *events)
{
    const unsigned char *from = data->buf;

    while (data->len - position >= 2) {
        Py_ssize_t start, length = read_header(from + position, data->len - position, limit, &start);
        PyObject *message;
        int failed;

        if (length < 0) {
            break;
        }
        message = make_message(state, type, from[position], from + position + start, length);
        if (message == NULL) {
            return -1;
        }
        failed = PyList_Append(events, message);
        Py_DECREF(message);
        if (failed < 0) {
            return -1;
        }
        position += start + length;
    }
    return position;
}

/* scan(data, position, limit, message_class, events) -> position
 *
 * Appends a message for each whole unfragmented message from `position` on, of at most `limit` bytes, and stops before
 * the first frame that is anything else, which includes whatever is wrong. */
PyObject *
syncws_scan(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    State *state = syncws_state(module);
    Py_buffer data;
    Py_ssize_t position, limit;
    PyTypeObject *type;

    if (count != 5 || !(PyBytes_CheckExact(args[0]) || PyMemoryView_Check(args[0])) || !PyType_Check(args[3])
        || !PyList_CheckExact(args[4])) {
        PyErr_SetString(PyExc_TypeError, "scan takes bytes or a view, two integers, a class and a list");
        return NULL;
    }
    type = (PyTypeObject *)args[3];
    if (!PyType_IsSubtype(type, state->message_type)) {
        PyErr_SetString(PyExc_TypeError, "the class must be one of messages");
        return NULL;
    }
    position = PyLong_AsSsize_t(args[1]);
    if (position == -1 && PyErr_Occurred()) {
        return NULL;
    }
    limit = PyLong_AsSsize_t(args[2]);
    if (limit == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (PyObject_GetBuffer(args[0], &data, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    if (position < 0 || position > data.len) {
        PyErr_SetString(PyExc_ValueError, "the position must be within the bytes");
        position = -1;
    }
    else {
        position = scan_from(state, &data, position, limit, type, args[4]);
    }
    PyBuffer_Release(&data);
    return position < 0 ? NULL : PyLong_FromSsize_t(position);
}

/* use_message(message_class): what handlers get, of which many come and go */
PyObject *
syncws_use_message(PyObject *module, PyObject *message_class)
{
    State *state = syncws_state(module);

    if (!PyType_Check(message_class) || !syncws_is_plain((PyTypeObject *)message_class, state->message_type)) {
        PyErr_SetString(PyExc_TypeError, "the class must be one of messages, without fields of its own");
        return NULL;
    }
    if (syncws_give((PyTypeObject *)message_class, message_methods, NULL) < 0) {
        return NULL;
    }
    /* All that Python's deallocator for a class of Python would do besides is to look for what a plain class lacks. */
    ((PyTypeObject *)message_class)->tp_dealloc = message_dealloc;
    syncws_drop(&state->messages);
    Py_XSETREF(state->message_class, (PyTypeObject *)Py_NewRef(message_class));
    Py_RETURN_NONE;
}
