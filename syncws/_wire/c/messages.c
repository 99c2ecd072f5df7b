/* Message objects: the compiled form of incoming.MessageFields. */

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
    Reader *reader;

    if (state->reader_class == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "use_reader was not called");
        return NULL;
    }
    reader = (Reader *)syncws_make(&state->readers, state->reader_class);
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
"Each call gives a new reader over the same bytes. A piece of text may end inside a character, which read_string\n"
"refuses: PartialTextReader reads text across events.\n\n"
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

/* Return a message of that content, whose reference is taken over also when it fails. */
PyObject *
syncws_make_message(State *state, PyTypeObject *type, PyObject *content, Py_ssize_t length)
{
    PyObject *size;
    Message *message;
    int is_text;

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
    is_text = PyUnicode_CheckExact(content);
    message->payload = is_text ? Py_NewRef(Py_None) : content;
    message->text = is_text ? content : Py_NewRef(Py_None);
    message->length = size;
    message->error = Py_NewRef(Py_None);
    message->home = state;
    return (PyObject *)message;
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
