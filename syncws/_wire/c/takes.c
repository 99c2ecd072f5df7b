/* Taking a message that lies at hand: the compiled forms of at_hand.AtHand and at_hand.at_hand_first. */

#include "speedups.h"

static int
at_hand_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((AtHand *)object)->messages);
    Py_VISIT(((AtHand *)object)->event);
    return 0;
}

static int
at_hand_clear(PyObject *object)
{
    Py_CLEAR(((AtHand *)object)->messages);
    Py_CLEAR(((AtHand *)object)->event);
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
    AtHand *self = (AtHand *)object;
    PyObject *messages, *event;

    if ((names != NULL && PyDict_GET_SIZE(names)) || !PyArg_ParseTuple(args, "OO:AtHand", &messages, &event)) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_TypeError, "AtHand() takes no keyword arguments");
        }
        return -1;
    }
    Py_XSETREF(self->messages, Py_NewRef(messages));
    Py_XSETREF(self->event, Py_NewRef(event));
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

/* 1 when the messages are for handlers, -1 with an exception. */
static int
has_handlers(PyObject *event, const State *state)
{
    PyObject *handlers;
    int has_some;

    if (event == Py_None) {
        return 0;
    }
    handlers = PyObject_GetAttr(event, state->handlers_name);
    has_some = handlers == NULL ? -1 : PyObject_IsTrue(handlers);
    Py_XDECREF(handlers);
    return has_some;
}

static PyObject *
take(AtHand *self, const State *state)
{
    PyObject *messages, *event, *message = NULL;
    int is_none;

    Py_BEGIN_CRITICAL_SECTION(self);
    messages = Py_XNewRef(self->messages);
    event = Py_XNewRef(self->event);
    Py_END_CRITICAL_SECTION();
    is_none = messages == NULL || event == NULL || PyObject_Size(messages) < 1 || has_handlers(event, state);
    if (!is_none) {
        message = PyObject_VectorcallMethod(state->popleft_name, &messages, 1, NULL);
        if (message == NULL && PyErr_ExceptionMatches(PyExc_IndexError)) {
            /* Another thread was faster, where there is no GIL. */
            PyErr_Clear();
            is_none = 1;
        }
    }
    Py_XDECREF(messages);
    Py_XDECREF(event);
    if (message != NULL) {
        return content_of(message, state);
    }
    return is_none && !PyErr_Occurred() ? Py_NewRef(Py_None) : NULL;
}

/* take() */
static PyObject *
at_hand_take(PyObject *object, PyTypeObject *defining_class, PyObject *const *Py_UNUSED(args), Py_ssize_t count,
    PyObject *names)
{
    const State *state = PyType_GetModuleState(defining_class);

    if (state == NULL || count || (names != NULL && PyTuple_GET_SIZE(names))) {
        PyErr_SetString(PyExc_TypeError, "take() takes no arguments");
        return NULL;
    }
    return take((AtHand *)object, state);
}

static PyMemberDef at_hand_members[] = {
    {"messages", T_OBJECT_EX, offsetof(AtHand, messages), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef at_hand_methods[] = {
    {"take", (PyCFunction)(void (*)(void))at_hand_take, METH_METHOD | METH_FASTCALL | METH_KEYWORDS,
     "take($self, /)\n--\n\nSee syncws._connection.receiving.at_hand."},
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

/* A function that is a method, and what may be had without calling it. */
typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *function;
    const State *state;
} AtHandFirst;

static int
first_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((AtHandFirst *)object)->function);
    return 0;
}

static int
first_clear(PyObject *object)
{
    Py_CLEAR(((AtHandFirst *)object)->function);
    return 0;
}

static void
first_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    first_clear(object);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyObject *
first_call(PyObject *object, PyObject *const *args, size_t count, PyObject *names)
{
    const AtHandFirst *self = (AtHandFirst *)object;

    if (PyVectorcall_NARGS(count) == 1 && (names == NULL || !PyTuple_GET_SIZE(names))) {
        PyObject *at_hand = PyObject_GetAttr(args[0], self->state->at_hand_name), *content = Py_None;

        if (at_hand == NULL) {
            return NULL;
        }
        if (Py_TYPE(at_hand) == self->state->at_hand_type) {
            content = take((AtHand *)at_hand, self->state);
            Py_XDECREF(content == Py_None ? content : NULL);
        }
        Py_DECREF(at_hand);
        if (content != Py_None) {
            return content;
        }
    }
    return PyObject_Vectorcall(self->function, args, count, names);
}

static PyObject *
first_new(PyTypeObject *type, PyObject *args, PyObject *names)
{
    PyObject *module = PyType_GetModuleByDef(type, &syncws_definition), *function;
    AtHandFirst *self;

    if (module == NULL || (names != NULL && PyDict_GET_SIZE(names))
        || !PyArg_ParseTuple(args, "O!:AtHandFirst", &PyFunction_Type, &function)) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_TypeError, "AtHandFirst() takes no keyword arguments");
        }
        return NULL;
    }
    self = (AtHandFirst *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->call = first_call;
        self->function = Py_NewRef(function);
        /* The type, and with it the module, lives as long as its instances. */
        self->state = syncws_state(module);
    }
    return (PyObject *)self;
}

static PyObject *
first_get(PyObject *object, PyObject *instance, PyObject *Py_UNUSED(owner))
{
    return instance == NULL || instance == Py_None ? Py_NewRef(object) : PyMethod_New(object, instance);
}

/* The name, the documentation, the signature and the rest are the function's. */
static PyObject *
first_getattr(PyObject *object, PyObject *name)
{
    PyObject *found = PyUnicode_CompareWithASCIIString(name, "__class__") && PyUnicode_CompareWithASCIIString(name, "__wrapped__")
                          ? PyObject_GetAttr(((AtHandFirst *)object)->function, name)
                          : NULL;

    if (found == NULL && !PyErr_Occurred()) {
        found = PyObject_GenericGetAttr(object, name);
    }
    return found;
}

static PyMemberDef first_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(AtHandFirst, call), READONLY, NULL},
    {"__wrapped__", T_OBJECT_EX, offsetof(AtHandFirst, function), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot first_slots[] = {
    {Py_tp_doc, "The compiled form of syncws._connection.receiving.at_hand.at_hand_first."},
    {Py_tp_new, first_new},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_descr_get, first_get},
    {Py_tp_getattro, first_getattr},
    {Py_tp_members, first_members},
    {Py_tp_traverse, first_traverse},
    {Py_tp_clear, first_clear},
    {Py_tp_dealloc, first_dealloc},
    {0, NULL},
};

PyType_Spec syncws_first_spec = {
    .name = "syncws._wire._speedups.AtHandFirst",
    .basicsize = sizeof(AtHandFirst),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR,
    .slots = first_slots,
};
