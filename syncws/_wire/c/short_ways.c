/* Methods that a plain call need not enter: the compiled form of short_way.short_way. */

#include "speedups.h"

/* A method, and the attribute of its object that may do the same. */
typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *function;
    PyObject *name;
    const State *state;
} ShortWay;

static int
way_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((ShortWay *)object)->function);
    Py_VISIT(((ShortWay *)object)->name);
    return 0;
}

static int
way_clear(PyObject *object)
{
    Py_CLEAR(((ShortWay *)object)->function);
    Py_CLEAR(((ShortWay *)object)->name);
    return 0;
}

static void
way_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    way_clear(object);
    type->tp_free(object);
    Py_DECREF(type);
}

/* at_hand.take(socket._message_received.handlers) */
static PyObject *
take_for(PyObject *socket, PyObject *at_hand, const State *state)
{
    PyObject *event = PyObject_GetAttr(socket, state->event_name), *handlers, *content = NULL;

    handlers = event == NULL ? NULL : PyObject_GetAttr(event, state->handlers_name);
    if (handlers != NULL) {
        content = PyTuple_CheckExact(handlers) ? syncws_take(at_hand, state, handlers) : Py_NewRef(Py_None);
    }
    Py_XDECREF(event);
    Py_XDECREF(handlers);
    return content;
}

/* Do it without the function: the result, None or False when it is for the function, NULL with an exception. */
static PyObject *
try_without(const ShortWay *self, PyObject *const *args, Py_ssize_t count)
{
    const State *state = self->state;
    PyObject *object = PyObject_GetAttr(args[0], self->name), *result;

    if (object == NULL) {
        return NULL;
    }
    if (count == 1 && Py_TYPE(object) == state->at_hand_type) {
        result = take_for(args[0], object, state);
    }
    else if (count == 1 && Py_TYPE(object) == state->latest_type) {
        result = syncws_latest_stream(object, state, args[0]);
    }
    else if (count == 2 && PyObject_TypeCheck(object, state->sender_type)) {
        result = syncws_send(object, state, args[1], 0);
    }
    else {
        result = Py_NewRef(Py_None);
    }
    Py_DECREF(object);
    return result;
}

static PyObject *
way_call(PyObject *object, PyObject *const *args, size_t count, PyObject *names)
{
    const ShortWay *self = (ShortWay *)object;

    if (PyVectorcall_NARGS(count) > 0 && (names == NULL || !PyTuple_GET_SIZE(names))) {
        PyObject *result = try_without(self, args, PyVectorcall_NARGS(count));

        if (result == Py_True) {
            /* It was sent. */
            Py_DECREF(result);
            Py_RETURN_NONE;
        }
        if (result != Py_None && result != Py_False) {
            return result;
        }
        Py_DECREF(result);
    }
    return PyObject_Vectorcall(self->function, args, count, names);
}

static PyObject *
way_new(PyTypeObject *type, PyObject *args, PyObject *names)
{
    PyObject *module = PyType_GetModuleByDef(type, &syncws_definition), *function, *name;
    ShortWay *self;

    if (module == NULL || !PyArg_ParseTuple(args, "O!U:ShortWay", &PyFunction_Type, &function, &name)) {
        return NULL;
    }
    if (names != NULL && PyDict_GET_SIZE(names)) {
        PyErr_SetString(PyExc_TypeError, "ShortWay() takes no keyword arguments");
        return NULL;
    }
    self = (ShortWay *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->call = way_call;
        self->function = Py_NewRef(function);
        self->name = Py_NewRef(name);
        PyUnicode_InternInPlace(&self->name);
        /* The type, and with it the module, lives as long as its instances. */
        self->state = syncws_state(module);
    }
    return (PyObject *)self;
}

static PyObject *
way_get(PyObject *object, PyObject *instance, PyObject *Py_UNUSED(owner))
{
    return instance == NULL || instance == Py_None ? Py_NewRef(object) : PyMethod_New(object, instance);
}

/* The name, the documentation, the signature and the rest are the function's. */
static PyObject *
way_getattr(PyObject *object, PyObject *name)
{
    if (PyUnicode_CompareWithASCIIString(name, "__class__") == 0
        || PyUnicode_CompareWithASCIIString(name, "__wrapped__") == 0) {
        return PyObject_GenericGetAttr(object, name);
    }
    return PyObject_GetAttr(((ShortWay *)object)->function, name);
}

static PyMemberDef way_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(ShortWay, call), READONLY, NULL},
    {"__wrapped__", T_OBJECT_EX, offsetof(ShortWay, function), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot way_slots[] = {
    {Py_tp_doc, "The compiled form of syncws._connection.short_way.short_way."},
    {Py_tp_new, way_new},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_descr_get, way_get},
    {Py_tp_getattro, way_getattr},
    {Py_tp_members, way_members},
    {Py_tp_traverse, way_traverse},
    {Py_tp_clear, way_clear},
    {Py_tp_dealloc, way_dealloc},
    {0, NULL},
};

PyType_Spec syncws_way_spec = {
    .name = "syncws._wire._speedups.ShortWay",
    .basicsize = sizeof(ShortWay),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR,
    .slots = way_slots,
};
