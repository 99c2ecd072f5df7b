/* Taking a message that lies at hand: the compiled form of at_hand.AtHand. */

#include "speedups.h"

static int
at_hand_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((AtHand *)object)->messages);
    return 0;
}

static int
at_hand_clear(PyObject *object)
{
    Py_CLEAR(((AtHand *)object)->messages);
    return 0;
}

static void
at_hand_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    at_hand_clear(object);
    type->tp_free(object);
    Py_DECREF(type);
}

static int
at_hand_init(PyObject *object, PyObject *args, PyObject *names)
{
    PyObject *old = ((AtHand *)object)->messages;

    if (PyTuple_GET_SIZE(args) != 1 || (names != NULL && PyDict_GET_SIZE(names))) {
        PyErr_SetString(PyExc_TypeError, "AtHand() takes exactly one argument, the messages");
        return -1;
    }
    ((AtHand *)object)->messages = Py_NewRef(PyTuple_GET_ITEM(args, 0));
    Py_XDECREF(old);
    return 0;
}

/* Return the content of a message, which is let go of. */
static PyObject *
content_of(PyObject *object, const State *state)
{
    Message *message = (Message *)object;
    PyObject *content = NULL;

    if (!PyObject_TypeCheck(object, state->message_type)) {
        PyErr_SetString(PyExc_TypeError, "only messages can be taken");
    }
    else {
        content = message->text == NULL || message->text == Py_None ? message->payload : message->text;
        if (content == NULL) {
            PyErr_SetString(PyExc_AttributeError, "the message was not filled in");
        }
    }
    Py_XINCREF(content);
    Py_DECREF(object);
    return content;
}

/* Return the content of the first message, None when there is none or there are handlers that it is for. */
PyObject *
syncws_take(PyObject *object, const State *state, PyObject *handlers)
{
    PyObject *messages, *message;

    Py_BEGIN_CRITICAL_SECTION(object);
    messages = Py_XNewRef(((AtHand *)object)->messages);
    Py_END_CRITICAL_SECTION();
    if (messages == NULL || PyTuple_GET_SIZE(handlers) || PyObject_Size(messages) < 1) {
        Py_XDECREF(messages);
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    }
    message = PyObject_VectorcallMethod(state->popleft_name, &messages, 1, NULL);
    Py_DECREF(messages);
    if (message == NULL && PyErr_ExceptionMatches(PyExc_IndexError)) {
        /* Another thread was faster, where there is no GIL. */
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    return message == NULL ? NULL : content_of(message, state);
}

/* take(handlers) */
static PyObject *
at_hand_take(PyObject *object, PyTypeObject *defining_class, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    const State *state = PyType_GetModuleState(defining_class);

    if (state == NULL || count != 1 || (names != NULL && PyTuple_GET_SIZE(names)) || !PyTuple_CheckExact(args[0])) {
        PyErr_SetString(PyExc_TypeError, "take() takes a tuple of handlers");
        return NULL;
    }
    return syncws_take(object, state, args[0]);
}

static PyMemberDef at_hand_members[] = {
    {"messages", T_OBJECT_EX, offsetof(AtHand, messages), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef at_hand_methods[] = {
    {"take", (PyCFunction)(void (*)(void))at_hand_take, METH_METHOD | METH_FASTCALL | METH_KEYWORDS,
     "take($self, handlers, /)\n--\n\nSee syncws._connection.receiving.at_hand."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot at_hand_slots[] = {
    {Py_tp_doc, "The compiled form of syncws._connection.receiving.at_hand.AtHand."},
    {Py_tp_init, at_hand_init},
    {Py_tp_methods, at_hand_methods},
    {Py_tp_members, at_hand_members},
    {Py_tp_traverse, at_hand_traverse},
    {Py_tp_clear, at_hand_clear},
    {Py_tp_dealloc, at_hand_dealloc},
    {0, NULL},
};

PyType_Spec syncws_at_hand_spec = {
    .name = "syncws._wire._speedups.AtHand",
    .basicsize = sizeof(AtHand),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = at_hand_slots,
};
