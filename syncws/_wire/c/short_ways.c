/* Methods that a plain call need not enter: the compiled form of short_way.short_way. */

#include "speedups.h"

/* A method, the attribute of its object that may do the same, and, if an output stream calls it, what stands for text. */
typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *function;
    PyObject *name;
    PyObject *text_kind;
    State *state;
} ShortWay;

static int
way_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((ShortWay *)object)->function);
    Py_VISIT(((ShortWay *)object)->name);
    Py_VISIT(((ShortWay *)object)->text_kind);
    return 0;
}

static int
way_clear(PyObject *object)
{
    Py_CLEAR(((ShortWay *)object)->function);
    Py_CLEAR(((ShortWay *)object)->name);
    Py_CLEAR(((ShortWay *)object)->text_kind);
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

/* What an object has in its own dictionary under a name, or NULL, with or without an exception. Past the class: these names
 * are in none that can be asked here, and to look there first would cost as much as the rest. */
static PyObject *
field_of(PyObject *fields, PyObject *name)
{
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *value;

    PyDict_GetItemRef(fields, name, &value);
    return value;
#else
    return Py_XNewRef(PyDict_GetItemWithError(fields, name));
#endif
}

/* at_hand.take(socket._message_received_event.handlers) */
static PyObject *
take_for(PyObject *fields, PyObject *at_hand, const State *state)
{
    PyObject *event = field_of(fields, state->event_name), *content = NULL;
    PyObject *handlers = event == NULL ? NULL : PyObject_GetAttr(event, state->handlers_name);

    Py_XDECREF(event);
    if (handlers != NULL && PyTuple_CheckExact(handlers)) {
        content = syncws_take(at_hand, state, handlers);
    }
    Py_XDECREF(handlers);
    return content;
}

/* socket._control._message_type, which is the class's until it is set; NULL as field_of(). */
static PyObject *
kind_of(PyObject *fields, const State *state)
{
    PyObject *control = field_of(fields, state->control_name);
    PyObject *settings = control == NULL ? NULL : PyObject_GenericGetDict(control, NULL);
    PyObject *kind = settings == NULL ? NULL : field_of(settings, state->kind_name);

    if (kind == NULL && control != NULL) {
        PyErr_Clear();
        kind = PyObject_GetAttr(control, state->kind_name);
    }
    Py_XDECREF(control);
    Py_XDECREF(settings);
    return kind;
}

/* socket._write_text(data) or socket._write(data, None): the length of what was sent; otherwise as try_without(). */
static PyObject *
write_without(const ShortWay *self, PyObject *fields, PyObject *sender, PyObject *const *args, Py_ssize_t count)
{
    State *state = self->state;
    PyObject *kind, *sent;
    int is_text;

    if (!PyBytes_CheckExact(args[0]) || (count == 2 && args[1] != Py_None)) {
        return NULL;
    }
    kind = kind_of(fields, state);
    is_text = kind == self->text_kind;
    Py_XDECREF(kind);
    if (kind == NULL || (is_text && count == 2)) {
        /* The latter must be found to be UTF-8 first. */
        return NULL;
    }
    sent = syncws_send(sender, state, args[0], is_text ? SYNCWS_FIN_TEXT : SYNCWS_FIN_BINARY);
    if (sent == Py_True) {
        Py_DECREF(sent);
        return PyLong_FromSsize_t(PyBytes_GET_SIZE(args[0]));
    }
    return sent;
}

/* Tell whether a time limit needs no look: what lies at hand is not waited for. */
static int
is_plain_limit(PyObject *limit)
{
    int is_too_large = 0;

    if (PyLong_CheckExact(limit)) {
        return PyLong_AsLongAndOverflow(limit, &is_too_large) >= 0 && !is_too_large;
    }
    return limit == Py_None || (PyFloat_CheckExact(limit) && PyFloat_AS_DOUBLE(limit) >= 0);
}

/* Do it without the function by what the object has for it: as try_without(). */
static PyObject *
ask(const ShortWay *self, PyObject *fields, PyObject *object, PyObject *const *args, Py_ssize_t count, int has_limit)
{
    State *state = self->state;

    if (Py_TYPE(object) == state->at_hand_type) {
        return count == 1 || (count == 2 && is_plain_limit(args[1])) ? take_for(fields, object, state) : NULL;
    }
    if (has_limit) {
        return NULL;
    }
    if (count == 1 && Py_TYPE(object) == state->latest_type) {
        return syncws_latest_stream(object, state, args[0]);
    }
    if (count > 1 && PyObject_TypeCheck(object, state->sender_type)) {
        if (self->text_kind != Py_None) {
            return write_without(self, fields, object, args + 1, count - 1);
        }
        return count == 2 ? syncws_send(object, state, args[1], 0) : NULL;
    }
    return NULL;
}

/* Do it without the function: NULL with an exception; NULL without, None or False when it is for the function. The last
 * argument is a limit by its name where that is said, and not what is to be sent. */
static PyObject *
try_without(const ShortWay *self, PyObject *const *args, Py_ssize_t count, int has_limit)
{
    PyObject *fields = PyObject_GenericGetDict(args[0], NULL), *object, *result;

    if (fields == NULL) {
        PyErr_Clear();
        return NULL;
    }
    object = field_of(fields, self->name);
    result = object == NULL ? NULL : ask(self, fields, object, args, count, has_limit);
    Py_XDECREF(object);
    Py_DECREF(fields);
    return result;
}

/* Tell whether a call is method(object, timeout=…). */
static int
has_limit_alone(PyObject *names, Py_ssize_t given)
{
    return given == 1 && PyTuple_GET_SIZE(names) == 1
           && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), "timeout") == 0;
}

static PyObject *
way_call(PyObject *object, PyObject *const *args, size_t count, PyObject *names)
{
    const ShortWay *self = (ShortWay *)object;
    Py_ssize_t given = PyVectorcall_NARGS(count);
    int has_names = names != NULL && PyTuple_GET_SIZE(names);

    if (given > 0 && (!has_names || has_limit_alone(names, given))) {
        PyObject *result = try_without(self, args, given + has_names, has_names);

        if (result == Py_True) {
            /* It was sent. */
            Py_DECREF(result);
            Py_RETURN_NONE;
        }
        if (result == NULL ? PyErr_Occurred() != NULL : result != Py_None && result != Py_False) {
            return result;
        }
        Py_XDECREF(result);
    }
    return PyObject_Vectorcall(self->function, args, count, names);
}

static PyObject *
way_new(PyTypeObject *type, PyObject *args, PyObject *names)
{
    PyObject *module = PyType_GetModuleByDef(type, &syncws_definition), *function, *name, *text_kind = Py_None;
    ShortWay *self;

    if (module == NULL
        || !PyArg_ParseTuple(args, "O!U|O:ShortWay", &PyFunction_Type, &function, &name, &text_kind)) {
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
        self->text_kind = Py_NewRef(text_kind);
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

/* The name, the documentation, the signature and the rest are the function's; the class too, so that what asks for
 * functions, as unittest.mock does for what it is to check calls by, takes this for one. */
static PyObject *
way_getattr(PyObject *object, PyObject *name)
{
    if (PyUnicode_CompareWithASCIIString(name, "__wrapped__") == 0) {
        return PyObject_GenericGetAttr(object, name);
    }
    return PyObject_GetAttr(((ShortWay *)object)->function, name);
}

/* help() asks past way_getattr, and would find the type's. */
static PyObject *
way_doc(PyObject *object, void *Py_UNUSED(closure))
{
    return PyObject_GetAttrString(((ShortWay *)object)->function, "__doc__");
}

static PyGetSetDef way_getset[] = {
    {"__doc__", way_doc, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef way_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(ShortWay, call), READONLY, NULL},
    {"__wrapped__", T_OBJECT_EX, offsetof(ShortWay, function), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot way_slots[] = {
    {Py_tp_new, way_new},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_descr_get, way_get},
    {Py_tp_getattro, way_getattr},
    {Py_tp_getset, way_getset},
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
